"""One ingester, whole: sockets in, streams out, wishes followed, state told.

Startup, serve, drain, leave: four steps, in `run`. Everything in between runs side by side and lives as long as the
ingester; a part that fails ends it, loudly, instead of leaving a bridge that looks alive.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

from bridge import __version__
from bridge.clock import ExchangeClock, host_ms
from bridge.exchanges.base import Exchange
from bridge.ingest import farewell
from bridge.ingest.account.recovery import Recovery
from bridge.ingest.allowance import Allowance
from bridge.ingest.candles.opened import Candles
from bridge.ingest.candles.prover import Prover
from bridge.ingest.lead import Lead
from bridge.ingest.members.membership import Membership, named
from bridge.ingest.nudges import hear
from bridge.ingest.reconciler import Reconciler
from bridge.ingest.rest import timekeeper
from bridge.ingest.rest.answers import Answers
from bridge.ingest.rest.fetch import Rest
from bridge.ingest.rest.listing import Listing
from bridge.ingest.router import Router
from bridge.ingest.seen.health import Health
from bridge.ingest.seen.heartbeat import Heartbeat
from bridge.ingest.seen.pulse import Pulse
from bridge.ingest.seen.readings import Readings
from bridge.ingest.seen.topic_states import topic_states
from bridge.ingest.seen.vitals import Vitals
from bridge.ingest.sockets.pools import pools
from bridge.ingest.watch import Watch
from bridge.records import EventName
from bridge.settings import Settings
from bridge.store import client, meta
from bridge.store.account import Account
from bridge.store.budget import Ban, Budget
from bridge.store.desired import Desired, nudges
from bridge.store.keys import Keys
from bridge.store.members import Members
from bridge.store.proofs import Proofs
from bridge.store.published import Published
from bridge.store.relief import relieve
from bridge.store.tails import Tails
from bridge.store.writing.appends import Appends
from bridge.store.writing.writer import Writer

log = logging.getLogger(__name__)

_RETRY_S: Final = 1.0


class Ingester:
    """Serves the wishes until told to stop."""

    def __init__(self, settings: Settings, exchange: Exchange) -> None:
        """Join the parts; nothing is opened before `run`."""
        keys = Keys(settings.bridge_prefix, settings.bitmart_account)
        self.name = named(settings)
        self._settings = settings
        self._exchange = exchange
        self._keys = keys
        self._identity = meta.identity(exchange.name, exchange.environment, settings.bitmart_api_key)
        self._stopping = asyncio.Event()
        self._served = (frozenset[str](), frozenset[str]())
        self._clock = ExchangeClock(time.monotonic, host_ms())
        self._redis = client.commands(settings.redis_url)
        self._listener = client.blocking(settings.redis_url)
        self._members = Members(self._redis, keys, settings.member_lifetime_s)
        self._writer = Writer(
            client.lane(settings.redis_url, timeout_s=settings.redis_timeout_s),
            bound=settings.buffer_entries,
            batch=settings.flush_entries,
        )
        allowance = Allowance(settings, partial(Budget, self._redis, keys), partial(Ban, self._redis, keys))
        appends = Appends(keys, settings)
        candles = Candles(int(settings.close_grace_s * 1000))
        self._router = Router(
            name=self.name,
            clock=self._clock,
            candles=candles,
            appends=appends,
            write=self._writer.append,
            stir=lambda: self._heartbeat.stir(),  # noqa: PLW0108 - the heartbeat comes last, it looks at all the others
        )
        self._public, self._private = pools(
            exchange=exchange,
            clock=self._clock,
            settings=settings,
            sink=self._router,
            gate=allowance.gate,
        )
        self._membership = Membership(
            name=self.name,
            settings=settings,
            members=self._members,
            public=self._public,
            private=self._private,
            happened=self._router.happened,
            on_change=self._nudge,
        )
        self._proving = Lead(self._public, self._membership.public.leads)
        self._reading = Lead(self._private, self._membership.private.leads)
        self._rest = Rest(exchange.rest_uri, self._clock, allowance.pace)
        self._listing = Listing(
            self._rest, exchange, self._clock, refresh_s=settings.contracts_refresh_s, on_change=self._nudge
        )
        answers = Answers(
            Proofs(self._redis, keys), self._clock, int(settings.proof_timeout_s * 1000), self._router.happened
        )
        self._prover = Prover(
            exchange=exchange,
            rest=self._rest,
            clock=self._clock,
            listing=self._listing,
            tails=Tails(self._redis, keys),
            answers=answers,
            appends=appends,
            settings=settings,
            write=self._writer.append,
            happened=self._router.happened,
        )
        self._recovery = Recovery(
            exchange=exchange,
            rest=self._rest,
            clock=self._clock,
            account=Account(self._redis, keys),
            published=Published(self._redis, keys),
            appends=appends,
            settings=settings,
            write=self._writer.append,
            happened=self._router.happened,
        )
        self._router.join(self._prover, self._recovery)
        self._reconciler = Reconciler(
            desired=Desired(self._redis, keys),
            exchange=exchange,
            membership=self._membership,
            public=self._public,
            private=self._private,
            listing=self._listing,
            interval_s=settings.reconcile_interval_s,
            on_applied=self._applied,
            on_lost=self._store_lost,
        )
        self._watch = Watch(
            clock=self._clock,
            exchange=exchange,
            public=self._public,
            router=self._router,
            prover=self._prover,
            recovery=self._recovery,
            writer=self._writer,
            relieve=lambda: relieve(self._redis, keys, settings),
        )
        self.vitals = Vitals(
            environment=exchange.environment,
            clock=self._clock,
            membership=self._membership,
            public=self._public,
            private=self._private,
            reconciler=self._reconciler,
            router=self._router,
            candles=candles,
            prover=self._prover,
            recovery=self._recovery,
            rest=self._rest,
            writer=self._writer,
        )
        self._heartbeat = Heartbeat(
            members=self._members,
            name=self.name,
            interval_s=settings.heartbeat_interval_s,
            card=self._membership.card,
            state=lambda: self.vitals.state(draining=self._stopping.is_set()),
            topics=lambda: topic_states([self._public, self._private], self._reconciler),
            on_beat=self._membership.hear,
            on_stop=self.stop,
        )
        self._pulse = Pulse()
        self.health = Health(self.vitals, self._heartbeat, self._stopping)
        self.readings = Readings(exchange.name, settings, self.vitals, self.health, self._pulse)

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Make `run` drain and return."""
        self._stopping.set()

    async def run(self) -> None:
        """Serve until stopped, then drain: unsubscribe, close, flush, say goodbye.

        Raises:
            StoreError: the store belongs to another exchange, environment or account, or our name to another ingester.
        """
        async with AsyncExitStack() as closing:
            closing.push_async_callback(self._redis.aclose)
            closing.push_async_callback(self._listener.aclose)
            closing.push_async_callback(self._rest.aclose)
            await self._join()
            if self._stopping.is_set():
                return
            async with asyncio.TaskGroup() as group:
                tasks = {name: group.create_task(part, name=name) for name, part in self._parts().items()}
                self._router.happened(EventName.STARTED, self.name, f"version {__version__}")
                await self._stopping.wait()
                await self._membership.hand_over()
                await farewell.drain(self.name, (self._public, self._private), self._router, self._writer, tasks)
            await farewell.leave(self.name, self._members)

    async def _join(self) -> None:
        """Make sure that the store is ours to write to, and become one of its ingesters."""
        said = ""
        while not self._stopping.is_set():
            try:
                await meta.claim(self._redis, self._keys, self._identity)
                await self._membership.enter()
            except client.Unreachable as trouble:
                if said != (said := client.described(trouble)):
                    log.warning("waiting for Redis: %s", said)
                await asyncio.sleep(_RETRY_S)
            else:
                return

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
            "pulse": self._pulse.run(),
            "nudges": hear(lambda: nudges(self._listener, self._keys), self._nudge),
            "watch": self._watch.run(),
        }

    def _applied(self) -> None:
        self._proving.give(self._prover, self._prover.listening)
        served = (self._public.wanted, self._proving.topics)
        if served != self._served:
            self._served = served
            self._router.follow(self._reconciler.names.topic(name) for name in self._public.wanted)
        self._reading.give(self._recovery, self._recovery.activated)
        self._heartbeat.stir()

    async def _store_lost(self) -> None:
        await meta.claim(self._redis, self._keys, self._identity)
        self._router.happened(EventName.STORE_LOST, self._keys.prefix, "the store came back without what it held")
        self._heartbeat.forget()
        self._prover.doubt()
        await self._recovery.store_lost()
