"""Who works for all: of those who serve the same topic, the first-ranked one proves its candles or reads its account.

The others keep their sockets and write what they hear, which does no harm and bridges the moment in which the first is
gone; then the next in rank goes on from what the store holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.ingest.account.recovery import Recovery
    from bridge.ingest.candles.prover import Prover
    from bridge.ingest.sockets.pool import Pool


class Lead:
    """Gives one part of the work those topics alone that are led from here."""

    def __init__(self, pool: Pool, leads: Callable[[str], bool]) -> None:
        """Look at the topics of `pool`; `leads` tells which of them are ours to work for."""
        self._pool = pool
        self._leads = leads
        self.topics: frozenset[str] = frozenset()

    def give(self, part: Prover | Recovery, activated: Callable[[str], None]) -> None:
        """Let `part` follow what we lead; what is active already is said to be, since nobody will say so again."""
        before, self.topics = self.topics, frozenset(filter(self._leads, self._pool.wanted))
        part.follow(self.topics)
        for topic in self.topics - before:
            if self._pool.active(topic):
                activated(topic)
