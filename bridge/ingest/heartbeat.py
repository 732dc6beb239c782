"""What an ingester tells the others: that it is alive, how it is, and how far each topic has come."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from bridge.clock import host_ms
from bridge.ingest.subscriptions import Phase
from bridge.store.client import Unreachable, described
from bridge.store.members import Members, State, TopicState

if TYPE_CHECKING:
    from bridge.ingest.connection import Connection
    from bridge.ingest.reconciler import Reconciler

log = logging.getLogger(__name__)

# How old the published stamp of a topic's last data may get, and how close together two reports may come.
_DATA_AGE_MS: Final = 5_000
_GAP_S: Final = 0.05
_STATES: Final = {Phase.ACTIVE: State.ACTIVE, Phase.REJECTED: State.REJECTED}


class Heartbeat:
    """Reports at every interval, and soon after something changed."""

    def __init__(
        self,
        *,
        members: Members,
        name: str,
        interval_s: float,
        state: Callable[[], Mapping[str, str | int]],
        topics: Callable[[], Mapping[str, TopicState]],
        on_stop: Callable[[], None],
    ) -> None:
        """Report as `name` what `state` and `topics` return; call `on_stop` when asked to stop."""
        self._members = members
        self._name = name
        self._interval_s = interval_s
        self._state = state
        self._topics = topics
        self._on_stop = on_stop
        self._stirred = asyncio.Event()
        self._published: dict[str, TopicState] = {}
        self._doubtful: set[str] = set()
        self._entered = False
        self.trouble = ""

    def stir(self) -> None:
        """Make the next report come soon."""
        self._stirred.set()

    def forget(self) -> None:
        """Say everything again: what Redis still holds of us is unknown."""
        self._published.clear()
        self._stirred.set()

    async def run(self) -> None:
        """Report for ever."""
        while True:
            self._stirred.clear()
            try:
                await self.report()
                self.trouble = ""
            except Unreachable as trouble:
                self._note(described(trouble))
            await asyncio.sleep(_GAP_S)
            try:
                async with asyncio.timeout(self._interval_s):
                    await self._stirred.wait()
            except TimeoutError:
                continue

    async def report(self) -> None:
        """Report once; topics first, so that whoever sees a revision applied sees its topics too."""
        try:
            asked_to_stop = await self._report()
        except Unreachable:
            # What Redis still holds of us is unknown now: say everything again, and take back all that may be there.
            self._doubtful |= self._published.keys()
            self._published.clear()
            raise
        if asked_to_stop:
            self._on_stop()

    async def _report(self) -> bool:
        if not self._entered:
            # What a namesake left behind, a request to stop included, was not meant for us.
            await self._members.leave(self._name)
            self._entered = True
        state = self._state()
        current = self._topics()
        changed = {topic: fresh for topic, said in current.items() if (fresh := self._fresh(topic, said))}
        gone = (self._published.keys() | self._doubtful) - current.keys()
        if changed or gone:
            self._doubtful |= changed.keys()
            await self._members.publish(self._name, changed, gone)
        self._published = {topic: changed.get(topic) or self._published[topic] for topic in current}
        self._doubtful.clear()
        return await self._members.beat(self._name, state)

    def _fresh(self, topic: str, said: TopicState) -> TopicState | None:
        before = self._published.get(topic)
        if before is None or (before.state, before.reason) != (said.state, said.reason):
            return said
        if said.data_at - before.data_at >= _DATA_AGE_MS or (said.data_at and not before.data_at):
            return TopicState(said.state, before.since, said.reason, said.data_at)
        return None

    def _note(self, trouble: str) -> None:
        if trouble != self.trouble:
            log.warning("heartbeat: %s", trouble)
        self.trouble = trouble


def topic_states(connections: list[Connection], reconciler: Reconciler) -> dict[str, TopicState]:
    """Return how far each wanted topic has come, with the reason where it isn't active."""
    now = host_ms()
    states = {name: TopicState(State.REJECTED, now, reason) for name, reason in reconciler.rejected.items()}
    for connection in connections:
        for topic in connection.wanted:
            held = connection.held.get(topic)
            state = _STATES.get(held.phase, State.PENDING) if held else State.PENDING
            reason = held.reason if held else connection.trouble
            states[topic] = TopicState(state, now, reason, connection.data_at.get(topic, 0))
        for topic, held in connection.held:
            if topic not in connection.wanted and held.phase is not Phase.REJECTED:
                states[topic] = TopicState(State.PENDING, now, "being unsubscribed")
    for name, topics in reconciler.wildcards.items():
        states[name] = _whole(topics, states, now)
    return states


def _whole(topics: frozenset[str], states: dict[str, TopicState], now: int) -> TopicState:
    if not topics:
        return TopicState(State.PENDING, now, "the list of contracts is not known yet")
    counted = Counter(states[topic].state for topic in topics if topic in states)
    refused = f"{counted[State.REJECTED]} of {len(topics)} contracts are rejected" if counted[State.REJECTED] else ""
    if counted[State.ACTIVE] + counted[State.REJECTED] == len(topics):
        return TopicState(State.ACTIVE if counted[State.ACTIVE] else State.REJECTED, now, refused)
    return TopicState(State.PENDING, now, f"{counted[State.ACTIVE]} of {len(topics)} contracts are active")
