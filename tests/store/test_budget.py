"""The budget of calls that all who share an address share, on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import RedisError

from bridge.store import client
from bridge.store.budget import Ban, Budget
from bridge.values import Secret
from tests.store.support import KEYS

if TYPE_CHECKING:
    from redis.asyncio import Redis

ADDRESS = "here"


@pytest.fixture
async def other(valkey_url: str) -> AsyncIterator[Redis]:
    """Another program's connection to the same server."""
    connected = client.commands(Secret(valkey_url))
    try:
        yield connected
    finally:
        await connected.aclose()


async def server_ms(store: Redis) -> int:
    seconds, microseconds = await store.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


async def next_ms(store: Redis, address: str = ADDRESS) -> int:
    """When the next turn comes, in the server's time."""
    return int(await store.get(KEYS.budget(address)) or 0)


async def test_the_first_turn_is_at_once_and_each_later_one_a_gap_further(store: Redis) -> None:
    budget = Budget(store, KEYS, ADDRESS)
    before = await server_ms(store)
    waits = [await budget.reserve(10) for _ in range(4)]
    passed = (await server_ms(store) - before) / 1000
    assert waits[0] == 0
    for number, wait in enumerate(waits):
        assert number * 10 - passed <= wait <= number * 10
    assert before + 40_000 <= await next_ms(store) <= await server_ms(store) + 40_000


async def test_two_programs_share_the_turns_of_one_address_and_none_gets_the_same(store: Redis, other: Redis) -> None:
    budgets = [Budget(store, KEYS, ADDRESS), Budget(other, KEYS, ADDRESS)]
    begun = await server_ms(store)
    waits = await asyncio.gather(*(budgets[number % 2].reserve(5) for number in range(40)))
    slack = (await server_ms(store) - begun) / 1000
    for number, wait in enumerate(sorted(waits)):
        assert number * 5 - slack <= wait <= number * 5


async def test_each_address_has_turns_of_its_own(store: Redis) -> None:
    assert [await Budget(store, KEYS, name).reserve(60) for name in ("one", "two")] == [0, 0]
    assert await Budget(store, KEYS, "one").reserve(60) > 50


async def test_nothing_is_owed_for_turns_that_were_not_taken(store: Redis) -> None:
    now = await server_ms(store)
    await store.set(KEYS.budget(ADDRESS), now - 50_000)
    budget = Budget(store, KEYS, ADDRESS)
    assert await budget.reserve(30) == 0
    assert await budget.reserve(30) > 25


async def test_a_gap_is_never_rounded_down(store: Redis) -> None:
    budget = Budget(store, KEYS, ADDRESS)
    await store.set(KEYS.budget(ADDRESS), ahead := await server_ms(store) + 60_000)
    for _ in range(10):
        await budget.reserve(2 / 600)
    assert await next_ms(store) == ahead + 40


async def test_a_ban_holds_for_all_and_costs_no_turn(store: Redis, other: Redis) -> None:
    mine, theirs = Budget(store, KEYS, ADDRESS), Budget(other, KEYS, ADDRESS)
    await mine.ban(60)
    assert 55 < await theirs.reserve(1) <= 60
    assert 56 < await mine.reserve(1) <= 61


async def test_a_shorter_ban_does_not_shorten_a_longer_one(store: Redis) -> None:
    budget = Budget(store, KEYS, ADDRESS)
    for seconds in (60, 2, 30):
        await budget.ban(seconds)
    assert await budget.reserve(1) > 55


async def test_the_key_goes_when_nobody_calls_any_more(store: Redis) -> None:
    budget = Budget(store, KEYS, ADDRESS)
    await budget.reserve(1)
    assert 55_000 < await store.pttl(KEYS.budget(ADDRESS)) <= 61_000
    await budget.ban(90)
    assert 145_000 < await store.pttl(KEYS.budget(ADDRESS)) <= 150_000


async def test_a_ban_of_an_address_is_known_to_all_and_passes(store: Redis, other: Redis) -> None:
    mine, theirs = Ban(store, KEYS, ADDRESS), Ban(other, KEYS, ADDRESS)
    assert await theirs.left() == 0
    for seconds in (60, 2, 30):
        await mine.begin(seconds)
        assert 55 < await theirs.left() <= 60
    assert await Ban(store, KEYS, "there").left() == 0


async def test_a_server_that_forgot_the_script_learns_it_again(store: Redis) -> None:
    budget = Budget(store, KEYS, ADDRESS)
    await budget.reserve(60)
    await store.script_flush()
    assert await budget.reserve(60) > 50


async def test_a_server_out_of_reach_is_told() -> None:
    nowhere = client.commands(Secret("redis://127.0.0.1:1"))
    with pytest.raises(RedisError):
        await Budget(nowhere, KEYS, ADDRESS).reserve(1)
    await nowhere.aclose()
