"""History on demand: closed candles by REST into a closed stream that is empty, or into a file.

What counts as proven is decided by the same `Series` that decides it for the live bridge, with one rule more: nobody
listened to a socket meanwhile, so a period without a candle counts as empty only when REST shows a later one. A file
appears whole or not at all; a stream is written when all is fetched, by the script that takes only the next period.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

import msgspec

from bridge import exchanges
from bridge.app import found
from bridge.backoff import Backoff
from bridge.clock import ExchangeClock, host_ms
from bridge.errors import BridgeError, RestError, StoreError
from bridge.exchanges.base import EVERY_SYMBOL
from bridge.ingest import timekeeper
from bridge.ingest.fetch import Rest
from bridge.ingest.series import ROW_AFTER_MS, SURE_AFTER_MS, Series
from bridge.records import Kline, Source, field_names
from bridge.settings import Settings
from bridge.store import client
from bridge.store.appends import Appends
from bridge.store.keys import Keys
from bridge.timeframes import DAY_MS, Timeframe

T = TypeVar("T")
Take = Callable[[Sequence[Kline]], None]

STDOUT: Final = "-"
_TRIES: Final = 8
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 8.0
# A series may have to try each length of candle before it finds the next trade; more replies in vain are REST's fault.
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
    if text.isdecimal() and len(text) == _MS_DIGITS:
        return int(text)
    try:
        if text.isdecimal():
            raise ValueError(text)
        told = datetime.fromisoformat(text)
        return int((told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise BackfillError(
            f"unknown time {text[:40]!r}: expected ISO 8601, such as 2026-09-23 or 2026-09-23T10:20Z, "
            f"or milliseconds since 1970, {_MS_DIGITS} digits"
        ) from None


def iso(time_ms: int) -> str:
    """Return a time as people read it."""
    return datetime.fromtimestamp(time_ms // 1000, UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which candles: those that open from `start_ms` until before `end_ms`; `out` is a file, `-`, or the stream."""

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


@dataclass(slots=True)
class Summary:
    """What was done. Times are the opens of the first and the last candle."""

    symbol: str
    timeframe: str
    target: str
    candles: int = 0
    empty: int = 0
    first: int = 0
    last: int = 0
    calls: int = 0
    warnings: list[str] = dataclasses.field(default_factory=list)

    def __str__(self) -> str:
        """Return it as a line."""
        span = f"from {iso(self.first)} to {iso(self.last)}"
        counted = f"{self.candles:,} candles of {self.symbol} {self.timeframe} ({self.empty:,} empty)"
        return f"{counted}, {span}, are in {self.target}"

    def json(self) -> str:
        """Return it as one JSON object."""
        return msgspec.json.encode(self).decode()


