"""Whether an ingester is alive, and whether it does what it is there for: in reasons against it, so that none is good.

Alive is what a restart would mend if it weren't so: the parts turn. Ready is what a restart would not mend: Redis, the
exchange, and wishes that are applied. A pause is a wish like others and no reason against anything.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.ingest.sockets.connection import Phase

if TYPE_CHECKING:
    from bridge.ingest.seen.heartbeat import Heartbeat
    from bridge.ingest.seen.vitals import Vitals

# A report is several commands, each bounded by some seconds; one that takes longer than this does not turn any more.
_STUCK_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Health:
    """Looks at the parts; changes none.

    Attributes:
        vitals: the parts that carry records and wishes.
        heartbeat: the part whose turning shows that the others are scheduled.
        stopping: set once it was told to stop.
    """

    vitals: Vitals
    heartbeat: Heartbeat
    stopping: asyncio.Event

    def ill(self) -> list[str]:
        """Return what a restart would mend; a part that ended has ended the ingester with it."""
        turned_at = self.heartbeat.turned_at
        still_s = asyncio.get_running_loop().time() - turned_at if turned_at else 0.0
        return [f"the heartbeat has stood still for {still_s:.0f} s"] if still_s > _STUCK_S else []

    def hindered(self) -> list[str]:
        """Return what keeps entries from coming: an ingester without such reasons is ready."""
        if not self.vitals.membership.entered:
            return ["Redis has not answered yet"]
        return [*self.ill(), *self._unserved(), *self._redis()]

    def started(self) -> bool:
        """Tell whether the store is ours and the wishes were read once, whatever came since."""
        return self.vitals.membership.entered and bool(self.heartbeat.turned_at) and self.vitals.reconciler.applied

    def doing(self) -> str:
        """Say in a line what it does, or what it waits for."""
        if not self.vitals.membership.entered:
            return "waits for Redis"
        vitals = self.vitals
        waiting = vitals.waiting_for()
        return f"waits: {waiting}" if waiting else f"serves {len(vitals.public.wanted | vitals.private.wanted)} topics"

    def redis_up(self) -> bool:
        """Tell whether Redis answered when it was last asked."""
        return self.vitals.membership.entered and not self._redis()

    def _unserved(self) -> list[str]:
        vitals = self.vitals
        reasons = ["it was asked to stop"] if self.stopping.is_set() else []
        if not vitals.reconciler.applied:
            reasons.append("the wishes have not been read yet")
        reasons += [
            f"no {pool.name} connection is open ({pool.phase})"
            for pool in (vitals.public, vitals.private)
            if pool.wanted and pool.phase is not Phase.OPEN
        ]
        return reasons

    def _redis(self) -> list[str]:
        vitals = self.vitals
        troubles = (self.heartbeat.trouble, vitals.reconciler.trouble, vitals.writer.tally.trouble)
        # Anybody may ask: what exactly is wrong, and where, stands in the log.
        return ["Redis is out of reach or refuses us"] if any(troubles) else []
