"""When the next REST call may leave: evenly spaced, shared with all who call from the same address, bans respected."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from bridge.store.client import Unreachable

if TYPE_CHECKING:
    from bridge.store.budget import Ban, Budget

_WINDOW_S: Final = 2.0
# How long an address keeps still after a refusal. The length of the exchange's own ban (418) is unknown.
_REFUSED_S: Final = 2.0
_BANNED_S: Final = 60.0


class Quiet:
    """How long an address has to keep still altogether: a ban that one path meets holds for all of them."""

    def __init__(self, ban: Ban | None = None) -> None:
        """Begin without a ban; without a shared one, or while Redis is away, on our own account."""
        self._ban = ban
        self._until = 0.0

    async def banned(self, seconds: float) -> None:
        """Keep still for so long."""
        self._until = max(self._until, asyncio.get_running_loop().time() + seconds)
        if self._ban:
            try:
                await self._ban.begin(seconds)
            except Unreachable:
                return

    async def left(self) -> float:
        """Return for how many seconds more to keep still."""
        own = max(0.0, self._until - asyncio.get_running_loop().time())
        if self._ban is None:
            return own
        try:
            return max(own, await self._ban.left())
        except Unreachable:
            return own


class Pace:
    """Gives turns to call."""

    def __init__(self, calls: int, budget: Budget | None = None, quiet: Quiet | None = None) -> None:
        """Allow `calls` in two seconds, and none while it is to be `quiet`.

        Without a `budget` to share, or while Redis is away, on our own account.
        """
        self._gap_s = _WINDOW_S / calls
        self._budget = budget
        self._quiet = quiet or Quiet()
        self._next = 0.0
        self._still_until = 0.0
        self._refusals = 0

    async def turn(self) -> None:
        """Wait for our turn; one that was given before a refusal or a ban is void."""
        loop = asyncio.get_running_loop()
        while True:
            refusals = self._refusals
            turn = max(self._next, loop.time())
            self._next = turn + self._gap_s
            shared_s = await self._shared_wait()
            wait_s = max(turn - loop.time(), shared_s)
            self._still_until = max(self._still_until, loop.time() + wait_s)
            await asyncio.sleep(wait_s)
            quiet_s = await self._quiet.left()
            if not quiet_s and refusals == self._refusals:
                return
            self._still_until = max(self._still_until, loop.time() + quiet_s)
            await asyncio.sleep(quiet_s)

    async def refused(self, status: int) -> None:
        """Keep still after an HTTP 429; after a 418 let all who call from this address keep still."""
        if status == 418:  # noqa: PLR2004 - the exchange's word for a ban
            self._still_until = max(self._still_until, asyncio.get_running_loop().time() + _BANNED_S)
            await self._quiet.banned(_BANNED_S)
            return
        self._refusals += 1
        self._next = max(self._next, asyncio.get_running_loop().time() + _REFUSED_S)
        self._still_until = max(self._still_until, self._next)
        if self._budget:
            try:
                await self._budget.ban(_REFUSED_S)
            except Unreachable:
                return

    def still_s(self) -> float:
        """Return how long it is until the turn given last, or the end of a refusal's stillness; 0 if that is past."""
        return max(0.0, self._still_until - asyncio.get_running_loop().time())

    async def _shared_wait(self) -> float:
        if self._budget is None:
            return 0.0
        try:
            return await self._budget.reserve(self._gap_s)
        except Unreachable:
            return 0.0
