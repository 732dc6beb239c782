"""What is open and what is over. Pure: frames and the exchange's time go in, candle states come out.

The exchange marks no candle as closed: the same period is pushed again and again, until a later one is. So a period is
over when a later one appears, or when its end and a grace have passed; its last known state is then said once more with
`closed=1`. Nothing follows that, and nothing older than what was said comes out: a period's volume only grows.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final

import msgspec

from bridge.ingest.candles.comparison import less
from bridge.records import Kline

Series = tuple[str, str]

# How far ahead of the exchange's clock a candle may open. A stray stamp from the far future would otherwise shut the
# stream to everything that is true.
_EARLY_MS: Final = 60_000


class Newest:
    """The newest candle of one series."""

    __slots__ = ("kline",)

    def __init__(self) -> None:
        """Begin without any."""
        self.kline: Kline | None = None

    def grown(self, kline: Kline) -> bool:
        """Take a later state of the period under way, as nearly all are, and tell whether it was one."""
        newest = self.kline
        if newest is None or kline.open_time != newest.open_time or newest.closed or less(kline.volume, newest.volume):
            return False
        self.kline = kline
        return True


class Candles:
    """The newest candle of each series, a series being one symbol's candles of one timeframe."""

    def __init__(self, grace_ms: int) -> None:
        """Wait `grace_ms` of exchange time after a period's end before it is called over without a successor."""
        self._grace_ms = grace_ms
        self._newest: dict[Series, Newest] = {}
        # No period under way ends before.
        self._first_end_ms = 0
        self.late = 0
        self.early = 0

    def take(self, kline: Kline, now_ms: int | None) -> tuple[Kline, ...]:
        """Return what is to be published now that this state was received.

        `now_ms` is the exchange's time; while that is unknown, `None`, no candle is called too early.
        """
        if now_ms is not None and kline.open_time > now_ms + _EARLY_MS:
            self.early += 1
            return ()
        known = self.newest(kline.symbol, kline.timeframe)
        before = known.kline
        if known.grown(kline):
            return (kline,)
        if before is not None and kline.open_time <= before.open_time:
            self.late += 1
            return ()
        known.kline = kline
        self._first_end_ms = min(self._first_end_ms, kline.close_time)
        return (kline,) if before is None or before.closed else (_closed(before), kline)

    def newest(self, symbol: str, timeframe: str) -> Newest:
        """Return where a series' newest candle is kept, for as long as the series is followed."""
        return self._newest.get((symbol, timeframe)) or self._newest.setdefault((symbol, timeframe), Newest())

    def due(self, now_ms: int) -> list[Kline]:
        """Return the last words on periods whose end and grace have passed without a successor."""
        end_ms = now_ms - self._grace_ms
        if self._first_end_ms >= end_ms:
            return []
        last_words, self._first_end_ms = [], sys.maxsize
        for newest in self._newest.values():
            kline = newest.kline
            if kline is None or kline.closed:
                continue
            if kline.close_time < end_ms:
                newest.kline = _closed(kline)
                last_words.append(newest.kline)
            else:
                self._first_end_ms = min(self._first_end_ms, kline.close_time)
        return last_words

    def forget(self, symbol: str, timeframe: str) -> None:
        """Drop a series that is no longer followed."""
        self._newest.pop((symbol, timeframe), None)

    def interrupt(self, interrupted: Iterable[Series]) -> list[Kline]:
        """Drop these series, and return their candles under way: what was seen last of them need not be the last."""
        dropped = []
        for series in interrupted:
            newest = self._newest.get(series)
            if newest is not None and newest.kline is not None:
                dropped.append(newest.kline)
                newest.kline = None
        return [kline for kline in dropped if not kline.closed]


def _closed(kline: Kline) -> Kline:
    return msgspec.structs.replace(kline, closed=1)
