"""How far each topic has come at this ingester, in the words that the others read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from bridge.clock import host_ms
from bridge.ingest.sockets.subscriptions import Phase
from bridge.store.members import State, TopicState

if TYPE_CHECKING:
    from bridge.ingest.reconciler import Reconciler
    from bridge.ingest.sockets.line import Line
    from bridge.ingest.sockets.pool import Pool

_STATES: Final = {Phase.ACTIVE: State.ACTIVE, Phase.REJECTED: State.REJECTED}


def topic_states(pools: Iterable[Pool], reconciler: Reconciler) -> dict[str, TopicState]:
    """Return how far each topic of ours has come, with the reason where it isn't active."""
    now = host_ms()
    states = {name: TopicState(State.REJECTED, now, reason) for name, reason in reconciler.rejected.items()}
    for pool in pools:
        states |= {topic: TopicState(State.PENDING, now, pool.no_room) for topic in pool.unplaced}
        for line in pool.all():
            for topic, state in _of(line, now):
                # One that is on two connections has come as far as the better of them tells.
                if topic not in states or state.state is State.ACTIVE:
                    states[topic] = state
    for name, topics in reconciler.wildcards.items():
        if (whole := _whole(topics, reconciler.ours(topics), states, now)) is not None:
            states[name] = whole
    return states


def _of(line: Line, now: int) -> Iterator[tuple[str, TopicState]]:
    connection = line.connection
    for topic in line.topics:
        held = connection.held.get(topic)
        state = _STATES.get(held.phase, State.PENDING) if held else State.PENDING
        reason = held.reason if held else connection.trouble
        yield topic, TopicState(state, now, reason, connection.data_at.get(topic, 0))
    for topic, held in connection.held:
        if topic not in line.topics and held.phase is not Phase.REJECTED:
            yield topic, TopicState(State.PENDING, now, "being unsubscribed")


def _whole(topics: frozenset[str], ours: frozenset[str], states: dict[str, TopicState], now: int) -> TopicState | None:
    """Sum up our part of a topic that stands for many; nothing if we have none."""
    if not topics:
        return TopicState(State.PENDING, now, "the list of contracts is not known yet", partial=True)
    if not ours:
        return None
    counted = Counter(states[topic].state for topic in ours if topic in states)
    active, rejected = counted[State.ACTIVE], counted[State.REJECTED]
    if active + rejected < len(ours):
        return TopicState(State.PENDING, now, f"{active} of {len(ours)} contracts are active", partial=True)
    reason = f"{rejected} of {len(ours)} contracts are rejected" if rejected else ""
    return TopicState(State.ACTIVE if active else State.REJECTED, now, reason, partial=True)
