"""One symbol's candles of one timeframe, on their way to being proven. Pure: rows and times in, closed candles out.

All times are exchange time in UTC milliseconds. Periods are proven strictly in order, each by one of these:

* a REST row, if the request left at least 3 s after the period's end and the row isn't behind what the socket showed;
  one without volume is no more than an absence;
* the absence of a row (`empty`), if the request left at least 10 s after the end, the reply holds an anchor (the last
  traded candle or a later one), the socket showed no trade, and either a later row is there, or the socket was listened
  to for the whole period, or a minute has passed; where the last trade is too far back for one reply, longer candles
  are asked for: what is absent from them is absent from all their parts;
* the contract's own word that nothing was traded for 24 hours (`empty`), as far as these hours reach;
* the socket's last word (`ws`), when REST gave nothing valid for the time-out and the socket was listened to beyond the
  period's end.

Where REST stays behind the socket for longer than the time-out, REST's row is taken and the contradiction is told.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from bridge.ingest.candles.asking import Asking
from bridge.ingest.candles.closed import Closed, How, Window, empty, named, traded
from bridge.ingest.candles.comparison import behind, both
from bridge.ingest.candles.disputes import Disputes
from bridge.ingest.candles.idle import Idle
from bridge.ingest.candles.shown import Shown
from bridge.ingest.candles.unreadable import Unreadable
from bridge.ingest.candles.written import Written
from bridge.records import Kline, Source
from bridge.timeframes import Timeframe

ROW_AFTER_MS: Final = 3_000
EMPTY_AFTER_MS: Final = 10_000
SURE_AFTER_MS: Final = 60_000
_EARLIEST_DEADLINE_MS: Final = 30_000
_LATEST_DEADLINE_MS: Final = 300_000


class Series:
    """What is written, what was shown, and what is to be asked next.

    Attributes:
        known: whether it is known how far the stream is written.
        shown: what the socket showed.
    """

    def __init__(self, symbol: str, timeframe: Timeframe, *, now_ms: int, seed: int, cap: int, timeout_ms: int) -> None:
        """Begin to follow a series whose stream is not known yet.

        Args:
            symbol: the contract.
            timeframe: the candles' length.
            now_ms: the time now.
            seed: how many candles an empty stream begins with.
            cap: how many candles the stream keeps; a hole larger than that is jumped over.
            timeout_ms: how long REST may be silent before the socket's word is taken.
        """
        self.symbol = symbol
        self.timeframe = timeframe
        self.known = False
        self._length = timeframe.milliseconds
        self._timeout_ms = timeout_ms
        self._since = now_ms
        self._written = Written(symbol, timeframe, now_ms)
        self._asking = Asking(seed, cap)
        self._unreadable = Unreadable(timeout_ms)
        self.shown = Shown(cap)
        self._disputes = Disputes()
        self._idle = Idle(cap)

    @property
    def tail(self) -> Kline | None:
        """The last candle written, `None` where there is none."""
        return self._written.tail

    def end(self, delisted_ms: int | None) -> None:
        """Take note of when the contract was delisted, or that it trades."""
        self._written.until = delisted_ms

    @property
    def contradictions(self) -> list[str]:
        """Where REST contradicts what is written or was shown, in words, for the caller to tell and clear."""
        return self._disputes.told

    def resume(self, tail: Kline | None) -> None:
        """Take note of the stream's last entry, or that there is none."""
        self._written.resume(tail)
        self._asking.blind = 0
        self.known = True
        if tail:
            self.shown.forget(tail.open_time)

    def show(self, kline: Kline) -> None:
        """Take note of what the socket showed of a period that is not written yet."""
        self.shown.take(kline, self._written.tail)

    def listening(self, now_ms: int | None) -> None:
        """Take note that the socket is listened to from `now_ms` on, or (`None`) no more."""
        self.shown.listening(now_ms)

    @property
    def listening_since(self) -> int | None:
        """From when on the socket is listened to; `None` while it is not."""
        return self.shown.since

    def mute(self) -> bool:
        """Tell, once, that the topic is mute: each time in vain it takes twice as many periods to tell it again."""
        return self.shown.mute()

    def lag_ms(self, now_ms: int) -> int:
        """Return how long the oldest period that is over waits to be proven; 0 if none does."""
        waits = self.known and self.tail and not self._written.over
        return max(0, now_ms - self._written.next_end) if waits else 0

    def due(self, now_ms: int) -> int | None:
        """Return the deadline of the oldest unproven period if REST can be asked now, else `None`."""
        if not self.known or self._written.over or now_ms < self._asking.not_before or now_ms < self._ready_at():
            return None
        if not self.shown and self._idle.lasts(self._written.next_open, now_ms):
            return None
        allowed = min(max(self._length // 10, _EARLIEST_DEADLINE_MS), _LATEST_DEADLINE_MS)
        return (self._written.next_end if self.tail else self._since) + allowed

    def window(self, now_ms: int, most: int) -> Window:
        """Return what to ask for, at most `most` candles."""
        return self._asking.window(self._written, self.shown.first, now_ms, now_ms - ROW_AFTER_MS, most)

    def prove(self, rows: Sequence[Kline], window: Window, sent_ms: int, now_ms: int) -> list[Closed]:
        """Return what a reply proves, oldest first, and plan the next request.

        Args:
            rows: REST's candles in order of time.
            window: what was asked for.
            sent_ms: when the request left.
            now_ms: when the reply came.
        """
        proven = []
        rows = self._unreadable.without(rows)
        if self._written.until is not None:
            window = dataclasses.replace(window, last=min(window.last, self._written.until))
        if self.known and window.after == (self.tail.open_time if self.tail else None):
            own = window.timeframe is self.timeframe
            proven = list(self._proven(rows, window, sent_ms, now_ms) if own else self._absent(rows, window, sent_ms))
        self._asking.again(now_ms, went_well=bool(proven))
        return proven

    def failed(self, now_ms: int, silent_ms: int) -> list[Closed]:
        """Take note that REST gave no valid reply, and nobody one for `silent_ms`; return what the socket proves."""
        proven = list(self._by_socket(now_ms)) if silent_ms >= self._timeout_ms else []
        self._asking.again(now_ms, went_well=False)
        return proven

    def idle(self, last_price: str, told_ms: int, phase_ms: int | None) -> list[Closed]:
        """Return the empty candles that follow from the contract's word, at `told_ms`, that it does not trade.

        `last_price` stands for the close before them where the stream begins or jumps, and `phase_ms` says where in the
        count of time such periods begin, if that is known.
        """
        self._idle.told(told_ms)
        if not self.known or self.shown.newest >= self._idle.since:
            return []
        proven = list(self._idle.closed(self._written, told_ms - EMPTY_AFTER_MS, last_price, phase_ms))
        if proven:
            self.shown.forget(proven[-1].kline.open_time)
        return proven

    def _proven(self, rows: Sequence[Kline], window: Window, sent_ms: int, now_ms: int) -> Iterator[Closed]:
        if not rows:
            self._asking.blind += 1
            return
        self._asking.blind = 0
        by_open: dict[int, Kline] = {}
        for row in rows:
            if row.open_time not in by_open or not behind(row, by_open[row.open_time]):
                by_open[row.open_time] = row
        newest = rows[-1].open_time
        if self.tail is None or window.how is not How.NEXT:
            # The first row begins the stream, or what is kept of it: it needs no candle before it.
            first = by_open[rows[0].open_time]
            shown = self.shown.get(first.open_time)
            late_ms = sent_ms - first.open_time - self._length
            if late_ms < (ROW_AFTER_MS if traded(first) else EMPTY_AFTER_MS) or (shown and behind(first, shown)):
                return
            yield self._write(named(first), window.how)
        elif not self._disputes.agrees(self._written, by_open.get(self.tail.open_time), newest):
            return
        if self._written.anchor is not None and newest < self._written.anchor:
            return
        self._written.learn([row.open_time for row in rows if traded(row)], vague=False)
        while (end := self._written.next_end) + ROW_AFTER_MS <= sent_ms and self._written.next_open < window.last:
            kline = self._judge(by_open.get(end - self._length), newest, sent_ms, now_ms)
            if kline is None:
                return
            yield self._write(kline)

    def _absent(self, rows: Sequence[Kline], window: Window, sent_ms: int) -> Iterator[Closed]:
        """Yield the empty candles that lie in no trading candle of those longer ones; learn where the last trade is."""
        if self._unreadable:
            return
        opens = [row.open_time for row in rows if traded(row)]
        length = window.timeframe.milliseconds
        if not opens or (self._written.anchor is not None and opens[-1] + length <= self._written.anchor):
            self._asking.blind += 1
            return
        # Whatever this tells, the next request may ask for shorter candles again: they show where in a long one it was.
        self._asking.blind = 0
        if window.how is not How.NEXT:
            opened = self._written.over_at(sent_ms - SURE_AFTER_MS, self.tail.open_time if self.tail else 0)
            shifting = self.tail is None and self._length >= Timeframe.D1.milliseconds
            quiet_from = opens[-1] + length
            if quiet_from > opened or self.shown.newest >= quiet_from or shifting:
                return
            yield self._write(empty(self.symbol, self.timeframe, opened, rows[-1].close), window.how)
        while (end := self._written.next_end) + EMPTY_AFTER_MS <= sent_ms and self._written.next_open < window.last:
            past = bisect_left(opens, end)
            if past and opens[past - 1] + length > self._written.next_open:
                break
            if self._written.next_open in self.shown or not self._certain(opens[-1], sent_ms):
                break
            yield self._write(self._written.empty())
        self._written.learn(opens, vague=True)

    def _judge(self, row: Kline | None, newest: int, sent_ms: int, now_ms: int) -> Kline | None:
        open_time, end = self._written.next_open, self._written.next_end
        shown = self.shown.get(open_time)
        if self._unreadable.holds(open_time):
            return self._lost(shown, now_ms)
        if shown is not None and (row is None or behind(row, shown)):
            if now_ms - end < self._timeout_ms:
                return None
            # REST stays behind the socket: what it has counts, but not in silence.
            self.contradictions.append(both(shown, row))
            return named(row) if row else msgspec.structs.replace(shown, source=Source.WS.value)
        if row is not None and traded(row):
            self.shown.traded(open_time)
            return row
        if sent_ms >= end + EMPTY_AFTER_MS and (row is not None or self._certain(newest, sent_ms)):
            return named(row) if row else self._written.empty()
        return None

    def _lost(self, shown: Kline | None, now_ms: int) -> Kline | None:
        """Return what stands for a candle that REST tells in a way nobody can read, once it was waited for."""
        if not self._unreadable.given_up(self._written.next_open, now_ms):
            return None
        self.contradictions.append(f"REST's row of {self._written.next_open} cannot be read")
        if shown is not None and self._listened:
            return msgspec.structs.replace(shown, source=Source.WS.value)
        return self._written.lost()

    def _certain(self, newest: int, sent_ms: int) -> bool:
        """Tell whether the next period's absence from a reply is more than that reply's being early."""
        return newest > self._written.next_open or self._listened or sent_ms >= self._written.next_end + SURE_AFTER_MS

    @property
    def _listened(self) -> bool:
        """Whether the socket was listened to for the whole of the next period."""
        return self.shown.listened(self._written.next_open)

    def _by_socket(self, now_ms: int) -> Iterator[Closed]:
        while self.tail is not None and not self._written.over and now_ms - self._written.next_end >= self._timeout_ms:
            shown = self.shown.get(self._written.next_open)
            if shown is None or not self._listened:
                return
            self._written.anchor, self._written.vague = shown.open_time, False
            yield self._write(msgspec.structs.replace(shown, source=Source.WS.value))

    def _write(self, kline: Kline, how: How = How.NEXT) -> Closed:
        closed = self._written.add(kline, how)
        self.shown.forget(closed.kline.open_time)
        return closed

    def _ready_at(self) -> int:
        if self.tail is None:
            return 0
        shown = self._written.next_open in self.shown
        return self._written.next_end + (ROW_AFTER_MS if shown else EMPTY_AFTER_MS)
