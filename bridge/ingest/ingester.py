"""One ingester, whole: sockets in, streams out, wishes followed, state told.

Startup, serve, drain, leave: four steps, in `run`. Everything in between runs side by side and lives as long as the
ingester; a part that fails ends it, loudly, instead of leaving a bridge that looks alive.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import secrets
import socket
import time
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

from bridge import __version__
from bridge.clock import ExchangeClock, host_ms
from bridge.exchanges.base import Call, Exchange
from bridge.ingest import timekeeper
from bridge.ingest.candles import Candles, Series
from bridge.ingest.connection import Connection, Phase
from bridge.ingest.fetch import Rest
from bridge.ingest.heartbeat import Heartbeat, topic_states
from bridge.ingest.listing import Listing
from bridge.ingest.pace import Pace
from bridge.ingest.prover import Prover
from bridge.ingest.reconciler import Reconciler
from bridge.ingest.recovery import Recovery
from bridge.records import Event, EventName, Kline, Record, Source
from bridge.settings import Settings
from bridge.store import client, meta
from bridge.store.account import Account
from bridge.store.appends import Appends
from bridge.store.budget import Budget
from bridge.store.desired import Desired, nudges
from bridge.store.keys import Keys
from bridge.store.members import Members
from bridge.store.relief import relieve
from bridge.store.tails import Tails
from bridge.store.writer import Tally, Writer

log = logging.getLogger(__name__)

_HANG_UP_S: Final = 3.0
_FLUSH_S: Final = 10.0
_LOOK_S: Final = 0.25
_RETRY_S: Final = 1.0
_RELIEF_S: Final = 5.0


class Ingester:
    """Serves the wishes until told to stop."""

    def __init__(self, settings: Settings, exchange: Exchange) -> None:
        """Join the parts; nothing is opened before `run`."""
        keys = Keys(settings.bridge_prefix, settings.bitmart_account)
        self.name = settings.ingester_id or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
        self._settings = settings
        self._exchange = exchange
        self._keys = keys
        self._identity = meta.identity(exchange.name, exchange.environment, settings.bitmart_api_key)
        self._stopping = asyncio.Event()
        self._started = host_ms()
        self._records = 0
        self._followed: frozenset[str] = frozenset()
        self._series: frozenset[Series] = frozenset()
        self._told = Tally()
        self._clock = ExchangeClock(time.monotonic, host_ms())
        self._candles = Candles(int(settings.close_grace_s * 1000))
        self._appends = Appends(keys, settings)
        self._redis = client.commands(settings.redis_url)
        self._listener = client.blocking(settings.redis_url)
        self._writer = Writer(
            lambda: client.writer_connection(settings.redis_url),
            bound=settings.buffer_entries,
            batch=settings.flush_entries,
            timeout_s=settings.redis_timeout_s,
        )
        self._members = Members(self._redis, keys, settings.member_lifetime_s)
        self._public = self._connection(private=False)
        self._private = self._connection(private=True)
        self._rest = Rest(exchange.rest_uri, self._clock, self._pace)
        self._listing = Listing(
            self._rest, exchange, self._clock, refresh_s=settings.contracts_refresh_s, on_change=self._nudge
        )
        self._prover = Prover(
            exchange=exchange,
            rest=self._rest,
            clock=self._clock,
            listing=self._listing,
            tails=Tails(self._redis, keys),
            appends=self._appends,
            settings=settings,
            write=self._writer.append,
            happened=self.happened,
        )
        self._recovery = Recovery(
            exchange=exchange,
            rest=self._rest,
            clock=self._clock,
            account=Account(self._redis, keys),
            appends=self._appends,
            settings=settings,
            write=self._writer.append,
            happened=self.happened,
        )
        self._reconciler = Reconciler(
            desired=Desired(self._redis, keys),
            exchange=exchange,
            public=self._public,
            private=self._private,
            listing=self._listing,
            interval_s=settings.reconcile_interval_s,
            on_applied=self._applied,
            on_lost=self._store_lost,
        )
        self._heartbeat = Heartbeat(
            members=self._members,
            name=self.name,
            interval_s=settings.heartbeat_interval_s,
            state=self._state,
            topics=lambda: topic_states([self._public, self._private], self._reconciler),
            on_stop=self.stop,
        )

    def stop(self) -> None:
        """Make `run` drain and return."""
        self._stopping.set()

    async def run(self) -> None:
        """Serve until stopped, then drain: unsubscribe, close, flush, say goodbye.

        Raises:
            StoreError: the store belongs to another exchange, environment or account.
        """
        async with AsyncExitStack() as closing:
            closing.push_async_callback(self._redis.aclose)
            closing.push_async_callback(self._listener.aclose)
            closing.push_async_callback(self._rest.aclose)
            await self._claim()
            if self._stopping.is_set():
                return
            async with asyncio.TaskGroup() as group:
                tasks = {name: group.create_task(part, name=name) for name, part in self._parts().items()}
                self.happened(EventName.STARTED, self.name, f"version {__version__}")
                await self._stopping.wait()
                await self._drain(tasks)
            await self._leave()

    def waiting_for(self) -> str:
        """Say what keeps entries from coming, in words for whoever looks on; nothing if they come."""
        for connection in (self._public, self._private):
            if connection.wanted and connection.phase is not Phase.OPEN:
                return f"the {connection.name} connection: {connection.trouble or connection.phase}"
        wanted = self._public.wanted | self._private.wanted
        if self._writer.tally.trouble:
            return self._writer.tally.trouble
        if self._reconciler.paused:
            return "paused; POST /resume goes on"
        if not wanted:
            return "nothing is wished for yet; POST /klines/subscribe is the way"
        if not self._records:
            return f"{len(wanted)} topics are asked for, and the exchange has sent no data yet"
        return ""

    def take(self, record: Record) -> None:
        """Pass a record on to the writer; candles by way of the policy that knows which are over."""
        self._records += 1
        if isinstance(record, Kline):
            if (record.symbol, record.timeframe) not in self._series:
                # On its way when its topic was given up: nobody would follow it to its end.
                return
            self._prover.show(record)
            for kline in self._candles.take(record, self._clock.now_ms() if self._clock.synchronised else None):
                self._writer.append(self._appends.kline(kline))
        else:
            self._recovery.heard(record)
            self._writer.append(self._appends.of(record))

    def happened(self, event: EventName, subject: str, text: str) -> None:
        """Write an event."""
        if event is EventName.LOST and subject == self._public.name:
            # Whatever is missed from here on may belong to the candles now open: they can't be called over any more.
            self._prover.interrupted(self._candles.interrupt())
        if event is EventName.LOST and subject == self._private.name:
            self._recovery.forget()
        record = Event(event, subject, text, self.name, Source.BRIDGE.value, host_ms())
        self._writer.append(self._appends.of(record))

    def activated(self, topic: str) -> None:
        """Tell the prover since when it can rely on the socket; read the account once all its topics are active."""
        self._prover.listening(topic)
        wanted = self._private.wanted
        if topic in wanted and all(self._private.holds(name) for name in wanted):
            self._recovery.need("login", wanted)

    def stirred(self) -> None:
        """Tell the others soon."""
        self._heartbeat.stir()

    def _pace(self, call: Call[Any]) -> Pace:
        # Private paths are counted by account, public ones by address; the exchange's numbers hold for each path alone.
        settings, private = self._settings, bool(call.headers)
        who = f"account-{settings.bitmart_account}" if private else settings.rest_address or socket.gethostname()
        calls = call.per_2s if private else settings.rest_calls_per_2s
        return Pace(calls, Budget(self._redis, self._keys, f"{who}:{call.path.rpartition('/')[2]}"))

    def _connection(self, *, private: bool) -> Connection:
        return Connection(
            private=private, exchange=self._exchange, clock=self._clock, settings=self._settings, sink=self
        )

    async def _claim(self) -> None:
        said = ""
        while not self._stopping.is_set():
            try:
                await meta.claim(self._redis, self._keys, self._identity)
            except client.Unreachable as trouble:
                if said != (said := client.described(trouble)):
                    log.warning("waiting for Redis: %s", said)
                await asyncio.sleep(_RETRY_S)
            else:
                return

    async def _hear_nudges(self) -> None:
        while True:
            try:
                async with nudges(self._listener, self._keys) as channel:
                    self._nudge()
                    while True:
                        if await channel.get_message(timeout=None):
                            self._nudge()
            except client.Unreachable:
                # The regular pass and the heartbeat name the trouble; here it is only waited out.
                await asyncio.sleep(_RETRY_S)

    def _nudge(self) -> None:
        self._reconciler.nudge()
        self._heartbeat.stir()

    def _parts(self) -> dict[str, Coroutine[None, None, None]]:
        return {
            "writer": self._writer.run(),
            "public": self._public.run(),
            "private": self._private.run(),
            "timekeeper": timekeeper.keep(self._clock, self._rest, self._exchange),
            "listing": self._listing.run(),
            "prover": self._prover.run(),
            "recovery": self._recovery.run(),
            "reconciler": self._reconciler.run(),
            "heartbeat": self._heartbeat.run(),
            "nudges": self._hear_nudges(),
            "watch": self._watch(),
            "relief": self._relieve(),
        }

    async def _watch(self) -> None:
        """Look, several times a second, for what comes due without anybody saying so."""
        while True:
            await asyncio.sleep(_LOOK_S / max(1.0, self._clock.rate))
            if self._clock.synchronised:
                for kline in self._candles.due(self._clock.now_ms()):
                    self._writer.append(self._appends.kline(kline))
            self._tell_losses()
            self._replace_mute()

    def _tell_losses(self) -> None:
        tally, told = self._writer.tally, self._told
        if tally.overflowed > told.overflowed:
            count = tally.overflowed - told.overflowed
            self.happened(EventName.OVERFLOW, "writer", f"{count} entries dropped: the buffer is full")
            if self._private.phase is Phase.OPEN:
                self._recovery.need("overflow", self._private.wanted)
        if tally.refused > told.refused:
            self.happened(EventName.ENTRY_REFUSED, "writer", tally.refusal)
        self._told = dataclasses.replace(tally)

    def _replace_mute(self) -> None:
        mute = self._prover.mute()
        if mute and self._public.phase is Phase.OPEN:
            self.happened(EventName.MUTE, self._public.name, f"{len(mute)} symbols trade unseen, {mute[0]} among them")
            self._public.replace()

    def _applied(self) -> None:
        if self._followed != self._public.wanted:
            self._followed = self._public.wanted
            self._prover.follow(self._followed)
            topics = [self._exchange.topic(name) for name in self._followed]
            followed = frozenset((topic.symbol, str(topic.timeframe)) for topic in topics)
            for symbol, timeframe in self._series - followed:
                self._candles.forget(symbol, timeframe)
            self._series = followed
        self._heartbeat.stir()

    async def _store_lost(self) -> None:
        await meta.claim(self._redis, self._keys, self._identity)
        self.happened(EventName.STORE_LOST, self._keys.prefix, "the store came back without what it held")
        self._heartbeat.forget()
        self._prover.doubt()
        if self._private.phase is Phase.OPEN:
            self._recovery.need("store lost", self._private.wanted)

    async def _relieve(self) -> None:
        """Make room in a full store, for as long as it is full."""
        while True:
            await asyncio.sleep(_RELIEF_S)
            if not self._writer.full:
                continue
            try:
                trimmed = await relieve(self._redis, self._keys, self._settings)
            except client.Unreachable:
                continue
            self.happened(EventName.STORE_FULL, self._keys.prefix, f"Redis is full; {trimmed} entries trimmed")

    async def _drain(self, tasks: dict[str, asyncio.Task[None]]) -> None:
        log.info("draining")
        # From here on frames may be missing: nothing is called over any more.
        for part in ("reconciler", "watch"):
            tasks.pop(part).cancel()
        self._public.want(frozenset())
        self._private.want(frozenset())
        try:
            async with asyncio.timeout(_HANG_UP_S):
                await self._public.idle.wait()
                await self._private.idle.wait()
        except TimeoutError:
            log.warning("the exchange did not answer our unsubscriptions in time")
        writing = tasks.pop("writer")
        for task in tasks.values():
            task.cancel()
        self.happened(EventName.STOPPED, self.name, "asked to stop")
        if not await self._writer.drain(_FLUSH_S):
            log.error("%d entries could not be written before the end", self._writer.depth)
        writing.cancel()

    async def _leave(self) -> None:
        try:
            await self._members.leave(self.name)
        except client.Unreachable as trouble:
            log.warning("no goodbye: %s", client.described(trouble))

    def _state(self) -> Mapping[str, str | int]:
        tally = self._writer.tally
        return {
            "version": __version__,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": self._started,
            "environment": self._exchange.environment,
            "applied_rev": self._reconciler.revision,
            "public": self._public.phase.value,
            "private": self._private.phase.value,
            "authenticated": int(self._private.phase is Phase.OPEN),
            "draining": int(self._stopping.is_set()),
            "clock_ms": self._clock.now_ms(),
            "frames": self._public.frames + self._private.frames,
            "malformed": self._public.malformed + self._private.malformed + self._candles.early,
            "records": self._records,
            "entries": tally.entries,
            "repeats": tally.repeats,
            "conflated": tally.conflated,
            "overflowed": tally.overflowed,
            "refused": tally.refused,
            "depth": self._writer.depth,
            "rest_calls": self._rest.calls,
            "proof_lag_ms": self._prover.lag_ms(),
            "last_error": self._public.trouble or self._private.trouble or tally.trouble or tally.refusal,
        }
