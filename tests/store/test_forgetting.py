"""Forgetting on a real server: only below the floor, a part at a time, and never so that something is told twice."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, cast

import pytest

from bridge.records import Fill, Order, Source, Status
from bridge.store.account import Account
from tests.store.support import FILL, KEYS, ORDER, changed, column, members, said, state

if TYPE_CHECKING:
    from redis.asyncio import Redis

MINUTE: Final = 60_000
DAY: Final = 1_440 * MINUTE
KEPT: Final = 2 * MINUTE
NOW: Final = 1_790_158_800_000
SOURCES: Final = (Source.WS, Source.REST)


def traded(number: int, at: int) -> Fill:
    return changed(FILL, trade_id=str(number), order_id=str(number), traded_at=at)


def finished(number: int, at: int) -> Order:
    return changed(ORDER, order_id=str(number), status=Status.FILLED, filled_size="10", created_at=at, updated_at=at)


async def ranked(store: Redis, key: str) -> set[str]:
    return set(cast("list[str]", await store.zrange(key, 0, -1)))


async def test_what_is_older_than_the_floor_is_forgotten_and_the_rest_is_kept(store: Redis) -> None:
    account = Account(store, KEYS)
    old, young = NOW - KEPT - 1, NOW
    await said(store, traded(1, old), finished(1, old), traded(2, young), finished(2, young))
    await said(store, changed(ORDER, order_id="3", updated_at=old))
    await account.synced(NOW, NOW)
    assert await account.forget(100) == (1, 1)
    assert await store.zrange(KEYS.seen_fills, 0, -1) == ["BTCUSDT|2|2"]
    assert await store.zrange(KEYS.finished_orders, 0, -1) == ["2"]
    assert not await store.exists(KEYS.order("1"))
    assert (await state(store, KEYS.order("2")))["status"] == "filled"
    assert await members(store, KEYS.open_orders) == {"3"}
    assert (await state(store, KEYS.order("3")))["status"] == "open"


async def test_each_step_forgets_only_a_part(store: Redis) -> None:
    account = Account(store, KEYS)
    for number in range(1, 8):
        await said(store, traded(number, NOW - DAY), finished(number, NOW - DAY))
    await account.synced(NOW, NOW)
    assert [await account.forget(3) for _ in range(4)] == [(3, 3), (3, 3), (1, 1), (0, 0)]


async def test_nothing_is_forgotten_before_there_is_a_floor(store: Redis) -> None:
    await said(store, traded(1, 1_000), finished(1, 1_000))
    assert await Account(store, KEYS).forget(100) == (0, 0)
    assert await said(store, traded(2, 900)) == [1]


@pytest.mark.parametrize("source", SOURCES)
async def test_what_was_forgotten_is_never_told_again(store: Redis, source: Source) -> None:
    account = Account(store, KEYS)
    facts = (traded(1, NOW - DAY), finished(1, NOW - DAY))
    await said(store, *facts)
    await account.synced(NOW, NOW)
    await account.forget(100)
    assert await said(store, *(changed(fact, source=source) for fact in facts)) == [0, 0]


async def test_what_has_no_time_is_never_forgotten(store: Redis) -> None:
    account = Account(store, KEYS)
    facts = (traded(1, 0), finished(1, 0))
    await said(store, *facts)
    await account.synced(NOW, NOW)
    assert await account.forget(100) == (0, 0)
    assert await said(store, *facts) == [0, 0]


async def test_an_old_order_that_is_still_open_is_told_whenever_it_is_found(store: Redis) -> None:
    account = Account(store, KEYS)
    await account.synced(NOW, NOW)
    await account.forget(100)
    assert await said(store, changed(ORDER, updated_at=NOW - DAY, source=Source.REST)) == [1]


async def test_an_order_is_remembered_for_as_long_as_it_was_not_finished(store: Redis) -> None:
    account = Account(store, KEYS)
    await said(store, changed(ORDER, updated_at=NOW - DAY), finished(1, NOW))
    await account.synced(NOW, NOW)
    assert await account.forget(100) == (0, 0)


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_is_told_and_forgotten_each_fact_stands_once(store: Redis, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - a repeatable story
    account, floor = Account(store, KEYS), NOW - DAY
    facts: dict[int, int] = {}
    for step in range(120):
        now = NOW + step * 10 * MINUTE
        match dice.choice(["new", "new", "again", "forget", "sync"]):
            case "new":
                facts[step] = at = now - dice.choice([0, MINUTE, 30 * MINUTE])
                await said(store, finished(step, at), traded(step, at))
            case "again" if facts:
                number = dice.choice(list(facts))
                # REST may stamp an execution a little differently.
                at, source = facts[number] + dice.randint(-MINUTE, MINUTE), dice.choice(SOURCES)
                again = (finished(number, facts[number]), traded(number, at))
                assert await said(store, *(changed(fact, source=source) for fact in again)) == [0, 0]
            case "forget":
                most = dice.randint(1, 5)
                fills, orders = await account.forget(most)
                assert fills <= most
                assert orders <= most
            case "sync":
                floor = max(floor, now - dice.choice([60, 300]) * MINUTE)
                await account.synced(now, floor)
        kept = {str(number) for number, at in facts.items() if at >= floor}
        assert kept <= await ranked(store, KEYS.finished_orders)
        assert {f"BTCUSDT|{number}|{number}" for number in kept} <= await ranked(store, KEYS.seen_fills)
    told = await column(store, KEYS.fills, "trade_id")
    assert sorted(int(number) for (number,) in told) == sorted(facts)
    while any(await account.forget(50)):
        pass
    left = {str(number) for number, at in facts.items() if at >= floor - KEPT}
    assert await ranked(store, KEYS.finished_orders) == left
    assert {field.partition(":")[0] for field in await state(store, KEYS.fill_sizes)} == left