class Backfill:
    """One range of one symbol's candles, on their way from REST to where they are wanted."""

    def __init__(
        self, settings: Settings, wanted: Wanted, *, say: Callable[[str], None], progress: Callable[[int, int], None]
    ) -> None:
        """Prepare; `say` takes lines for people, `progress` how many candles there are of how many expected.

        Raises:
            BridgeError: the exchange can have no such symbol, or there is no Redis for a stream.
        """
        exchange = exchanges.chosen(settings)
        if wanted.symbol == EVERY_SYMBOL:
            raise BackfillError("one symbol at a time")
        exchange.topic(exchange.kline_topic(wanted.symbol, wanted.timeframe))
        try:
            settings = found(settings)
        except StoreError:
            if wanted.out is None:
                raise
        self._settings, self._exchange, self._wanted = settings, exchange, wanted
        self._say, self._progress = say, progress
        self._keys = Keys(settings.bridge_prefix, settings.bitmart_account)
        self._stream = self._keys.closed_klines(wanted.symbol, wanted.timeframe.value)
        self._clock = ExchangeClock(time.monotonic, host_ms())
        self._first = self._until = self._fetched_to = self._written = 0
        self.summary = Summary(wanted.symbol, wanted.timeframe.value, wanted.out or self._stream)

    async def run(self, stop: asyncio.Event) -> None:
        """Do it all, and leave the account of it in `summary`.

        Raises:
            BackfillError: it can't be done, in part or at all; the message says how far it came.
            StoppedError: `stop` was set meanwhile.
        """
        working = asyncio.create_task(self._work())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not working.done():
            working.cancel()
            await asyncio.wait([working])
        if working.cancelled():
            raise StoppedError(f"stopped: {self._so_far()}")
        try:
            working.result()
        except RestError as trouble:
            raise BackfillError(f"{self._exchange.name} by REST: {trouble}; {self._so_far()}") from None
        except client.Unreachable as trouble:
            raise BackfillError(f"{client.described(trouble)}; {self._so_far()}") from None

    async def _work(self) -> None:
        async with AsyncExitStack() as closing:
            with _taker(self._wanted.out) as take:
                redis = await self._connect(closing)
                self._rest = Rest(self._exchange.rest_uri, self._clock, lambda call: self._pace(call, redis))
                closing.push_async_callback(self._rest.aclose)
                await self._patiently(lambda: timekeeper.synchronise(self._clock, self._rest, self._exchange))
                self._bound()
                if self._wanted.out is None and redis is not None:
                    await self._insert(redis, await self._gather(redis))
                else:
                    async for klines in self._history():
                        take(klines)
                        self._written += len(klines)
        self.summary.calls = self._rest.calls

    # Where from: REST.

    def _bound(self) -> None:
        """Settle which periods are wanted, by the exchange's clock; days and weeks begin where REST's rows say."""
        length, now = self._wanted.timeframe.milliseconds, self._clock.now_ms()
        # No call reaches further back than the longest candles do; there was nothing to trade then either.
        first = max(self._wanted.start_ms, now - self._reach(Timeframe.W1))
        self._first = first if length >= DAY_MS else -(-first // length) * length
        over = now - ROW_AFTER_MS - length + 1
        self._until = min(over, self._wanted.end_ms or over)
        if self._first >= (self._wanted.end_ms or self._first + 1):
            raise BackfillError(f"no {self._wanted.timeframe} period opens between --from and --to")
        if self._first >= self._until:
            raise BackfillError(
                f"no {self._wanted.timeframe} period that opens at or after {iso(self._first)} is over: "
                f"the exchange's time is {iso(now)}"
            )
        if (self._wanted.end_ms or now) > now:
            self._warn("--to lies in the future: taken up to the last period that is over")
        if self._wanted.out is None:
            self._fit_cap(length)

    def _fit_cap(self, length: int) -> None:
        cap, wanted = Appends(self._keys, self._settings).closed_cap(self._wanted.timeframe), self._expected()
        if wanted > cap:
            self._warn(f"{wanted:,} candles, but the stream keeps {cap:,}: only the newest {cap:,} are fetched")
            self._first += (wanted - cap) * length

    async def _history(self) -> AsyncIterator[list[Kline]]:
        """Yield the candles wanted, in order, none missing between the first and the last."""
        series = await self._begun()
        length, began, newest, in_vain = series.timeframe.milliseconds, self._clock.now_ms(), 0, 0
        held: list[Kline] = []
        while series.tail is not None and (held or series.tail.open_time + length < self._until):
            rows, proven, sent_ms = await self._next(series)
            newest = max(newest, rows[-1].open_time if rows else 0)
            held += [kline for kline in proven if self._first <= kline.open_time < self._until]
            if ready := [kline for kline in held if kline.open_time <= newest]:
                del held[: len(ready)]
                self._count(ready)
                yield ready
            following = series.tail.open_time + length
            if following + length > began or (not proven and following + length + SURE_AFTER_MS > sent_ms):
                break
            in_vain = 0 if proven else in_vain + 1
            if in_vain > _MOST_IN_VAIN:
                raise RestError(f"nothing of what it says proves what was traded after {iso(series.tail.open_time)}")
            if not rows:
                await asyncio.sleep(_FIRST_WAIT_S)
        self._conclude(length)

    async def _next(self, series: Series) -> tuple[list[Kline], list[Kline], int]:
        """Ask once more; return the rows, the candles that they prove, and when the request left."""
        window = series.window(self._clock.now_ms(), self._exchange.most_klines)
        rows, sent_ms = await self._ask(window.timeframe, window.first, window.last)
        if series.tail and rows and rows[-1].open_time > series.tail.open_time:
            # What lies beyond the last row may be a reply cut short: the next window begins there and will show.
            last = min(window.last, rows[-1].open_time + window.timeframe.milliseconds)
            window = dataclasses.replace(window, last=last)
        proven = series.prove(rows, window, sent_ms, self._clock.now_ms())
        for text in series.contradictions:
            self._warn(f"the exchange contradicts itself: {text}")
        series.contradictions.clear()
        received = host_ms()
        return rows, [msgspec.structs.replace(closed.kline, received_at=received) for closed in proven], sent_ms

    async def _begun(self) -> Series:
        """Return a series that stands right before the first candle: it needs a close to begin an empty one with."""
        timeframe = self._wanted.timeframe
        series = Series(
            self._wanted.symbol, timeframe, now_ms=self._first, seed=1, cap=sys.maxsize, timeout_ms=sys.maxsize
        )
        series.resume(await self._traded_before() or await self._first_traded())
        return series

    async def _traded_before(self) -> Kline | None:
        """Return what was traded last before the range: a candle, or one made up from the close of a longer one.

        Each window reaches over more than one candle of the next length. So when a longer one is asked for, nothing
        was traded since the last of those that ended before the range, and its close still holds.
        """
        for timeframe in self._ladder()[: 1 if self._wanted.timeframe.milliseconds >= DAY_MS else None]:
            rows, _ = await self._ask(timeframe, self._first - self._reach(timeframe), self._first)
            if timeframe is self._wanted.timeframe and (before := [row for row in rows if row.open_time < self._first]):
                return before[-1]
            if ended := [row for row in rows if row.open_time + timeframe.milliseconds <= self._first]:
                return self._standing_in(ended[-1], self._first)
        return None

    async def _first_traded(self) -> Kline:
        """Return a stand-in for what comes before the first candle of all."""
        low, row = self._first, None
        for timeframe in reversed(self._ladder()):
            rows, _ = await self._ask(timeframe, low, low + self._reach(timeframe))
            row = next((row for row in rows if row.open_time + timeframe.milliseconds > low), None)
            if row is None:
                break
            low = max(low, row.open_time)
        if row is None or low >= self._until:
            begins = f"its first candle opens at {iso(low)}" if row else "the contract may not have existed then"
            raise BackfillError(
                f"{self._exchange.name} has no {self._wanted.timeframe} candle of {self._wanted.symbol} from "
                f"{iso(self._first)} until {iso(self._until)}, and none before: {begins}"
            )
        return self._standing_in(row, low)

    def _standing_in(self, row: Kline, following: int) -> Kline:
        opened = following - self._wanted.timeframe.milliseconds
        name = self._wanted.timeframe.value
        return msgspec.structs.replace(row, timeframe=name, open_time=opened, source=Source.EMPTY.value)

    def _ladder(self) -> list[Timeframe]:
        own = self._wanted.timeframe
        return [own, *(longer for longer in (Timeframe.H4, Timeframe.W1) if longer.milliseconds > own.milliseconds)]

    def _reach(self, timeframe: Timeframe) -> int:
        return (self._exchange.most_klines - 1) * timeframe.milliseconds

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

    def _pace(self, call: Call[Any]) -> Pace:
        """Share the budget of calls with the ingesters of this address, if their Redis is there."""
        if self._redis is None:
            return Pace(self._settings.rest_calls_per_2s)
        address = f"{self._settings.rest_address or socket.gethostname()}:{call.path.rpartition('/')[2]}"
        return Pace(self._settings.rest_calls_per_2s, Budget(self._redis, self._keys, address))

    # How far.

    def _expected(self) -> int:
        return -(-(self._until - self._first) // self._wanted.timeframe.milliseconds)

    def _count(self, klines: Sequence[Kline]) -> None:
        told = self.summary
        told.first = told.first or klines[0].open_time
        told.last = klines[-1].open_time
        told.candles += len(klines)
        told.empty += sum(kline.source == Source.EMPTY for kline in klines)
        self._progress((told.last - self._first) // self._wanted.timeframe.milliseconds + 1, self._expected())

    def _conclude(self, length: int) -> None:
        told = self.summary
        if not told.candles:
            raise BackfillError(f"nothing was traded from {iso(self._first)} until {iso(self._until)}, nor later")
        if told.first - self._first >= length:
            self._warn(f"it begins with {iso(told.first)}: nothing was traded before")
        if left := max(0, self._until - 1 - told.last) // length:
            self._warn(
                f"it ends with {iso(told.last)}: {left:,} more are over, but nothing was traded in them or later"
            )

    def _warn(self, text: str) -> None:
        self.summary.warnings.append(text)
        self._say(f"note: {text}")

    def _so_far(self) -> str:
        told = self.summary
        came = f"fetched until {iso(told.last)} ({told.candles:,} candles)" if told.candles else "nothing was fetched"
        if self._wanted.out == STDOUT:
            return f"{came}; these were printed"
        if self._wanted.out is None and self._written:
            return f"{came}; {self._written:,} of them are in {self._stream}, in order"
        return f"{came}; nothing was written to {told.target}"

    # Where to: a stream.

    async def _refuse_unless_empty(self) -> None:
        if self._redis is None:
            return
        ours = meta.identity(self._exchange.name, self._exchange.environment, Secret())
        await meta.claim(self._redis, self._keys, ours)
        if not await self._redis.exists(self._stream):
            return
        known = await cast("Awaitable[dict[str, Any]]", self._redis.xinfo_stream(self._stream))
        holds = f"is empty, but Redis remembers its last id, {known['last-generated-id']}"
        if known["length"]:
            first, last = (int(known[f"{end}-entry"][0].partition("-")[0]) for end in ("first", "last"))
            holds = f"holds {known['length']:,} candles, from {iso(first)} to {iso(last)}"
        elif int(known["last-generated-id"].partition("-")[0]) < self._first:
            return
        raise BackfillError(
            f"{self._stream} {holds}: Redis inserts nothing before that, and the bridge itself adds what comes after. "
            f"Backfill into a file (--out FILE.csv), or, before any bot depends on this stream, unsubscribe from it, "
            f"delete it by hand (DEL {self._stream}) and try again"
        )

    async def _insert(self, klines: Sequence[Kline]) -> None:
        if self._redis is None:
            return
        await self._redis.script_load(scripts.CLOSED.text)
        length = self._wanted.timeframe.milliseconds
        for start in range(0, len(klines), _WRITTEN_AT_ONCE):
            async with self._redis.pipeline() as pipe:
                for place, kline in enumerate(klines[start : start + _WRITTEN_AT_ONCE], start):
                    how = How.NEXT if place else How.START
                    pipe.execute_command(*self._appends.closed(kline, how.value, length, _unsettled).command)
                replies = await pipe.execute()
            # A bridge that subscribed meanwhile goes on from our last candle; those of ours that follow are there (0).
            if -1 in replies or (not start and replies[0] == 0):
                raise BackfillError(f"somebody else wrote to {self._stream} meanwhile; {self._so_far()}")
            self._written += len(replies)


def _unsettled(_reply: int) -> None:
    """Take a reply that is looked at elsewhere."""


def _passing(trouble: RestError) -> bool:
    """Tell whether another try may go better: no answer, too many calls, a server's fault, or what nobody can read."""
    unreadable = trouble.status == 200 and trouble.code in (0, 1000)  # noqa: PLR2004 - a success by its numbers
    return trouble.status in (0, 418, 429) or trouble.status >= 500 or unreadable  # noqa: PLR2004 - HTTP's numbers


# Where to: files.


@contextmanager
def _taker(out: str | None) -> Iterator[Take | None]:
    """Yield what takes candles in order, or nothing if there is no file; what is in the way is told before any call."""
    if out is None:
        yield None
        return
    form = _parquet if out.lower().endswith(".parquet") else _csv
    try:
        with _standard_output() if out == STDOUT else _whole(Path(out)) as file, form(file) as take:
            yield take
    except OSError as trouble:
        raise BackfillError(f"cannot write to {out}: {trouble.strerror or trouble}") from None


def _standard_output() -> BinaryIO:
    # A file of our own: if its reader has gone, the interpreter's last flush has nothing to complain about.
    return os.fdopen(os.dup(sys.stdout.fileno()), "wb")


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that takes its name when it is complete, or vanishes."""
    target = path.resolve()
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
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

    def flush() -> None:
        rows = (fields_of(kline)[1::2] for kline in held)
        columns = [
            [int(text) for text in column] if name in _NUMBERS else column
            for name, column in zip(_FIELDS, zip(*rows, strict=True), strict=True)
        ]
        writer.write_table(pyarrow.table(columns, schema=schema))
        held.clear()

    def take(klines: Sequence[Kline]) -> None:
        held.extend(klines)
        if len(held) >= _ROW_GROUP:
            flush()

    with parquet.ParquetWriter(file, schema) as writer:
        yield take
        if held:
            flush()
