"""Entries out of a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from bridge.records import PositionSide
from bridge.store import client
from bridge.store.reader import follow, newest, open_positions, streams, tip
from bridge.values import Secret
from tests.store.support import KEYS, POSITION, changed, said
from tests.support import wait_until

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from bridge.store.reader import Fields


@pytest.fixture
async def reading(valkey_url: str) -> AsyncIterator[Redis]:
    connected = client.blocking(Secret(valkey_url))
    try:
        yield connected
    finally:
        await connected.aclose()


async def put(store: Redis, stream: str, *values: int) -> None:
    for value in values:
        await store.xadd(stream, {"n": value})


async def taken(following: AsyncIterator[tuple[str, str, Fields]], count: int) -> list[tuple[str, str]]:
    async with asyncio.timeout(20):
        seen = [await anext(following) for _ in range(count)]
    return [(stream, fields["n"]) for stream, _, fields in seen]


async def test_a_stream_is_followed_from_its_beginning(store: Redis, reading: Redis) -> None:
    await put(store, "s", 1, 2, 3)
    following = follow(reading, {"s": "0-0"})
    assert await taken(following, 3) == [("s", "1"), ("s", "2"), ("s", "3")]


async def test_a_stream_is_followed_from_its_tip(store: Redis, reading: Redis) -> None:
    await put(store, "s", 1, 2)
    positions = {"s": await tip(store, "s")}
    await put(store, "s", 3)
    following = follow(reading, positions)
    assert await taken(following, 1) == [("s", "3")]


async def test_what_comes_while_waiting_is_read(store: Redis, reading: Redis) -> None:
    following = follow(reading, {"s": "0-0"})
    waiting = asyncio.create_task(taken(following, 1))

    async def blocked() -> bool:
        return bool((await store.info("clients"))["blocked_clients"] == 1)

    await wait_until(blocked, "a reader that waits")
    await put(store, "s", 1)
    assert await waiting == [("s", "1")]


async def test_several_streams_are_followed_each_in_its_order(store: Redis, reading: Redis) -> None:
    for number in range(600):  # more than one read brings
        await put(store, f"s{number % 2}", number)
    following = follow(reading, {"s0": "0-0", "s1": "0-0"})
    seen = await taken(following, 600)
    for stream in ("s0", "s1"):
        numbers = [int(n) for name, n in seen if name == stream]
        assert len(numbers) == 300
        assert all(first < second for first, second in pairwise(numbers))


async def test_positions_tell_how_far_it_came_and_a_stream_added_meanwhile_is_followed(
    store: Redis, reading: Redis
) -> None:
    await put(store, "s", 1)
    await put(store, "late", 2)
    positions = {"s": "0-0"}
    following = follow(reading, positions)
    await taken(following, 1)
    assert positions == {"s": await tip(store, "s")}
    positions["late"] = "0-0"
    assert await taken(following, 1) == [("late", "2")]


async def test_the_newest_entries_come_oldest_first(store: Redis) -> None:
    await put(store, "s", 1, 2, 3)
    assert [fields["n"] for _, fields in await newest(store, "s", 2)] == ["2", "3"]
    assert len(await newest(store, "s", 10)) == 3


async def test_an_absent_stream_has_no_entries_and_its_tip_is_the_beginning(store: Redis) -> None:
    assert await newest(store, "none", 5) == []
    assert await tip(store, "none") == "0-0"


async def test_the_tip_is_the_last_entry(store: Redis) -> None:
    await put(store, "s", 1, 2)
    assert await tip(store, "s") == (await newest(store, "s", 1))[0][0]


async def test_streams_are_found_by_pattern_and_nothing_else_is(store: Redis) -> None:
    await put(store, "bitmart:klines:{A}:1m", 1)
    await put(store, "other:klines:{A}:1m", 1)
    await store.set("bitmart:klines:{A}:1m:newest", "x")
    assert [name async for name in streams(store, "bitmart:klines:*")] == ["bitmart:klines:{A}:1m"]


async def test_open_positions_are_those_that_are_not_flat(store: Redis) -> None:
    assert await open_positions(store, KEYS) == []
    short = changed(POSITION, side=PositionSide.SHORT, size="3")
    other = changed(POSITION, symbol="ETHUSDT", size="1")
    await said(store, POSITION, short, other, changed(other, size="0", updated_at=2_000))
    held = [(state["symbol"], state["side"], state["size"]) for state in await open_positions(store, KEYS)]
    assert held == [("BTCUSDT", "long", "4"), ("BTCUSDT", "short", "3")]
