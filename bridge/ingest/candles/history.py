"""One symbol's past candles by REST, proven like those of the live bridge.

The same `Series` decides what is proven, with one rule more: nobody listened to a socket meanwhile, so a period without
a candle counts as empty only when REST shows a later one.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

import msgspec

from bridge.backoff import Backoff
from bridge.clock import ExchangeClock, host_ms
from bridge.errors import BackfillError, RestError
from bridge.exchanges.base import EVERY_SYMBOL, Exchange
from bridge.ingest.candles.series import ROW_AFTER_MS, SURE_AFTER_MS, Series
from bridge.ingest.rest import timekeeper
from bridge.ingest.rest.fetch import Rest
from bridge.records import Kline, Source
from bridge.timeframes import DAY_MS, Timeframe

T = TypeVar("T")

_TRIES: Final = 8
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 8.0
# A series may try each length of candle before it finds the next trade; more replies in vain are REST's fault.
_MOST_IN_VAIN: Final = 2 * len(Timeframe)
_MS_DIGITS: Final = 13


def moment(text: str) -> int:
    """Read a time, ISO 8601 (UTC unless it says otherwise; a date is its midnight) or milliseconds since 1970.

    Raises:
        BackfillError: it is neither.
    """
    digits = text.isascii() and text.isdecimal()
    try:
        # What is all digits but no milliseconds would be read as a date without hyphens, or is seconds.
        told = datetime.fromisoformat("" if digits else text)
        return round((told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        if digits and len(text) == _MS_DIGITS:
            return int(text)
    raise BackfillError(
        f"unknown time {text[:40]!r}: expected ISO 8601, such as 2026-09-23 or 2026-09-23T10:20Z, "
        f"or milliseconds since 1970 ({_MS_DIGITS} digits)"
    )


def iso(time_ms: int) -> str:
    """Return a time as people read it."""
    return datetime.fromtimestamp(time_ms // 1000, UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which candles: those that open from `start_ms` until before `end_ms`. `out` is a file, `-`, or the stream."""

    symbol: str
    timeframe: Timeframe
    start_ms: int
    end_ms: int | None = None
    out: str | None = None

    def __post_init__(self) -> None:
        """Refuse what can be refused before anybody is asked."""
        if self.end_ms is not None and self.start_ms >= self.end_ms:
            raise BackfillError(f"--from {iso(self.start_ms)} is not before --to {iso(self.end_ms)}")
        if self.symbol == EVERY_SYMBOL:
            raise BackfillError("one symbol at a time")


