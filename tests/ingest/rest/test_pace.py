"""Turns to call: never early, shared by all of one address, and none while the exchange wants us to keep still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import pytest

from bridge.ingest.rest import pace
from bridge.ingest.rest.pace import Pace, Quiet
from bridge.store import client
from bridge.store.budget import Ban, Budget
from bridge.store.keys import Keys
from bridge.values import Secret
from tests.ingest.rig import NEVER_S
from tests.support import wait_until

if TYPE_CHECKING:
    from redis.asyncio import Redis

KEYS = Keys()
# 200 calls in 2 s.
CALLS, GAP_MS = 200, 10
# A server tells whole milliseconds.
ROUNDING_MS = 2


@pytest.fixture
async def other(valkey_url: str) -> AsyncIterator[Redis]:
    """Another program's connection to the same server."""
    connected = client.commands(Secret(valkey_url))
    try:
        yield connected
    finally:
        await connected.aclose()


@pytest.fixture
async def away() -> AsyncIterator[Redis]:
    """A connection to a server that is not there."""
    connected = client.commands(Secret("redis://127.0.0.1:1"))
    try:
        yield connected
    finally:
        await connected.aclose()


def own_ms() -> float:
    return asyncio.get_running_loop().time() * 1000


async def server_ms(store: Redis) -> float:
    seconds, microseconds = await store.time()
    return int(seconds) * 1000 + int(microseconds) / 1000


async def turns(taker: Pace, count: int) -> list[float]:
    """When each of so many turns came, one after the other."""
    came = []
    for _ in range(count):
        await taker.turn()
        came.append(own_ms())
    return came


def none_early(came: list[float], begun: float) -> bool:
    """Whether the n-th turn came n gaps after the beginning or later: then no window holds more than is allowed."""
    return all(at >= begun + number * GAP_MS - ROUNDING_MS for number, at in enumerate(sorted(came)))


async def test_turns_come_evenly() -> None:
    begun = own_ms()
    assert none_early(await turns(Pace(CALLS), 30), begun)


async def test_turns_asked_for_at_once_come_one_after_the_other() -> None:
    taker, begun = Pace(CALLS), own_ms()
    came = await asyncio.gather(*(turns(taker, 5) for _ in range(6)))
    assert none_early([at for each in came for at in each], begun)


async def test_turns_that_nobody_took_are_not_made_up_for() -> None:
    taker = Pace(CALLS)
    await taker.turn()
    await wait_until(lambda: taker._next < own_ms() / 1000 - 0.1, "ten turns pass unused")  # noqa: SLF001 - no door to it
    begun = own_ms()
    assert none_early(await turns(taker, 12), begun)


async def test_two_programs_together_never_take_more_than_one_may(store: Redis, other: Redis) -> None:
    takers = [Pace(CALLS, Budget(connected, KEYS, "here")) for connected in (store, other)]
    begun, server_begun = own_ms(), await server_ms(store)
    came = await asyncio.gather(*(turns(takers[number % 2], 12) for number in range(6)))
    assert none_early([at for each in came for at in each], begun)
    assert int(await store.get(KEYS.budget("here")) or 0) >= server_begun + 72 * GAP_MS - ROUNDING_MS


async def test_other_addresses_do_not_wait_for_each_other(store: Redis, other: Redis) -> None:
    here, there = Budget(store, KEYS, "here"), Budget(other, KEYS, "there")
    await here.ban(NEVER_S)
    async with asyncio.timeout(20):
        await Pace(CALLS, there).turn()


async def test_while_redis_is_away_each_keeps_its_own_pace(away: Redis) -> None:
    taker, begun = Pace(CALLS, Budget(away, KEYS, "here")), own_ms()
    came = await asyncio.gather(*(turns(taker, 5) for _ in range(4)))
    assert none_early([at for each in came for at in each], begun)
    await taker.refused(429)


