"""When the next connection may be opened: one after the other, together with all who call from the same address."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from bridge.store.client import Unreachable

if TYPE_CHECKING:
    from bridge.store.budget import Budget

# A store in trouble must not keep the sockets closed.
_PATIENCE_S: Final = 0.5


class Gate:
    """Gives turns to connect."""

    def __init__(self, gap_s: float, budget: Budget | None = None) -> None:
        """Leave `gap_s` between two turns; while the `budget` cannot be asked, on our own account."""
        self._gap_s = gap_s
        self._budget = budget
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for our turn."""
        if not self._gap_s:
            return
        loop = asyncio.get_running_loop()
        turn = max(self._next, loop.time())
        self._next = turn + self._gap_s
        shared_s = await self._shared_wait()
        await asyncio.sleep(max(turn - loop.time(), shared_s))

    async def _shared_wait(self) -> float:
        if self._budget is None:
            return 0.0
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._budget.reserve(self._gap_s)
        except Unreachable:
            return 0.0
