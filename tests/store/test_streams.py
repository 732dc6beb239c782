"""Streams for who looks on."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from bridge.store import streams
from bridge.store.keys import Keys
from bridge.values import Secret

KEYS = Keys()


async def test_the_newest_and_then_each_as_it_comes(store: Redis, valkey_url: str) -> None:
    for number in range(3):
        await store.xadd(KEYS.events, {"number": number})
    async with streams.opened(Secret(valkey_url)) as reading:
        newest = await reading.newest(KEYS.events, 2)
        assert [fields["number"] for _, fields in newest] == ["1", "2"]
        following = reading.follow(KEYS.events, newest[-1][0])
        waiting = asyncio.ensure_future(anext(following))
        added = await store.xadd(KEYS.events, {"number": 3})
        async with asyncio.timeout(20):
            assert await waiting == (added, {"number": "3"})


async def test_orders_that_are_open_have_their_state_beside_the_stream(store: Redis, valkey_url: str) -> None:
    async with streams.opened(Secret(valkey_url)) as reading:
        assert await reading.open_orders(KEYS) == []
        await store.sadd(KEYS.open_orders, "7", "gone")
        await store.hset(KEYS.order("7"), mapping={"order_id": "7"})
        assert await reading.open_orders(KEYS) == [{"order_id": "7"}]
