"""Entries out of Redis again: by blocking reads for those who follow, at once for those who ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from bridge.store.keys import Keys

Fields = dict[str, str]
_BATCH: Final = 500
_BLOCK_MS: Final = 1_000


async def follow(client: Redis, positions: dict[str, str]) -> AsyncIterator[tuple[str, str, Fields]]:
    """Yield `(stream, id, fields)` for ever, in each stream's order.

    Args:
        client: one made by `client.blocking`.
        positions: for each stream the id after which to read (`0-0`: from the beginning). Kept up to date as entries
            are yielded; streams that are added to it meanwhile are followed too.
    """
    while True:
        if not positions:
            await asyncio.sleep(_BLOCK_MS / 1000)
            continue
        for stream, entries in await _read(client, dict(positions)):
            for entry_id, fields in entries:
                positions[stream] = entry_id
                yield stream, entry_id, fields


async def streams(client: Redis, pattern: str) -> AsyncIterator[str]:
    """Yield the names of the streams that match a glob pattern, in no order."""
    async for name in client.scan_iter(match=pattern, count=_BATCH, _type="stream"):
        yield str(name)


async def newest(client: Redis, stream: str, count: int) -> list[tuple[str, Fields]]:
    """Return the last `count` entries of a stream, oldest first."""
    entries = cast("list[tuple[str, Fields]]", await client.xrevrange(stream, count=count))
    return entries[::-1]


async def tip(client: Redis, stream: str) -> str:
    """Return the id of a stream's last entry, or `0-0`: unlike `$` it misses nothing between this call and the next."""
    last = await newest(client, stream, 1)
    return last[0][0] if last else "0-0"


async def open_positions(client: Redis, keys: Keys) -> list[Fields]:
    """Return the state of each position that is not flat."""
    members = await cast("Awaitable[set[str]]", client.smembers(keys.open_positions))
    async with client.pipeline(transaction=False) as pipe:
        for member in sorted(members):
            symbol, _, slot = member.rpartition(":")
            pipe.hgetall(keys.position(symbol, slot))
        return [state for state in await pipe.execute() if state]


async def open_orders(client: Redis, keys: Keys) -> list[Fields]:
    """Return the state of each order that is not finished."""
    ids = await cast("Awaitable[set[str]]", client.smembers(keys.open_orders))
    async with client.pipeline(transaction=False) as pipe:
        for order_id in sorted(ids):
            pipe.hgetall(keys.order(order_id))
        return [state for state in await pipe.execute() if state]


async def _read(client: Redis, after: dict[str, str]) -> list[tuple[str, list[tuple[str, Fields]]]]:
    found = await client.xread(after, count=_BATCH, block=_BLOCK_MS)  # type: ignore[arg-type]  # its stub is invariant
    return cast("list[tuple[str, list[tuple[str, Fields]]]]", found)
