"""The exchange's budget of REST calls, shared by all ingesters that call from one address."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from redis.exceptions import NoScriptError

from bridge.store.scripts import BUDGET

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from bridge.store.keys import Keys


class Budget:
    """Turns to call, evenly spaced. Both methods may raise redis-py's `RedisError` when Redis is out of reach."""

    def __init__(self, client: Redis, keys: Keys, address: str) -> None:
        """Share with all who name the same `address`."""
        self._client = client
        self._key = keys.budget(address)

    async def reserve(self, gap_s: float) -> float:
        """Reserve the next turn, `gap_s` seconds after the one before; return the seconds until it comes."""
        return await self._run(math.ceil(gap_s * 1000), 0) / 1000

    async def ban(self, seconds: float) -> None:
        """Let nobody call for `seconds`."""
        await self._run(0, math.ceil(seconds * 1000))

    async def _run(self, gap_ms: int, ban_ms: int) -> int:
        try:
            return int(await self._client.evalsha(BUDGET.sha, 1, self._key, str(gap_ms), str(ban_ms)))
        except NoScriptError:
            return int(await self._client.eval(BUDGET.text, 1, self._key, str(gap_ms), str(ban_ms)))


class Ban:
    """The exchange's ban of an address, which holds for every path. Both methods may raise redis-py's `RedisError`."""

    def __init__(self, client: Redis, keys: Keys, address: str) -> None:
        """Share with all who name the same `address`."""
        self._client = client
        self._key = keys.ban(address)

    async def left(self) -> float:
        """Return for how many seconds more nobody may call."""
        return max(0, await self._client.pttl(self._key)) / 1000

    async def begin(self, seconds: float) -> None:
        """Let nobody call for `seconds`; a shorter ban does not shorten a longer one."""
        milliseconds = math.ceil(seconds * 1000)
        await self._client.set(self._key, "1", px=milliseconds, nx=True)
        await self._client.pexpire(self._key, milliseconds, gt=True)
