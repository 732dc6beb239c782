"""How far each topic has come: what the ingesters say of it, and what they can't say because nobody serves it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bridge.control.answers import TopicStatus
from bridge.control.backend import Snapshot
from bridge.errors import InvalidTopicError
from bridge.exchanges.base import EVERY_SYMBOL, Exchange
from bridge.store.members import State, TopicState

_UNSERVED: Final = "no live ingester serves it yet"
_PAUSED: Final = "the bridge is paused"


class Progress:
    """The topics of one snapshot."""

    def __init__(self, exchange: Exchange, seen: Snapshot) -> None:
        """Look through what is served once; a whole market is thousands of topics."""
        self.seen = seen
        self._exchange = exchange
        self._wildcards = {name: wildcard_of(exchange, name) for name in seen.served}

    def all(self, now_ms: int) -> dict[str, TopicStatus]:
        """Return the status of every topic that is wanted or still served, by name, at host time `now_ms`."""
        names = sorted(self.seen.wishes.topics | self.seen.served.keys())
        return {name: self.status(name, now_ms) for name in names}

    def status(self, name: str, now_ms: int) -> TopicStatus:
        """Return one topic's status."""
        state = self.state(name)
        return TopicStatus(
            state=state.state.value,
            reason=state.reason,
            since=state.since or None,
            data_at=state.data_at or None,
            data_age_ms=max(0, now_ms - state.data_at) if state.data_at else None,
            wanted=self.is_wanted(name),
        )

    def state(self, name: str) -> TopicState:
        """Return what the ingesters say of a topic, or why they say nothing."""
        served = self.seen.served.get(name)
        if served is not None:
            return served
        try:
            self._exchange.topic(name)
        except InvalidTopicError as wrong:
            return TopicState(State.REJECTED, since=0, reason=str(wrong))
        if self.seen.wishes.paused:
            return TopicState(State.PENDING, since=0, reason=_PAUSED)
        return TopicState(State.PENDING, since=0, reason=_UNSERVED)

    def is_wanted(self, name: str) -> bool:
        """Tell whether a topic is wanted, by its own name or by a wildcard."""
        wanted = self.seen.wishes.topics
        return name in wanted or self._wildcards.get(name) in wanted

    def leftovers(self, removed: Iterable[str]) -> list[str]:
        """Return those served topics that only the removed ones account for."""
        gone = set(removed)
        return sorted(
            name
            for name, wildcard in self._wildcards.items()
            if (name in gone or wildcard in gone) and not self.is_wanted(name)
        )


def wildcard_of(exchange: Exchange, name: str) -> str | None:
    """Return the topic that stands for every symbol's topic of the kind of `name`, or None if there is none."""
    try:
        timeframe = exchange.topic(name).timeframe
    except InvalidTopicError:
        return None
    return exchange.kline_topic(EVERY_SYMBOL, timeframe) if timeframe else None
