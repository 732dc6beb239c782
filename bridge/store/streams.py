"""The streams for who looks on: the newest entries at once, the next ones as they come, and the orders beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bridge.store import client, reader
from bridge.store.reader import Fields

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from bridge.store.keys import Keys
    from bridge.values import Secret


class Streams:
    """Reads any stream. Every method may raise redis-py's `RedisError` when Redis is out of reach."""

    def __init__(self, asking: Redis, following: Redis) -> None:
        """Ask by one client, made for commands, and follow by another, made for reads that wait."""
        self._asking = asking
        self._following = following

    async def newest(self, stream: str, count: int) -> list[tuple[str, Fields]]:
        """Return the last `count` entries, oldest first, each with its id."""
        return await reader.newest(self._asking, stream, count)

    async def follow(self, stream: str, after: str) -> AsyncIterator[tuple[str, Fields]]:
        """Yield the entries after the id `after` for ever, each with its id."""
        async for _, entry_id, fields in reader.follow(self._following, {stream: after}):
            yield entry_id, fields

    async def open_orders(self, keys: Keys) -> list[Fields]:
        """Return the state of each order that is not finished."""
        return await reader.open_orders(self._asking, keys)


@asynccontextmanager
async def opened(url: Secret) -> AsyncIterator[Streams]:
    """Open clients of our own for as long as the block lasts; Redis itself need not be there yet."""
    asking, following = client.commands(url), client.blocking(url)
    try:
        yield Streams(asking, following)
    finally:
        await following.aclose()
        await asking.aclose()
