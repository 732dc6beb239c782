"""What is open and what is over. Pure: frames and the exchange's time go in, candle states come out.

The exchange marks no candle as closed: the same period is pushed again and again, until a later one is. So a period is
over when a later one appears, or when its end and a grace have passed; its last known state is then said once more with
`closed=1`. Nothing follows that, and nothing older than what was said comes out: a period's volume only grows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from bridge.ingest.comparison import less
from bridge.records import Kline

Series = tuple[str, str]

# How far ahead of the exchange's clock a candle may open. A stray stamp from the far future would otherwise shut the
# stream to everything that is true.
_EARLY_MS: Final = 60_000


class Candles:
    """The newest candle of each series, a series being one symbol's candles of one timeframe."""

    def __init__(self, grace_ms: int) -> None:
        """Wait `grace_ms` of exchange time after a period's end before it is called over without a successor."""
        self._grace_ms = grace_ms
        self._newest: dict[Series, Kline] = {}
        self.late = 0
        self.early = 0

    def take(self, kline: Kline, now_ms: int | None) -> tuple[Kline, ...]:
        """Return what is to be published now that this state was received.

        `now_ms` is the exchange's time; while that is unknown, `None`, no candle is called too early.
        """
        if now_ms is not None and kline.open_time > now_ms + _EARLY_MS:
            self.early += 1
            return ()
        series = (kline.symbol, kline.timeframe)
        newest = self._newest.get(series)
        if newest is None:
            self._newest[series] = kline
            return (kline,)
        ahead = kline.open_time - newest.open_time
        if ahead < 0 or (ahead == 0 and (newest.closed or less(kline.volume, newest.volume))):
            self.late += 1
            return ()
        self._newest[series] = kline
        return (_closed(newest), kline) if ahead and not newest.closed else (kline,)

    def due(self, now_ms: int) -> list[Kline]:
        """Return the last words on periods whose end and grace have passed without a successor."""
        over = [
            kline for kline in self._newest.values() if not kline.closed and kline.close_time + self._grace_ms < now_ms
        ]
        last_words = [_closed(kline) for kline in over]
        self._newest.update({(kline.symbol, kline.timeframe): kline for kline in last_words})
        return last_words

    def forget(self, symbol: str, timeframe: str) -> None:
        """Drop a series that is no longer followed."""
        self._newest.pop((symbol, timeframe), None)

    def interrupt(self, interrupted: Iterable[Series]) -> list[Kline]:
        """Drop these series, and return their candles under way: what was seen last of them need not be the last."""
        dropped = [self._newest.pop(series) for series in interrupted if series in self._newest]
        return [kline for kline in dropped if not kline.closed]


def _closed(kline: Kline) -> Kline:
    return msgspec.structs.replace(kline, closed=1)
