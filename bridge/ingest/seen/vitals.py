"""What an ingester says of itself: figures for the others, and words for whoever looks on."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge import __version__
from bridge.clock import ExchangeClock, host_ms
from bridge.ingest.sockets.connection import Phase

if TYPE_CHECKING:
    from bridge.ingest.account.recovery import Recovery
    from bridge.ingest.candles.opened import Candles
    from bridge.ingest.candles.prover import Prover
    from bridge.ingest.members.membership import Membership
    from bridge.ingest.reconciler import Reconciler
    from bridge.ingest.rest.fetch import Rest
    from bridge.ingest.router import Router
    from bridge.ingest.sockets.pool import Pool
    from bridge.store.writing.writer import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """Looks at the parts; changes none."""

    environment: str
    clock: ExchangeClock
    membership: Membership
    public: Pool
    private: Pool
    reconciler: Reconciler
    router: Router
    candles: Candles
    prover: Prover
    recovery: Recovery
    rest: Rest
    writer: Writer
    started: int = field(default_factory=host_ms)

    def state(self, *, draining: bool) -> Mapping[str, str | int]:
        """Return what the heartbeat publishes; times in UTC milliseconds, the rest counts since the start."""
        tally = self.writer.tally
        return {
            "version": __version__,
            "loop": type(asyncio.get_running_loop()).__module__.partition(".")[0],
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": self.started,
            "environment": self.environment,
            "applied_rev": self.reconciler.revision,
            "public": self.public.phase.value,
            "private": self.private.phase.value,
            "authenticated": int(self.private.phase is Phase.OPEN),
            "draining": int(draining),
            **self.membership.figures(),
            "connections": len(self.public.sizes) + len(self.private.sizes),
            "topics_per_connection": " ".join(map(str, self.public.sizes + self.private.sizes)),
            "unplaced": len(self.public.unplaced) + len(self.private.unplaced),
            "clock_ms": self.clock.now_ms(),
            "frames": self.public.frames + self.private.frames,
            "malformed": self.public.malformed + self.private.malformed + self.candles.early,
            "records": self.router.records,
            "entries": tally.entries,
            "repeats": tally.repeats,
            "conflated": tally.conflated,
            "overflowed": tally.overflowed,
            "refused": tally.refused,
            "depth": self.writer.depth,
            "rest_calls": self.rest.calls,
            "proof_lag_ms": self.prover.lag_ms(),
            "last_error": self.public.trouble or self.private.trouble or tally.trouble or tally.refusal,
        }

    def waiting_for(self) -> str:
        """Say what keeps entries from coming; nothing if they come."""
        for pool in (self.public, self.private):
            if pool.wanted and pool.phase is not Phase.OPEN:
                return f"the {pool.name} connection: {pool.trouble or pool.phase}"
        if self.writer.tally.trouble:
            return self.writer.tally.trouble
        if self.reconciler.paused:
            return "paused; POST /resume goes on"
        wanted = self.public.wanted | self.private.wanted
        if not wanted:
            nothing = "nothing is wished for yet; POST /klines/subscribe is the way"
            return nothing if self.membership.alone else "nothing falls to this ingester at present"
        if not self.router.records:
            return f"{len(wanted)} topics are asked for, and the exchange has sent no data yet"
        return ""
