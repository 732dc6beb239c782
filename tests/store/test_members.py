"""Who is alive, by the clock of a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.store.keys import Keys
from bridge.store.members import Members, State, TopicState
from tests.store.support import state
from tests.support import wait_until

if TYPE_CHECKING:
    from redis.asyncio import Redis

KEYS = Keys()
LONG_S, SHORT_S = 60, 0.05
A, B, C, D = "futures/klineBin1m:A1", "futures/klineBin1m:B1", "futures/order", "futures/position"


@pytest.fixture
def alive(store: Redis) -> Members:
    return Members(store, KEYS, LONG_S)


async def test_at_first_nobody_is_alive(alive: Members) -> None:
    assert await alive.alive() == {}
    assert await alive.topics([]) == {}


async def test_a_heartbeat_makes_a_member_and_keeps_its_state(alive: Members) -> None:
    assert await alive.beat("one", {"version": "1", "rate": 0.5}) is False
    await alive.beat("two", {"version": "2"})
    await alive.beat("one", {"rate": 2})
    assert await alive.alive() == {"one": {"version": "1", "rate": "2"}, "two": {"version": "2"}}


async def test_a_heartbeat_is_stamped_with_the_servers_time(store: Redis, alive: Members) -> None:
    seconds, micros = await store.time()
    before = seconds * 1000 + micros // 1000
    await alive.beat("one", {"a": 1})
    seconds, micros = await store.time()
    score = await store.zscore(KEYS.ingesters, "one")
    assert score is not None
    assert before <= score <= seconds * 1000 + micros // 1000


async def test_a_heartbeat_survives_a_server_that_forgot_its_script(store: Redis, alive: Members) -> None:
    for _ in range(2):
        await store.script_flush()
        await alive.beat("one", {"a": 1})
    assert await alive.alive() == {"one": {"a": "1"}}


async def test_who_falls_silent_is_gone_and_so_is_what_it_said(store: Redis) -> None:
    members = Members(store, KEYS, SHORT_S)
    await members.beat("one", {"a": 1})
    await members.publish("one", {A: TopicState(State.ACTIVE, 1)}, [])

    async def nothing_is_left() -> bool:
        return not await members.alive() and not await store.exists(KEYS.ingester("one"), KEYS.ingester_topics("one"))

    await wait_until(nothing_is_left, "the silent member's end")


async def test_the_next_heartbeat_of_anybody_forgets_the_silent(store: Redis) -> None:
    members = Members(store, KEYS, SHORT_S)
    await members.beat("one", {"a": 1})

    async def only_two_is_listed() -> bool:
        await members.beat("two", {"a": 1})
        return bool(await store.zrange(KEYS.ingesters, 0, -1) == ["two"])

    await wait_until(only_two_is_listed, "the silent member leaving the list")


async def test_what_a_member_said_is_kept_for_two_lifetimes(store: Redis, alive: Members) -> None:
    await Members(store, KEYS, SHORT_S * 100).publish("one", {A: TopicState(State.ACTIVE, 1)}, [])
    await alive.beat("one", {"a": 1})
    for key in (KEYS.ingester("one"), KEYS.ingester_topics("one")):
        assert LONG_S * 1000 < await store.pttl(key) <= 2 * LONG_S * 1000


async def test_topics_are_published_and_forgotten(alive: Members) -> None:
    refused = TopicState(State.REJECTED, 5, reason="Invalid channel: not found x")
    await alive.publish("one", {A: TopicState(State.PENDING, 1), B: refused}, [])
    await alive.publish("one", {A: TopicState(State.ACTIVE, 2, data_at=3)}, [])
    assert await alive.topics(["one"]) == {A: TopicState(State.ACTIVE, 2, data_at=3), B: refused}
    await alive.publish("one", {}, [A, C])
    assert await alive.topics(["one"]) == {B: refused}


async def test_states_of_several_members_are_merged(alive: Members) -> None:
    rejected, pending = TopicState(State.REJECTED, 9, "no"), TopicState(State.PENDING, 8)
    stale, fresh = TopicState(State.ACTIVE, 1, data_at=10), TopicState(State.ACTIVE, 2, data_at=20)
    await alive.publish("one", {A: rejected, B: pending, C: fresh, D: rejected}, [])
    await alive.publish("two", {A: pending, B: stale, C: stale}, [])
    merged = {A: pending, B: stale, C: fresh, D: rejected}
    assert await alive.topics(["one", "two"]) == merged
    assert await alive.topics(["two", "one", "unknown"]) == merged


async def test_a_member_is_asked_to_stop_by_its_next_heartbeat(alive: Members) -> None:
    for name in ("one", "two"):
        await alive.beat(name, {"a": 1})
    await alive.ask_to_stop(["one"])
    assert await alive.beat("two", {"a": 1}) is False
    assert [await alive.beat("one", {"a": 1}) for _ in range(2)] == [True, True]


async def test_a_request_to_stop_wakes_the_members(store: Redis, alive: Members) -> None:
    async with store.pubsub(ignore_subscribe_messages=True) as channel:
        await channel.subscribe(KEYS.wake)
        await alive.ask_to_stop(["one"])

        async def woken() -> bool:
            message = await channel.get_message()
            return message is not None and message["data"] == "stop"

        await wait_until(woken, "the nudge")


async def test_a_request_to_stop_is_gone_with_the_member(alive: Members) -> None:
    await alive.beat("one", {"a": 1})
    await alive.ask_to_stop(["one"])
    await alive.leave("one")
    assert await alive.beat("one", {"a": 1}) is False


async def test_a_request_to_stop_somebody_who_is_not_there_expires(store: Redis, alive: Members) -> None:
    await alive.ask_to_stop(["nobody"])
    assert 0 < await store.pttl(KEYS.ingester("nobody")) <= 2 * LONG_S * 1000
    assert await alive.alive() == {}


async def test_who_leaves_leaves_nothing(store: Redis, alive: Members) -> None:
    await alive.beat("one", {"a": 1})
    await alive.publish("one", {A: TopicState(State.ACTIVE, 1)}, [])
    await alive.leave("one")
    assert await store.keys() == []


async def test_a_state_without_a_topic_is_no_state(store: Redis, alive: Members) -> None:
    await alive.publish("one", {}, [])
    assert await state(store, KEYS.ingester_topics("one")) == {}
