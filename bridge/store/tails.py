"""How far the closed streams have come: their last entries, read many at a time."""

from __future__ import annotations

import logging
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

from redis.exceptions import RedisError, ResponseError

from bridge.log import Sampled
from bridge.records import Kline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from bridge.store.keys import Keys

log = logging.getLogger(__name__)

_BATCH: Final = 500
_FIGURES: Final = ("open", "high", "low", "close", "volume")


class Tails:
    """Reads the last entries under one prefix."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        """Use `client`, which must answer in `str`."""
        self._client = client
        self._keys = keys
        self._odd = Sampled(log)

    async def read(self, series: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Kline | None]:
        """Return each series' last closed candle, or `None` where there is none; a series is symbol and timeframe.

        A stream whose last entry is nothing of ours is left out: nobody knows what follows that. Raises redis-py's
        `RedisError` when Redis is out of reach.
        """
        found: dict[tuple[str, str], Kline | None] = {}
        for start in range(0, len(series), _BATCH):
            part = series[start : start + _BATCH]
            async with self._client.pipeline(transaction=False) as pipe:
                for symbol, timeframe in part:
                    pipe.xrevrange(self._keys.closed_klines(symbol, timeframe), count=1)
                answers = await pipe.execute(raise_on_error=False)
            for key, entries in zip(part, answers, strict=True):
                if isinstance(entries, RedisError) and not _is_wrong_type(entries):
                    raise entries
                try:
                    found[key] = _kline(entries[0][1]) if entries else None
                except (KeyError, ValueError, TypeError, InvalidOperation):
                    self._odd.warning("%s does not end with a candle", self._keys.closed_klines(*key))
        return found


def _is_wrong_type(answer: RedisError) -> bool:
    return isinstance(answer, ResponseError) and str(answer).startswith("WRONGTYPE")


def _kline(fields: dict[str, str]) -> Kline:
    for name in _FIGURES:
        Decimal(fields[name] or "0")
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