async def test_a_redis_that_answers_late_delays_turns_and_does_not_heap_them(store: Redis, other: Redis) -> None:
    taker = Pace(CALLS, Budget(store, KEYS, "here"))
    await taker.turn()
    await other.client_pause(200)
    begun = own_ms()
    came = await asyncio.gather(*(turns(taker, 4) for _ in range(4)))
    assert none_early([at for each in came for at in each], begun)


async def test_after_a_refusal_all_who_share_that_budget_keep_still(
    store: Redis, other: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "_REFUSED_S", 0.3)
    takers = [Pace(CALLS, Budget(connected, KEYS, "here")) for connected in (store, other)]
    await asyncio.gather(*(taker.turn() for taker in takers))
    begun = own_ms()
    await takers[0].refused(429)
    came = await asyncio.gather(*(turns(taker, 2) for taker in takers))
    assert none_early([at for each in came for at in each], begun + 300)


async def test_a_ban_found_by_one_path_stills_all_paths_of_that_address_in_all_ingesters(
    store: Redis, other: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "_BANNED_S", 0.3)
    mine, theirs = Quiet(Ban(store, KEYS, "here")), Quiet(Ban(other, KEYS, "here"))
    takers = [
        Pace(CALLS, Budget(connected, KEYS, f"here:{path}"), quiet)
        for connected, quiet in ((store, mine), (other, theirs))
        for path in ("kline", "details")
    ]
    await asyncio.gather(*(taker.turn() for taker in takers))
    begun = own_ms()
    await takers[0].refused(418)
    came = [await turns(taker, 1) for taker in takers]
    # The server counts whole milliseconds.
    assert all(at >= begun + 300 - ROUNDING_MS for (at,) in came)


async def test_a_ban_of_one_address_lets_another_go_on(store: Redis, other: Redis) -> None:
    here, there = (
        Pace(CALLS, Budget(connected, KEYS, f"{name}:kline"), Quiet(Ban(connected, KEYS, name)))
        for connected, name in ((store, "here"), (other, "there"))
    )
    await here.refused(418)
    assert here.still_s() > 50
    async with asyncio.timeout(20):
        await there.turn()


async def test_a_ban_is_respected_without_redis_too(away: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_BANNED_S", 0.2)
    quiet = Quiet(Ban(away, KEYS, "here"))
    begun = own_ms()
    await Pace(CALLS, quiet=quiet).refused(418)
    assert none_early(await turns(Pace(CALLS, quiet=quiet), 2), begun + 200)


async def test_a_refusal_is_respected_without_redis_too(away: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_REFUSED_S", 0.2)
    makers: list[Callable[[], Pace]] = [lambda: Pace(CALLS), lambda: Pace(CALLS, Budget(away, KEYS, "here"))]
    for make in makers:
        taker = make()
        await taker.turn()
        begun = own_ms()
        await taker.refused(429)
        assert none_early(await turns(taker, 3), begun + 200)


async def test_turns_given_before_a_refusal_are_void(store: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_REFUSED_S", 0.8)
    for taker in (Pace(4), Pace(4, Budget(store, KEYS, "here"))):
        await taker.turn()
        given = taker._next  # noqa: SLF001 - no door to it
        waiting = asyncio.create_task(turns(taker, 1))
        await wait_until(lambda taker=taker, given=given: taker._next > given, "a turn in half a second is given")  # type: ignore[misc]  # noqa: SLF001 - no door to it
        begun = own_ms()
        await taker.refused(429)
        assert none_early(await waiting, begun + 800)


async def test_a_turn_that_is_given_up_lets_the_next_one_come() -> None:
    taker = Pace(20)
    await taker.turn()
    given = taker._next  # noqa: SLF001 - no door to it
    waiting = asyncio.create_task(taker.turn())
    await wait_until(lambda: taker._next > given, "a turn is given")  # noqa: SLF001 - no door to it
    waiting.cancel()
    async with asyncio.timeout(20):
        await taker.turn()
