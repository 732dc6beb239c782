"""Pools of connections to the primary that sentinels name, which look now and again whether it is still the same.

redis-py asks the sentinels when it makes a connection. A reader's connection may last for days, and a primary that was
replaced behind a broken network goes on answering: with nothing new, for ever.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, Final

import redis.asyncio.sentinel
import redis.sentinel

# As the bridge does.
_AGAIN_S: Final = 1.0


class FollowingPool(redis.sentinel.SentinelConnectionPool):
    """For blocking clients."""

    _asked_at = 0.0

    def get_connection(self, *words: Any, **options: Any) -> Any:  # noqa: ANN401 - redis-py's signature
        """Return a connection to the primary as it is now; while no sentinel answers, as it was."""
        if time.monotonic() > self._asked_at + _AGAIN_S:
            with suppress(redis.ConnectionError, redis.TimeoutError):
                self.get_master_address()  # type: ignore[no-untyped-call]  # redis-py's; it lets go of idle connections
            self._asked_at = time.monotonic()
        return super().get_connection(*words, **options)

    def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        """Hang up, at the end at the sentinels too."""
        super().disconnect(inuse_connections)
        if inuse_connections:
            self.sentinel_manager.close()


class AsyncFollowingPool(redis.asyncio.sentinel.SentinelConnectionPool):
    """For clients of asyncio."""

    _asked_at = 0.0

    async def get_connection(self, *words: Any, **options: Any) -> Any:  # noqa: ANN401 - redis-py's signature
        """Return a connection to the primary as it is now; while no sentinel answers, as it was."""
        if time.monotonic() > self._asked_at + _AGAIN_S:
            with suppress(redis.ConnectionError, redis.TimeoutError):
                await self.get_master_address()  # type: ignore[no-untyped-call]  # redis-py's; as above
            self._asked_at = time.monotonic()
        return await super().get_connection(*words, **options)  # type: ignore[no-untyped-call]  # redis-py's

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        """Hang up, at the end at the sentinels too."""
        await super().disconnect(inuse_connections)
        if inuse_connections:
            await self.sentinel_manager.aclose()
