"""Room in a full store: our own streams, trimmed to exactly their caps.

A store at its memory limit refuses even an append that would trim its stream, but takes a trim alone (seen). Appends
trim approximately, by whole blocks, so there is usually something to give back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.store import reader

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from bridge.settings import Settings
    from bridge.store.keys import Keys


async def relieve(client: Redis, keys: Keys, settings: Settings) -> int:
    """Trim every stream of ours to its cap; return how many entries went.

    May raise redis-py's `RedisError` when Redis is out of reach.
    """
    named = {
        keys.orders: settings.cap_orders,
        keys.fills: settings.cap_fills,
        keys.positions: settings.cap_positions,
        keys.events: settings.cap_events,
    }
    trimmed = 0
    async for stream in reader.streams(client, f"{keys.prefix}:*"):
        cap = named.get(stream) or _candles_cap(stream, settings)
        trimmed += await client.xtrim(stream, maxlen=cap, approximate=False)
    return trimmed


def _candles_cap(stream: str, settings: Settings) -> int:
    if not stream.endswith(":closed"):
        return settings.cap_klines
    return settings.cap_closed_1m if stream.endswith(":1m:closed") else settings.cap_closed