class History:
    """One symbol's closed candles from REST, in order, none missing between the first and the last."""

    def __init__(
        self, rest: Rest, clock: ExchangeClock, exchange: Exchange, wanted: Wanted, say: Callable[[str], None]
    ) -> None:
        """Prepare; `say` takes what is worth knowing."""
        self._rest, self._clock, self._exchange = rest, clock, exchange
        self._wanted, self._say = wanted, say
        self._length = wanted.timeframe.milliseconds
        self.began = self.first = self.until = 0

    @property
    def expected(self) -> int:
        """How many candles there are, if the contract is old enough."""
        return -(-(self.until - self.first) // self._length)

    async def bound(self) -> None:
        """Settle which periods are wanted, by the exchange's clock; days and weeks begin where REST's rows say.

        Raises:
            BackfillError: no period that is over is wanted.
            RestError: the exchange does not tell its time.
        """
        await self._patiently(lambda: timekeeper.synchronise(self._clock, self._rest, self._exchange))
        end_ms, now = self._wanted.end_ms, self._clock.now_ms()
        oldest = now - self._reach(Timeframe.W1)
        if end_ms is not None and end_ms <= oldest:
            raise BackfillError(f"nothing from before {iso(oldest)} can be asked for")
        first = max(self._wanted.start_ms, oldest)
        first = first if self._length >= DAY_MS else -(-first // self._length) * self._length
        over = now - ROW_AFTER_MS - self._length + 1
        self.began, self.first, self.until = now, first, min(over, end_ms or over)
        if end_ms is not None and first >= end_ms:
            raise BackfillError(f"no {self._wanted.timeframe} period opens from --from until --to")
        if first >= self.until:
            raise BackfillError(
                f"no {self._wanted.timeframe} period that opens at {iso(first)} or later is over: it is {iso(now)}"
            )
        if end_ms is not None and end_ms > now:
            self._say("--to lies in the future: taken up to the last period that is over")

    async def candles(self) -> AsyncGenerator[list[Kline], None]:
        """Yield the candles in parts.

        Raises:
            BackfillError: there are none.
            RestError: REST gave no answer, or no useful one, for too long.
        """
        series = await self._begun()
        held: list[Kline] = []
        newest = in_vain = 0
        while series.tail is not None and (held or series.tail.open_time + self._length < self.until):
            rows, proven, sent_ms = await self._next(series)
            newest = max(newest, rows[-1].open_time if rows else 0)
            held += [kline for kline in proven if self.first <= kline.open_time < self.until]
            if ready := [kline for kline in held if kline.open_time <= newest]:
                del held[: len(ready)]
                yield ready
            following_end = series.tail.open_time + 2 * self._length
            if following_end > self.began or (not proven and following_end + SURE_AFTER_MS > sent_ms):
                return
            in_vain = 0 if proven else in_vain + 1
            if in_vain > _MOST_IN_VAIN:
                raise RestError(f"no answer tells what was traded after {iso(series.tail.open_time)}")
            if not rows:
                await asyncio.sleep(_FIRST_WAIT_S)

    async def _next(self, series: Series) -> tuple[list[Kline], list[Kline], int]:
        """Ask once more; return the rows, the candles that they prove, and when the request left."""
        window = series.window(self._clock.now_ms(), self._exchange.most_klines)
        rows, sent_ms = await self._ask(window.timeframe, window.first, window.last)
        if series.tail and rows and rows[-1].open_time > series.tail.open_time:
            # A reply may have been cut short: what lies beyond its last row is for the next to say, which begins there.
            last = min(window.last, rows[-1].open_time + window.timeframe.milliseconds)
            window = dataclasses.replace(window, last=last)
        received = host_ms()
        closed = series.prove(rows, window, sent_ms, self._clock.now_ms())
        for text in series.contradictions:
            self._say(f"the exchange contradicts itself: {text}")
        series.contradictions.clear()
        return rows, [msgspec.structs.replace(one.kline, received_at=received) for one in closed], sent_ms

    async def _begun(self) -> Series:
        """Return a series that stands right before the first candle: if that is empty, it needs the close before."""
        series = Series(
            self._wanted.symbol,
            self._wanted.timeframe,
            now_ms=self.first,
            seed=1,
            cap=sys.maxsize,
            timeout_ms=sys.maxsize,
        )
        series.resume(await self._traded_before() or await self._before_the_first())
        return series

    async def _traded_before(self) -> Kline | None:
        """Return what was traded last before the range: a candle, or a stand-in with the close of a longer one.

        Each window reaches over more than one candle of the next length: when those are asked for, nothing was traded
        since the last of them that ended before the range.
        """
        lengths = self._ladder()
        for timeframe in lengths[:1] if self._length >= DAY_MS else lengths:
            rows, _ = await self._ask(timeframe, self.first - self._reach(timeframe), self.first)
            length = 1 if timeframe is self._wanted.timeframe else timeframe.milliseconds
            if before := [row for row in rows if row.open_time + length <= self.first and row.close]:
                return before[-1] if timeframe is self._wanted.timeframe else self._stand_in(before[-1], self.first)
        return None

    async def _before_the_first(self) -> Kline:
        """Return a stand-in for what comes before the first candle of all."""
        low, why = self.first, "it did not exist yet, or nobody traded it"
        for timeframe in reversed(self._ladder()):
            rows, _ = await self._ask(timeframe, low, low + self._reach(timeframe))
            row = next((row for row in rows if row.close and row.open_time + timeframe.milliseconds > low), None)
            low = max(low, row.open_time) if row else self.until
            why = f"its first {timeframe} candle opens at {iso(low)}" if row else why
            if row is None or low >= self.until:
                break
        else:
            if row:
                return self._stand_in(row, low)
        raise BackfillError(
            f"{self._exchange.name} has no {self._wanted.timeframe} candle of {self._wanted.symbol} that opens from "
            f"{iso(self.first)} until {iso(self.until)}, nor an earlier one: {why}"
        )

    def _stand_in(self, row: Kline, following: int) -> Kline:
        opened = following - self._length
        name = self._wanted.timeframe.value
        return msgspec.structs.replace(row, timeframe=name, open_time=opened, source=Source.EMPTY.value)

    def _ladder(self) -> list[Timeframe]:
        longer = [timeframe for timeframe in (Timeframe.H4, Timeframe.W1) if timeframe.milliseconds > self._length]
        return [self._wanted.timeframe, *longer]

    def _reach(self, timeframe: Timeframe) -> int:
        steps: int = self._exchange.most_klines - 1
        return steps * timeframe.milliseconds

    async def _ask(self, timeframe: Timeframe, first: int, last: int) -> tuple[list[Kline], int]:
        call = self._exchange.klines_call(self._wanted.symbol, timeframe, first, last)

        async def once() -> tuple[list[Kline], int]:
            await self._rest.turn(call)
            sent_ms = self._clock.now_ms()
            return await self._rest.send(call), sent_ms

        return await self._patiently(once)

    async def _patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try again what may pass by itself, but not for ever."""
        backoff, tries = Backoff(_FIRST_WAIT_S, _LONGEST_WAIT_S, random.random), 1
        while True:
            try:
                return await attempt()
            except RestError as trouble:
                if tries == _TRIES or not _passing(trouble):
                    raise
                if tries == 1:
                    self._say(f"{trouble}; trying again")
            tries += 1
            await asyncio.sleep(_FIRST_WAIT_S + backoff.next())


def _passing(trouble: RestError) -> bool:
    """Tell whether another try may go better: no answer, too many calls, a server's fault, or what nobody can read."""
    unreadable = trouble.status == 200 and trouble.code in (0, 1000)  # noqa: PLR2004 - a success, but for its body
    return trouble.status in (0, 418, 429) or trouble.status >= 500 or unreadable  # noqa: PLR2004 - HTTP's numbers
