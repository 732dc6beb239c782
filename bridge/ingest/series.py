"""One symbol's candles of one timeframe, on their way to being proven. Pure: rows and times in, closed candles out.

All times are exchange time in UTC milliseconds. Periods are proven strictly in order, each by one of these:

* a REST row, if the request left at least 3 s after the period's end and the row isn't behind what the socket showed;
* the absence of a row (`empty`), if the request left at least 10 s after the end, the reply holds an anchor (the last
  traded candle or a later one), the socket showed no trade, and either a later row is there, or the socket was listened
  to for the whole period, or a minute has passed;
* the contract's own word that nothing was traded for 24 hours (`empty`);
* the socket's last word (`ws`), when REST gave nothing valid for the time-out and the socket was listened to beyond the
  period's end.

Where REST stays behind the socket for longer than the time-out, REST's row is taken and the contradiction is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from bridge.ingest.comparison import behind, both, same
from bridge.records import Kline, Source
from bridge.timeframes import Timeframe

ROW_AFTER_MS: Final = 3_000
EMPTY_AFTER_MS: Final = 10_000
SURE_AFTER_MS: Final = 60_000
_EARLIEST_DEADLINE_MS: Final = 30_000
_LATEST_DEADLINE_MS: Final = 300_000
_FIRST_RETRY_MS: Final = 2_000
_LONGEST_RETRY_MS: Final = 60_000


class How(StrEnum):
    """How a closed candle follows the one before it in the stream."""

    NEXT = "next"
    START = "start"
    JUMP = "jump"


@dataclass(frozen=True, slots=True)
class Closed:
    """A candle proven, and how it follows the one before."""

    kline: Kline
    how: How = How.NEXT


class Series:
    """What is written, what was shown, and what is to be asked next."""

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
        self.tail: Kline | None = None
        self.listening_since: int | None = None
        self.mute_periods = 0
        self.contradictions: list[str] = []
        self._length = timeframe.milliseconds
        self._seed = seed
        self._cap = cap
        self._timeout_ms = timeout_ms
        self._since = now_ms
        self._anchor: int | None = None
        self._shown: dict[int, Kline] = {}
        self._not_before = 0
        self._retry_ms = _FIRST_RETRY_MS
        self._jumping = False

    def resume(self, tail: Kline | None) -> None:
        """Take note of the stream's last entry, or that there is none."""
        self.tail, self.known = tail, True
        self._anchor = tail.open_time if tail and tail.source != Source.EMPTY else None
        if tail:
            self._forget_shown(tail.open_time)

    def show(self, kline: Kline) -> None:
        """Take note of what the socket showed of a period that is not written yet."""
        self.mute_periods = 0
        if self.tail and kline.open_time <= self.tail.open_time:
            return
        before = self._shown.get(kline.open_time)
        if before is None or not behind(kline, before):
            self._shown[kline.open_time] = kline
        if len(self._shown) > self._cap:
            del self._shown[min(self._shown)]

    def listening(self, now_ms: int | None) -> None:
        """Take note that the socket is listened to from `now_ms` on, or (`None`) no more."""
        if now_ms is None:
            self.listening_since = None
        elif self.listening_since is None:
            self.listening_since = now_ms

    def lag_ms(self, now_ms: int) -> int:
        """Return how long the oldest period that is over waits to be proven; 0 if none does."""
        return max(0, now_ms - self._next_end()) if self.known and self.tail else 0

    def due(self, now_ms: int) -> int | None:
        """Return the deadline of the oldest unproven period if REST can be asked now, else `None`."""
        if not self.known or now_ms < self._not_before or now_ms < self._ready_at():
            return None
        allowed = min(max(self._length // 10, _EARLIEST_DEADLINE_MS), _LATEST_DEADLINE_MS)
        return (self._next_end() if self.tail else self._since) + allowed

    def window(self, now_ms: int, most: int) -> tuple[int, int]:
        """Return the opens of the first and the last candle to ask for, at most `most` of them.

        The first is the anchor where it is known and near enough: a reply that lacks it proves no absence.
        """
        if self.tail is None:
            last = self.timeframe.floor(now_ms)
            return last - (min(self._seed, most) - 1) * self._length, last
        newest = self._newest_over(now_ms)
        if newest - self.tail.open_time > self._cap * self._length:
            self._jumping = True
            return newest - (min(self._cap, most) - 1) * self._length, newest
        reach = (most - 1) * self._length
        near = self._anchor is not None and newest - self._anchor <= reach
        first = self._anchor if near and self._anchor is not None else self.tail.open_time
        return first, min(newest, first + reach)

    def prove(self, rows: Sequence[Kline], sent_ms: int, now_ms: int) -> list[Closed]:
        """Return what a reply proves, oldest first, and plan the next request.

        Args:
            rows: REST's candles in order of time.
            sent_ms: when the request left.
            now_ms: when the reply came.
        """
        proven = list(self._proven(rows, sent_ms, now_ms))
        self._plan(now_ms, went_well=bool(proven))
        return proven

    def failed(self, now_ms: int, silent_ms: int) -> list[Closed]:
        """Take note that REST gave no valid reply, and nobody one for `silent_ms`; return what the socket proves."""
        proven = list(self._by_socket(now_ms)) if silent_ms >= self._timeout_ms else []
        self._plan(now_ms, went_well=False)
        return proven

    def idle(self, last_price: str, told_ms: int, phase_ms: int | None) -> list[Closed]:
        """Return the empty candles that follow from the contract's word, at `told_ms`, that it does not trade.

        `last_price` stands for the close before them where the stream is still empty, and `phase_ms` says where in the
        count of time such periods begin, if that is known.
        """
        if not self.known or self._shown:
            return []
        proven = []
        if self.tail is None:
            if phase_ms is None or not last_price.strip("0."):
                return []
            opened = told_ms - EMPTY_AFTER_MS - self._length
            opened -= (opened - phase_ms) % self._length
            proven.append(self._write(self._empty(opened, last_price), How.START))
        while self._next_end() + EMPTY_AFTER_MS <= told_ms:
            proven.append(self._write(self._empty(self._next_open(), self._last_close()), How.NEXT))
        return proven

    def _proven(self, rows: Sequence[Kline], sent_ms: int, now_ms: int) -> Iterator[Closed]:
        if not rows:
            return
        by_open = {row.open_time: row for row in rows}
        newest = rows[-1].open_time
        if self.tail is None or self._jumping:
            # The first row begins the stream, or what is kept of it: it needs no candle before it.
            first, how = rows[0], How.JUMP if self._jumping else How.START
            shown = self._shown.get(first.open_time)
            if first.open_time + self._length + ROW_AFTER_MS > sent_ms or (shown and behind(first, shown)):
                return
            self._jumping = False
            yield self._write(first, how)
        elif self.tail.open_time in by_open:
            self._compare(by_open[self.tail.open_time])
        if self._anchor is not None and newest < self._anchor:
            return
        while (end := self._next_end()) + ROW_AFTER_MS <= sent_ms:
            kline = self._judge(by_open.get(end - self._length), newest, sent_ms, now_ms)
            if kline is None:
                return
            yield self._write(kline, How.NEXT)

    def _judge(self, row: Kline | None, newest: int, sent_ms: int, now_ms: int) -> Kline | None:
        open_time, end = self._next_open(), self._next_end()
        listened = self.listening_since is not None and self.listening_since <= open_time
        shown = self._shown.get(open_time)
        if shown is not None and (row is None or behind(row, shown)):
            if now_ms - end < self._timeout_ms:
                return None
            # REST stays behind the socket: what it has counts, but not in silence.
            self.contradictions.append(both(shown, row))
            return row or msgspec.structs.replace(shown, source=Source.WS.value)
        if row is not None:
            traded = bool(Decimal(row.volume))
            self.mute_periods += traded and listened and shown is None
            return row if traded else msgspec.structs.replace(row, source=Source.EMPTY.value)
        certain = newest > open_time or listened or sent_ms >= end + SURE_AFTER_MS
        if sent_ms >= end + EMPTY_AFTER_MS and certain:
            return self._empty(open_time, self._last_close())
        return None

    def _by_socket(self, now_ms: int) -> Iterator[Closed]:
        while self.tail is not None and now_ms - self._next_end() >= self._timeout_ms:
            shown = self._shown.get(self._next_open())
            listened = self.listening_since is not None and self.listening_since <= self._next_open()
            if shown is None or not listened:
                return
            yield self._write(msgspec.structs.replace(shown, source=Source.WS.value), How.NEXT)

    def _compare(self, row: Kline) -> None:
        if self.tail is not None and not same(row, self.tail):
            # What is written stays: Redis takes no older ids. But nobody shall have to find that out alone.
            self.contradictions.append(both(self.tail, row))
            self.tail = msgspec.structs.replace(row, closed=1)

    def _write(self, kline: Kline, how: How) -> Closed:
        closed = msgspec.structs.replace(kline, closed=1)
        self.tail = closed
        if closed.source != Source.EMPTY:
            self._anchor = closed.open_time
        self._forget_shown(closed.open_time)
        return Closed(closed, how)

    def _last_close(self) -> str:
        return self.tail.close if self.tail else ""

    def _empty(self, opened: int, price: str) -> Kline:
        return Kline(
            symbol=self.symbol,
            timeframe=self.timeframe.value,
            open_time=opened,
            close_time=opened + self._length - 1,
            open=price,
            high=price,
            low=price,
            close=price,
            volume="0",
            closed=1,
            source=Source.EMPTY.value,
            received_at=0,
        )

    def _next_open(self) -> int:
        if self.tail:
            return self.tail.open_time + self._length
        return self.timeframe.floor(self._since) - self._length

    def _next_end(self) -> int:
        return self._next_open() + self._length

    def _newest_over(self, now_ms: int) -> int:
        opened = self._next_open()
        return opened + max(0, (now_ms - ROW_AFTER_MS - opened) // self._length - 1) * self._length

    def _ready_at(self) -> int:
        if self.tail is None:
            return 0
        shown = self._next_open() in self._shown
        return self._next_end() + (ROW_AFTER_MS if shown else EMPTY_AFTER_MS)

    def _plan(self, now_ms: int, *, went_well: bool) -> None:
        if went_well:
            self._retry_ms, self._not_before = _FIRST_RETRY_MS, 0
        else:
            self._not_before = now_ms + self._retry_ms
            self._retry_ms = min(self._retry_ms * 2, _LONGEST_RETRY_MS)

    def _forget_shown(self, written: int) -> None:
        for open_time in [open_time for open_time in self._shown if open_time <= written]:
            del self._shown[open_time]
