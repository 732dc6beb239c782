"""What an ingester's parts have counted, as samples: read when somebody looks, so that counting stays cheap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge import __version__, metrics
from bridge.clock import host_ms
from bridge.ingest.seen.topic_states import topic_states
from bridge.ingest.sockets.endings import Cause
from bridge.metrics import Sample
from bridge.records import EventName, Source
from bridge.store.members import State
from bridge.store.writing.appends import KINDS

if TYPE_CHECKING:
    from bridge.ingest.seen.health import Health
    from bridge.ingest.seen.pulse import Pulse
    from bridge.ingest.seen.vitals import Vitals
    from bridge.settings import Settings

_PROOFS: Final = (Source.REST, Source.EMPTY, Source.WS, Source.LOST)


@dataclass(frozen=True, slots=True)
class Readings:
    """Looks at the parts; changes none.

    Attributes:
        exchange: the exchange's name.
        settings: where limits are read.
        vitals: most of the parts.
        health: whether Redis is there, and whether it was told to stop.
        pulse: how late the loop is.
    """

    exchange: str
    settings: Settings
    vitals: Vitals
    health: Health
    pulse: Pulse

    def samples(self) -> Iterator[Sample]:
        """Yield all there is to show now; what never happened is 0 and not left out, so that its first time is seen."""
        labels = (__version__, self.exchange, self.vitals.environment)
        yield Sample(metrics.BUILD_INFO, 1, labels)
        yield from self._connections()
        yield from self._topics()
        yield from self._writer()
        yield from self._rest()
        yield from self._proofs()
        yield from self._events()
        yield from self._share()
        yield from self._itself()

    def _connections(self) -> Iterator[Sample]:
        vitals = self.vitals
        for pool in (vitals.public, vitals.private):
            name, ends = (pool.name,), pool.ends
            yield Sample(metrics.FRAMES, pool.frames, name)
            yield Sample(metrics.RECEIVED_BYTES, pool.bytes, name)
            yield Sample(metrics.DECODE_ERRORS, pool.malformed, name)
            yield Sample(metrics.CONNECTIONS_OPEN, len(pool.sizes), name)
            yield Sample(metrics.REPLACEMENTS, pool.replaced, name)
            for cause in Cause:
                yield Sample(metrics.RECONNECTS, ends[cause], (pool.name, cause))
        yield Sample(metrics.RECORDS, vitals.router.records)
        yield Sample(metrics.EARLY_CANDLES, vitals.candles.early)

    def _topics(self) -> Iterator[Sample]:
        vitals, now = self.vitals, host_ms()
        wildcards = vitals.reconciler.wildcards
        states = topic_states((vitals.public, vitals.private), vitals.reconciler)
        topics = [topic for name, topic in states.items() if name not in wildcards]
        counted = Counter(topic.state for topic in topics)
        ages = [now - topic.data_at for topic in topics if topic.state is State.ACTIVE and topic.data_at]
        for state in State:
            yield Sample(metrics.TOPICS, counted[state], (state,))
        yield Sample(metrics.DATA_AGE_MAX, max(ages, default=0) / 1000)
        yield Sample(metrics.DATA_AGE_MIN, min(ages, default=0) / 1000)

    def _writer(self) -> Iterator[Sample]:
        writer, tally = self.vitals.writer, self.vitals.writer.tally
        kinds = {**tally.kinds, "kline": tally.entries - tally.kinds.total()}
        for kind in KINDS:
            yield Sample(metrics.ENTRIES, kinds.get(kind, 0), (kind,))
        yield Sample(metrics.REPEATS, tally.repeats)
        yield Sample(metrics.MISPLACED, tally.misplaced)
        yield Sample(metrics.CONFLATED, tally.conflated)
        yield Sample(metrics.OVERFLOWED, tally.overflowed)
        yield Sample(metrics.BUFFER_ENTRIES, writer.depth)
        yield Sample(metrics.BUFFER_BOUND_ENTRIES, self.settings.buffer_entries)
        yield Sample(metrics.FLUSH_SECONDS, writer.flush_seconds)
        yield Sample(metrics.FLUSH_ENTRIES, writer.flush_entries)
        yield Sample(metrics.APPEND_LATENCY, writer.latency)
        yield Sample(metrics.REDIS_CONNECTS, tally.connections)
        yield Sample(metrics.REDIS_UP, self.health.redis_up())

    def _rest(self) -> Iterator[Sample]:
        rest = self.vitals.rest
        yield Sample(metrics.REST_CALLS, rest.calls)
        yield Sample(metrics.REST_ERRORS, rest.failures)
        yield Sample(metrics.REST_WAITING, rest.waiting)
        yield Sample(metrics.REST_STILL_SECONDS, rest.still_s())
        yield Sample(metrics.REST_BUDGET, self.settings.rest_calls_per_2s / 2)

    def _proofs(self) -> Iterator[Sample]:
        prover = self.vitals.prover
        for source in _PROOFS:
            yield Sample(metrics.PROOFS, prover.proven.get(source, 0), (source,))
        yield Sample(metrics.PROOF_LAG, prover.lag_ms() / 1000)
        yield Sample(metrics.CLOSED_LATENCY, prover.closed_latency)
        yield Sample(metrics.GAPS_OPEN, prover.gaps)
        yield Sample(metrics.ACCOUNT_SYNCS, self.vitals.recovery.syncs)

    def _events(self) -> Iterator[Sample]:
        events = self.vitals.router.events
        for name in EventName:
            yield Sample(metrics.EVENTS, events[name], (name,))
        yield Sample(metrics.GAPS_FOUND, events[EventName.GAP_FOUND])
        yield Sample(metrics.GAPS_FILLED, events[EventName.GAP_FILLED])
        yield Sample(metrics.CONTRADICTIONS, events[EventName.CONTRADICTION])
        yield Sample(metrics.REFUSALS, events[EventName.TOPIC_REJECTED], ("topic",))
        yield Sample(metrics.REFUSALS, events[EventName.LOGIN_REFUSED], ("login",))
        yield Sample(metrics.REFUSALS, self.vitals.rest.refusals, ("call",))
        yield Sample(metrics.REFUSALS, self.vitals.writer.tally.refused, ("entry",))

    def _share(self) -> Iterator[Sample]:
        vitals, shared = self.vitals, self.vitals.membership.figures()
        yield Sample(metrics.MEMBERS_SEEN, shared["members"])
        yield Sample(metrics.SHARE_TOPICS, shared["target"])
        yield Sample(metrics.SERVED_TOPICS, shared["serving"])
        yield Sample(metrics.UNPLACED_TOPICS, len(vitals.public.unplaced) + len(vitals.private.unplaced))
        for move in ("taken_over", "handed_over", "let_go"):
            yield Sample(metrics.MOVES, shared[move], (move,))
        yield Sample(metrics.RETURNS, shared["returns"])

    def _itself(self) -> Iterator[Sample]:
        vitals = self.vitals
        yield Sample(metrics.APPLIED_REVISION, vitals.reconciler.revision)
        yield Sample(metrics.PAUSED, vitals.reconciler.paused)
        yield Sample(metrics.DRAINING, self.health.stopping.is_set())
        yield Sample(metrics.CLOCK_OFFSET, (vitals.clock.now_ms() - host_ms()) / 1000)
        yield Sample(metrics.LOOP_LAG, self.pulse.lag)
