"""History on demand: closed candles by REST into a closed stream that is empty, or into a file.

A file appears whole or not at all; a stream is written when all is fetched, by the script that takes only the next
period.
"""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from bridge import exchanges
from bridge.app import found
from bridge.clock import ExchangeClock, host_ms
from bridge.errors import BackfillError, RestError, StoppedError, StoreError
from bridge.exchanges.base import Call
from bridge.files import STDOUT, check, opened
from bridge.ingest.candles.closed import How
from bridge.ingest.candles.history import History, Wanted, iso, moment
from bridge.ingest.rest.fetch import Rest
from bridge.ingest.rest.pace import Pace, Quiet
from bridge.records import Kline, Source
from bridge.settings import Settings
from bridge.store import client, meta, scripts
from bridge.store.budget import Ban, Budget
from bridge.store.keys import Keys
from bridge.store.writing.appends import Appends
from bridge.values import Secret

__all__ = ["STDOUT", "Backfill", "BackfillError", "StoppedError", "Summary", "Wanted", "iso", "moment"]

_WRITTEN_AT_ONCE: Final = 500


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


class Backfill:
    """A history on its way to where it is wanted."""

    def __init__(
        self, settings: Settings, wanted: Wanted, *, say: Callable[[str], None], progress: Callable[[int, int], None]
    ) -> None:
        """Prepare; `say` takes lines for people, `progress` how many candles are there of how many expected.

        Raises:
            BridgeError: the exchange can have no such symbol, or there is no Redis for a stream.
        """
        check(wanted.out)
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
            take = closing.enter_context(opened(wanted.out)) if wanted.out else klines.extend
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
        address = self._settings.rest_address or socket.gethostname()
        budget = Budget(self._redis, self._keys, f"{address}:{call.path.rpartition('/')[2]}")
        return Pace(self._settings.rest_calls_per_2s, budget, Quiet(Ban(self._redis, self._keys, address)))

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
