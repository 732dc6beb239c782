"""What we serve although it is for others to serve now. Pure: the clock and what the others tell are arguments.

A topic that moves is subscribed by its new owner first. The former one lets go when it is active there, and after a
bound in any case: twice served does no harm, but neither is it to last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Leaving:
    owners: tuple[str, ...]
    since: float
    active_at: set[str] = field(default_factory=set)


class Handover:
    """The topics on their way to others.

    Attributes:
        handed_over: how many were let go because they were active at all their owners.
        let_go: how many were let go because the bound was reached.
    """

    def __init__(self, bound_s: float) -> None:
        """Hold on to nothing for longer than `bound_s`."""
        self._bound_s = bound_s
        self._leaving: dict[str, _Leaving] = {}
        self.handed_over = 0
        self.let_go = 0

    def __len__(self) -> int:
        """Return how many topics are on their way."""
        return len(self._leaving)

    def pass_on(self, leaving: Mapping[str, tuple[str, ...]], now: float) -> None:
        """Say which topics are to leave us, and to whom; one that is under way already goes on being so."""
        under_way = self._leaving
        self._leaving = {topic: _Leaving(owners, now) for topic, owners in leaving.items()}
        for topic, known in under_way.items():
            if topic in self._leaving:
                self._leaving[topic].since = known.since
                self._leaving[topic].active_at = known.active_at.intersection(leaving[topic])

    def questions(self) -> dict[str, list[str]]:
        """Return whom to ask, and about which topics."""
        asked = defaultdict(list)
        for topic, leaving in self._leaving.items():
            for owner in leaving.owners:
                if owner not in leaving.active_at:
                    asked[owner].append(topic)
        return dict(asked)

    def heard(self, owner: str, topics: Collection[str]) -> None:
        """Take note that `owner` has these topics."""
        for topic in topics:
            leaving = self._leaving.get(topic)
            if leaving is not None:
                leaving.active_at.add(owner)

    def release(self, now: float) -> set[str]:
        """Return the topics to let go, and forget them."""
        handed = {topic for topic, one in self._leaving.items() if one.owners and one.active_at.issuperset(one.owners)}
        late = {topic for topic, one in self._leaving.items() if now - one.since >= self._bound_s} - handed
        for topic in handed | late:
            del self._leaving[topic]
        self.handed_over += len(handed)
        self.let_go += len(late)
        return handed | late
