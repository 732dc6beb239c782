"""What all ingesters know of REST's candles: when one of them last got a valid answer, and where long periods begin."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from bridge.store.keys import Keys

_HEARD: Final = "heard"
_PHASE: Final = "phase:"


class Proofs:
    """Shares that under one prefix. Every method may raise redis-py's `RedisError` when Redis is out of reach."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        """Use `client`, which must answer in `str`."""
        self._client = client
        self._key = keys.proof

    async def heard(self, at_ms: int) -> None:
        """Take note that REST gave somebody a valid answer at `at_ms`, in the exchange's time."""
        await self._client.hset(self._key, _HEARD, str(at_ms))

    async def last_heard(self) -> int:
        """Return when REST last gave anybody a valid answer, 0 if nobody knows."""
        return int(await cast("Awaitable[str | None]", self._client.hget(self._key, _HEARD)) or 0)

    async def phases(self) -> dict[str, int]:
        """Return by timeframe where in the count of time its periods begin, in ms, as far as that was learned."""
        held = await cast("Awaitable[dict[str, str]]", self._client.hgetall(self._key))
        return {name.removeprefix(_PHASE): int(value) for name, value in held.items() if name.startswith(_PHASE)}

    async def begins(self, timeframe: str, phase_ms: int) -> None:
        """Keep where the periods of a timeframe begin."""
        await self._client.hset(self._key, _PHASE + timeframe, str(phase_ms))
