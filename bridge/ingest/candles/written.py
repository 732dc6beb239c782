"""How far a series is written, and which period comes next. Pure; all times are exchange time in UTC milliseconds."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import msgspec

from bridge.ingest.candles.closed import Closed, How, empty
from bridge.records import Kline, Source
from bridge.timeframes import Timeframe


class Written:
    """The last candle of a stream, as it is known here, and what follows from it.

    Attributes:
        tail: the last candle; `None` where there is none.
        anchor: the open of the last candle known to have traded; a reply that lacks it proves no absence.
        vague: whether that is a longer candle's open, and the trade lies somewhere in it.
        until: when the contract was delisted; the period it falls into is the last one.
    """

    def __init__(self, symbol: str, timeframe: Timeframe, since_ms: int) -> None:
        """Begin with an empty stream, at `since_ms`."""
        self.symbol = symbol
        self.timeframe = timeframe
        self.tail: Kline | None = None
        self.anchor: int | None = None
        self.vague = False
        self.until: int | None = None
        self._price = ""
        self._length = timeframe.milliseconds
        self._since = since_ms

    def resume(self, tail: Kline | None) -> None:
        """Go on from the stream's last entry."""
        self.tail = tail
        self._price = tail.close if tail else ""
        self.anchor = tail.open_time if tail and tail.source == Source.REST else None
        self.vague = False

    def add(self, kline: Kline, how: How = How.NEXT) -> Closed:
        """Return the candle as one that is closed, and go on from it."""
        closed = msgspec.structs.replace(kline, closed=1)
        self.tail = closed
        # After a candle that was lost, nothing newer is known than the close before it.
        self._price = closed.close or self._price
        if closed.source == Source.REST:
            self.anchor, self.vague = closed.open_time, False
        return Closed(closed, how)

    def correct(self, row: Kline) -> None:
        """Go on from what the last candle truly was: what follows without a trade repeats the true close."""
        self.tail = msgspec.structs.replace(row, closed=1)
        self._price = row.close

    def learn(self, opens: Sequence[int], *, vague: bool) -> None:
        """Take the last of these trading candles that opened before the end of the next period as the anchor."""
        past = bisect_left(opens, self.next_end)
        if past and (self.anchor is None or opens[past - 1] > self.anchor):
            self.anchor, self.vague = opens[past - 1], vague

    def lost(self) -> Kline:
        """Return the next period's candle if nobody can tell it."""
        return msgspec.structs.replace(
            self.empty(), open="", high="", low="", close="", volume="", source=Source.LOST.value
        )

    def empty(self) -> Kline:
        """Return the next period's candle if nothing was traded in it."""
        return empty(self.symbol, self.timeframe, self.next_open, self._price)

    @property
    def over(self) -> bool:
        """Whether the contract was delisted before the next period."""
        return self.until is not None and self.next_open >= self.until

    @property
    def next_open(self) -> int:
        """The open of the next period to write."""
        if self.tail:
            return self.tail.open_time + self._length
        return self.timeframe.floor(self._since) - self._length

    @property
    def next_end(self) -> int:
        """The end of the next period to write."""
        return self.next_open + self._length

    def anchored(self, most: int) -> bool:
        """Tell whether `most` of these candles reach from the anchor to the next period."""
        return self.anchor is not None and self.next_open - self.anchor < (most - 1) * self._length

    def newest_over(self, time_ms: int) -> int:
        """Return the open of the newest period that is over by then, the next one to write if none is."""
        opened = self.next_open
        return opened + max(0, (time_ms - opened) // self._length - 1) * self._length

    def over_at(self, time_ms: int, phase_ms: int) -> int:
        """Return the open of the newest period that is over by then, such periods beginning where `phase_ms` says."""
        opened = time_ms - self._length
        return opened - (opened - phase_ms) % self._length
