"""What comes due without anybody saying so: last words on candles, losses to tell, mute sockets, a full store."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from bridge.ingest.sockets.connection import Phase
from bridge.records import EventName
from bridge.store.client import Unreachable
from bridge.store.writing.writer import Tally, Writer

if TYPE_CHECKING:
    from bridge.clock import ExchangeClock
    from bridge.exchanges.base import Exchange
    from bridge.ingest.account.recovery import Recovery
    from bridge.ingest.candles.prover import Prover
    from bridge.ingest.router import Router
    from bridge.ingest.sockets.pool import Pool

_LOOK_S: Final = 0.25
_RELIEF_S: Final = 5.0


class Watch:
    """Looks several times a second, and does what has come due."""

    def __init__(
        self,
        *,
        clock: ExchangeClock,
        exchange: Exchange,
        public: Pool,
        router: Router,
        prover: Prover,
        recovery: Recovery,
        writer: Writer,
        relieve: Callable[[], Awaitable[int]],
    ) -> None:
        """Look after these; `relieve` makes room in the store and returns how many entries went."""
        self._clock = clock
        self._exchange = exchange
        self._public = public
        self._router = router
        self._prover = prover
        self._recovery = recovery
        self._writer = writer
        self._relieve = relieve
        self._told = Tally()

    async def run(self) -> None:
        """Look for ever."""
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._make_room())
            while True:
                await asyncio.sleep(_LOOK_S / max(1.0, self._clock.rate))
                self._router.close_due()
                self._tell_losses()
                self._replace_mute()

    def _tell_losses(self) -> None:
        tally, told = self._writer.tally, self._told
        if tally.overflowed > told.overflowed:
            count = tally.overflowed - told.overflowed
            self._router.happened(EventName.OVERFLOW, "writer", f"{count} entries dropped: the buffer is full")
            self._recovery.need("overflow")
        if tally.connections > told.connections > 0:
            # A server that died suddenly comes back without its last moments: what it took need not be there any more.
            self._prover.doubt()
            self._recovery.need("redis")
        self._told = dataclasses.replace(tally, refused=told.refused, refusal=told.refusal)
        # A key of the wrong type refuses every entry: one event tells it, a stream of them would push out all others.
        if tally.refused > told.refused and tally.refusal != told.refusal:
            self._router.happened(EventName.ENTRY_REFUSED, "writer", tally.refusal)
            self._told.refused, self._told.refusal = tally.refused, tally.refusal

    def _replace_mute(self) -> None:
        mute = self._prover.mute()
        if mute and self._public.phase is Phase.OPEN:
            text = f"{len(mute)} symbols trade unseen, {mute[0]} among them"
            self._router.happened(EventName.MUTE, self._public.name, text)
            self._public.replace(lambda topic: self._exchange.topic(topic).symbol in mute)

    async def _make_room(self) -> None:
        """Make room in a full store, for as long as it is full."""
        while True:
            await asyncio.sleep(_RELIEF_S)
            if not self._writer.full:
                continue
            try:
                trimmed = await self._relieve()
            except Unreachable:
                continue
            self._router.happened(EventName.STORE_FULL, "writer", f"Redis is full; {trimmed} entries trimmed")
