"""Which of the wanted topics are ours: the share that falls to us, and what we still hold for others.

The same idea as with topics: there is a target, and there is what is held; each pass looks at both anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Final

from bridge.ingest.members.share import owners

if TYPE_CHECKING:
    from bridge.ingest.members.handover import Handover
    from bridge.ingest.members.roster import Roster
    from bridge.store.members import Members

# Topics between two breaths: sharing out a whole market must not keep the sockets waiting.
_CHUNK: Final = 500


class Sharing:
    """One ingester's part of one side, the public or the private topics.

    Attributes:
        target: the topics that fall to us.
        serving: these, and those that we hold until others have them.
        taken_over: how many came to us because another left or gave way.
    """

    def __init__(
        self, *, name: str, private: bool, replicas: int, roster: Roster, handover: Handover, members: Members
    ) -> None:
        """Share as `name` with those in `roster`; `members` tells how far they have come."""
        self._name = name
        self._private = private
        self._replicas = replicas
        self._roster = roster
        self._handover = handover
        self._members = members
        self._able: frozenset[str] = frozenset()
        self._owners: dict[str, tuple[str, ...]] = {}
        self._wanted: frozenset[str] = frozenset()
        self.target: frozenset[str] = frozenset()
        self.serving: frozenset[str] = frozenset()
        self.taken_over = 0

    @property
    def handover(self) -> Handover:
        """The topics on their way to others."""
        return self._handover

    def leads(self, topic: str) -> bool:
        """Tell whether we rank first among those who serve a topic: one proves and reads for all of them."""
        return self._owners.get(topic, ())[:1] == (self._name,)

    async def divide(self, wanted: frozenset[str]) -> None:
        """Find our part of what is wanted, and what has to be handed over first."""
        able = self._roster.able(private=self._private)
        known, before = self._wanted, self.target
        stale = wanted if able != self._able else wanted - self._owners.keys()
        fresh = await self._ranked(stale, able)
        self._owners = {topic: fresh[topic] if topic in fresh else self._owners[topic] for topic in wanted}
        self._able, self._wanted = able, wanted
        self.target = frozenset(await self._ours(wanted, able))
        self.taken_over += len((self.target - before) & known)
        leaving = {topic for topic in (self.serving & wanted) - self.target if self._owners[topic]}
        self._handover.pass_on({topic: self._owners[topic] for topic in leaving}, _now())
        self.serving = self.target | leaving

    async def look(self) -> bool:
        """Ask how far the others are with what we hold for them; tell whether we let go of anything."""
        for owner, topics in self._handover.questions().items():
            self._handover.heard(owner, await self._members.active_at(owner, topics))
        released = self._handover.release(_now())
        self.serving -= released
        return bool(released)

    async def _ours(self, wanted: Collection[str], able: frozenset[str]) -> Iterable[str]:
        ours = self._roster.cards.get(self._name)
        if ours is None or ours.leaving or (self._private and not ours.credentials):
            return []
        view = self._owners
        if self._name not in able:
            # The others do without us; we go on trying what would be ours, so as to know when we can again.
            view = await self._ranked(wanted, able | {self._name})
        return [topic for topic in wanted if self._name in view[topic]]

    async def _ranked(self, topics: Collection[str], able: frozenset[str]) -> dict[str, tuple[str, ...]]:
        # One account is one unit: whoever serves one of its topics serves all, behind one login.
        if self._private:
            return dict.fromkeys(topics, owners([""], able, self._replicas)[""])
        ranked: dict[str, tuple[str, ...]] = {}
        names = list(topics)
        for start in range(0, len(names), _CHUNK):
            ranked |= owners(names[start : start + _CHUNK], able, self._replicas)
            await asyncio.sleep(0)
        return ranked


def _now() -> float:
    return asyncio.get_running_loop().time()
