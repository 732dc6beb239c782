"""History on demand: closed candles by REST into a closed stream that is empty, or into a file.

What counts as proven is decided by the same `Series` that decides it for the live bridge, with one rule more: nobody
listened to a socket meanwhile, so a period without a candle counts as empty only when REST shows a later one. A file
appears whole or not at all; a stream is written when all is fetched, by the script that takes only the next period.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import os
import random
import socket
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

import msgspec

from bridge import exchanges
from bridge.app import found
from bridge.backoff import Backoff
from bridge.clock import ExchangeClock, host_ms
from bridge.errors import BridgeError, RestError, StoreError
from bridge.exchanges.base import EVERY_SYMBOL, Call, Exchange
from bridge.ingest import timekeeper
from bridge.ingest.fetch import Rest
from bridge.ingest.pace import Pace
from bridge.ingest.series import ROW_AFTER_MS, SURE_AFTER_MS, How, Series
from bridge.records import Kline, Source, field_names, fields_of
from bridge.settings import Settings
from bridge.store import client, meta, scripts
from bridge.store.appends import Appends
from bridge.store.budget import Budget
from bridge.store.keys import Keys
from bridge.timeframes import DAY_MS, Timeframe
from bridge.values import Secret

T = TypeVar("T")
Take = Callable[[Sequence[Kline]], None]

STDOUT: Final = "-"
_TRIES: Final = 8
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 8.0
# A series may try each length of candle before it finds the next trade; more replies in vain are REST's fault.
_MOST_IN_VAIN: Final = 2 * len(Timeframe)
_WRITTEN_AT_ONCE: Final = 500
_ROW_GROUP: Final = 50_000
_FIELDS: Final = field_names(Kline)
_NUMBERS: Final = frozenset({"open_time", "close_time", "closed", "received_at"})
_MS_DIGITS: Final = 13


class BackfillError(BridgeError):
    """The history that was asked for cannot be had, or not be put where it should go."""


class StoppedError(BackfillError):
    """Somebody asked to stop; the message says how far it had come."""


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
        if self.out is not None and self.out != STDOUT and not self.out.lower().endswith((".csv", ".parquet")):
            raise BackfillError(f"--out {self.out!r}: expected FILE.csv, FILE.parquet, or - for CSV to standard output")
        if self.symbol == EVERY_SYMBOL:
            raise BackfillError("one symbol at a time")


@dataclass(slots=True)
class Summary:
    """What was done. `first` and `last` are the opens of the first and the last candle."""

    symbol: str
    timeframe: str
    target: str
    candles: int = 0
    empty: int = 0
    first: int = 0
    last: int = 0
    calls: int = 0
    warnings: list[str] = dataclasses.field(default_factory=list)

    def add(self, klines: Sequence[Kline]) -> None:
        """Count what was fetched."""
        self.first = self.first or klines[0].open_time
        self.last = klines[-1].open_time
        self.candles += len(klines)
        self.empty += sum(kline.source == Source.EMPTY for kline in klines)

    def text(self, *, as_json: bool) -> str:
        """Return it as a line for people, or as one JSON object."""
        if as_json:
            return msgspec.json.encode(self).decode()
        counted = f"{self.candles:,} candles of {self.symbol} {self.timeframe} ({self.empty:,} empty)"
        return f"{counted}, from {iso(self.first)} to {iso(self.last)}, are in {self.target}"


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
            if before := [row for row in rows if row.open_time + length <= self.first]:
                return before[-1] if timeframe is self._wanted.timeframe else self._stand_in(before[-1], self.first)
        return None

    async def _before_the_first(self) -> Kline:
        """Return a stand-in for what comes before the first candle of all."""
        low, why = self.first, "it did not exist yet, or nobody traded it"
        for timeframe in reversed(self._ladder()):
            rows, _ = await self._ask(timeframe, low, low + self._reach(timeframe))
            row = next((row for row in rows if row.open_time + timeframe.milliseconds > low), None)
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


class Backfill:
    """A history on its way to where it is wanted."""

    def __init__(
        self, settings: Settings, wanted: Wanted, *, say: Callable[[str], None], progress: Callable[[int, int], None]
    ) -> None:
        """Prepare; `say` takes lines for people, `progress` how many candles are there of how many expected.

        Raises:
            BridgeError: the exchange can have no such symbol, or there is no Redis for a stream.
        """
        exchange = exchanges.chosen(settings)
        exchange.topic(exchange.kline_topic(wanted.symbol, wanted.timeframe))
        try:
            settings = found(settings)
        except StoreError:
            if wanted.out is None:
                raise
        self._settings, self._exchange, self._wanted, self._say = settings, exchange, wanted, say
        self._progress = progress
        self._keys = Keys(settings.bridge_prefix, settings.bitmart_account)
        self._appends = Appends(self._keys, settings)
        self._stream = self._keys.closed_klines(wanted.symbol, wanted.timeframe.value)
        self._redis = client.commands(settings.redis_url) if settings.redis_url else None
        self._inserting, self._written = False, 0
        self.summary = Summary(wanted.symbol, wanted.timeframe.value, wanted.out or self._stream)

    async def run(self, stop: asyncio.Event) -> None:
        """Do it all; `summary` tells what came of it.

        Raises:
            BackfillError: it can't be done, or not to the end; the message says how far it came.
            StoppedError: `stop` was set meanwhile.
        """
        working = asyncio.create_task(self._work())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not self._inserting:
            working.cancel()
        await asyncio.wait([working])
        if working.cancelled():
            raise StoppedError(f"stopped: {self._so_far()}")
        try:
            working.result()
        except RestError as trouble:
            raise BackfillError(f"{self._exchange.name}: {trouble}; {self._so_far()}") from None
        except client.Unreachable as trouble:
            raise BackfillError(f"{client.described(trouble)}; {self._so_far()}") from None

    async def _work(self) -> None:
        clock, wanted = ExchangeClock(time.monotonic, host_ms()), self._wanted
        rest = Rest(self._exchange.rest_uri, clock, self._pace)
        klines: list[Kline] = []
        async with AsyncExitStack() as closing:
            closing.push_async_callback(rest.aclose)
            if self._redis is not None:
                closing.push_async_callback(self._redis.aclose)
            take = closing.enter_context(_file(wanted.out)) if wanted.out else klines.extend
            if wanted.out is None and self._redis is not None:
                ours = meta.identity(self._exchange.name, self._exchange.environment, Secret())
                await meta.claim(self._redis, self._keys, ours)
            history = History(rest, clock, self._exchange, wanted, self._note)
            await history.bound()
            if wanted.out is None:
                await self._refuse_unless_empty(history.first)
                self._fit(history)
            parts = await closing.enter_async_context(aclosing(history.candles()))
            async for part in parts:
                take(part)
                self.summary.add(part)
                done = (self.summary.last - history.first) // wanted.timeframe.milliseconds + 1
                self._progress(done, history.expected)
            self._conclude(history)
            await self._insert(klines)
        self.summary.calls = rest.calls

    def _pace(self, call: Call[Any]) -> Pace:
        """Share the budget of calls with the ingesters of this address, if there is a Redis to do it by."""
        if self._redis is None:
            return Pace(self._settings.rest_calls_per_2s)
        address = f"{self._settings.rest_address or socket.gethostname()}:{call.path.rpartition('/')[2]}"
        return Pace(self._settings.rest_calls_per_2s, Budget(self._redis, self._keys, address))

    def _fit(self, history: History) -> None:
        cap, expected = self._appends.closed_cap(self._wanted.timeframe), history.expected
        if expected > cap:
            self._note(f"{expected:,} candles, but the stream keeps {cap:,}: only the newest {cap:,} are fetched")
            history.first += (expected - cap) * self._wanted.timeframe.milliseconds

    def _conclude(self, history: History) -> None:
        told, length = self.summary, self._wanted.timeframe.milliseconds
        if not told.candles:
            raise BackfillError(f"nothing was traded from {iso(history.first)} until {iso(history.until)}, nor later")
        if told.first - history.first >= length:
            self._note(f"begins with {iso(told.first)}: nothing was traded before")
        if left := (history.until - 1 - told.last) // length:
            self._note(f"ends with {iso(told.last)}: REST shows nothing after it, so the {left:,} left may yet fill")
        cap, behind = self._appends.closed_cap(self._wanted.timeframe), (history.began - told.last) // length
        if self._wanted.out is None and behind > cap:
            self._note(f"the {behind:,} periods since then are more than the {cap:,} that the bridge catches up with")

    def _note(self, text: str) -> None:
        self.summary.warnings.append(text)
        self._say(f"note: {text}")

    def _so_far(self) -> str:
        told = self.summary
        came = f"came as far as {iso(told.last)} ({told.candles:,} candles)" if told.candles else "no candle came"
        if self._wanted.out == STDOUT:
            return f"{came}; what came is printed"
        if self._inserting:
            return f"{came}; at least the first {self._written:,} are in {self._stream}"
        return f"{came}; nothing was written to {told.target}"

    async def _refuse_unless_empty(self, first: int) -> None:
        if self._redis is None or not await self._redis.exists(self._stream):
            return
        known = await self._redis.xinfo_stream(self._stream)
        if known["length"]:
            ends = [int(known[end][0].partition("-")[0]) for end in ("first-entry", "last-entry")]
            holds = f"holds {known['length']:,} candles already, from {iso(ends[0])} to {iso(ends[1])}"
        elif int((last := known["last-generated-id"]).partition("-")[0]) >= first:
            holds = f"is empty, but its last id was {last}"
        else:
            return
        raise BackfillError(
            f"{self._stream} {holds}. Redis takes only ids greater than the last, so nothing can be put before it. "
            "Backfill into a file (--out FILE.csv); or, before any bot depends on this stream, unsubscribe, "
            f"delete it by hand (DEL {self._stream}) and run this again"
        )

    async def _insert(self, klines: Sequence[Kline]) -> None:
        length = self._wanted.timeframe.milliseconds
        if self._redis is None or self._wanted.out is not None:
            return
        await self._redis.script_load(scripts.CLOSED.text)
        self._inserting = True
        for start in range(0, len(klines), _WRITTEN_AT_ONCE):
            async with self._redis.pipeline() as pipe:
                for place, kline in enumerate(klines[start : start + _WRITTEN_AT_ONCE], start):
                    how = How.NEXT if place else How.START
                    pipe.execute_command(*self._appends.closed(kline, how.value, length, lambda _: None).command)
                replies = await pipe.execute()
            # 0: it is there already. A bridge that subscribed meanwhile may have gone on from where we were.
            if -1 in replies or (start == 0 and replies[0] == 0):
                raise BackfillError(f"somebody else wrote to {self._stream} meanwhile; {self._so_far()}")
            self._written += len(replies)


@contextmanager
def _file(out: str) -> Iterator[Take]:
    """Yield what takes candles in order into a file; what is in the way of that is told before anything is fetched."""
    form = _parquet if out.lower().endswith(".parquet") else _csv
    try:
        with _standard_output() if out == STDOUT else _whole(Path(out)) as file, form(file) as take:
            yield take
    except OSError as trouble:
        raise BackfillError(f"cannot write to {out}: {trouble.strerror or trouble}") from None


def _standard_output() -> BinaryIO:
    # A file of our own: when its reader has gone, the interpreter's last flush has nothing to complain about.
    return os.fdopen(os.dup(sys.stdout.fileno()), "wb")


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that takes its name when it is complete, or vanishes."""
    target = path.resolve()
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _csv(file: BinaryIO) -> Iterator[Take]:
    # Symbols and numbers, checked when they were read: nothing that would need quotes.
    file.write(f"{','.join(_FIELDS)}\n".encode())
    yield lambda klines: file.writelines(f"{','.join(fields_of(kline)[1::2])}\n".encode() for kline in klines)


@contextmanager
def _parquet(file: BinaryIO) -> Iterator[Take]:
    try:
        pyarrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise BackfillError("Parquet needs pyarrow: pip install pyarrow") from None
    kinds = [pyarrow.int64() if name in _NUMBERS else pyarrow.string() for name in _FIELDS]
    schema = pyarrow.schema(list(zip(_FIELDS, kinds, strict=True)))
    held: list[Kline] = []

    def take(klines: Sequence[Kline], most: int = _ROW_GROUP) -> None:
        held.extend(klines)
        if len(held) > most:
            columns = zip(_FIELDS, zip(*(fields_of(kline)[1::2] for kline in held), strict=True), strict=True)
            values = [list(map(int, column)) if name in _NUMBERS else column for name, column in columns]
            writer.write_table(pyarrow.table(values, schema=schema))
            held.clear()

    with parquet.ParquetWriter(file, schema) as writer:
        yield take
        take((), most=0)
