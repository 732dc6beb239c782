"""How far the closed streams have come: their last entries, read many at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.records import Kline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from bridge.store.keys import Keys

_BATCH: Final = 500


class Tails:
    """Reads the last entries under one prefix."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        """Use `client`, which must answer in `str`."""
        self._client = client
        self._keys = keys

    async def read(self, series: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Kline | None]:
        """Return each series' last closed candle, or `None` where there is none; a series is symbol and timeframe.

        Raises redis-py's `RedisError` when Redis is out of reach.
        """
        found: dict[tuple[str, str], Kline | None] = {}
        for start in range(0, len(series), _BATCH):
            part = series[start : start + _BATCH]
            async with self._client.pipeline(transaction=False) as pipe:
                for symbol, timeframe in part:
                    pipe.xrevrange(self._keys.closed_klines(symbol, timeframe), count=1)
                answers = await pipe.execute()
            for key, entries in zip(part, answers, strict=True):
                found[key] = _kline(entries[0][1]) if entries else None
        return found


def _kline(fields: dict[str, str]) -> Kline:
    return Kline(
        symbol=fields["symbol"],
        timeframe=fields["timeframe"],
        open_time=int(fields["open_time"]),
        close_time=int(fields["close_time"]),
        open=fields["open"],
        high=fields["high"],
        low=fields["low"],
        close=fields["close"],
        volume=fields["volume"],
        closed=1,
        source=fields["source"],
        received_at=int(fields["received_at"]),
    )
