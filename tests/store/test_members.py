"""Who is alive, by the clock of a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.errors import NamesakeError
from bridge.store.keys import Keys
from bridge.store.members import Beat, Card, Members, State, TopicState
from tests.store.support import state
from tests.support import wait_until

if TYPE_CHECKING:
    from redis.asyncio import Redis

KEYS = Keys()
CARD = Card("token")
LONG_S, SHORT_S = 60, 0.05
A, B, C, D = "futures/klineBin1m:A1", "futures/klineBin1m:B1", "futures/order", "futures/position"


@pytest.fixture
def alive(store: Redis) -> Members:
    return Members(store, KEYS, LONG_S)


async def test_at_first_nobody_is_alive(alive: Members) -> None:
    assert await alive.alive() == {}
    assert await alive.topics([]) == {}


async def test_a_heartbeat_makes_a_member_and_keeps_its_state(alive: Members) -> None:
    assert (await alive.beat("one", CARD, {"version": "1", "rate": 0.5})).stop is False
    await alive.beat("two", CARD, {"version": "2"})
    await alive.beat("one", CARD, {"rate": 2})
    assert await alive.alive() == {"one": {"version": "1", "rate": "2"}, "two": {"version": "2"}}


async def test_a_heartbeat_is_stamped_with_the_servers_time(store: Redis, alive: Members) -> None:
    seconds, micros = await store.time()
    before = seconds * 1000 + micros // 1000
    await alive.beat("one", CARD, {"a": 1})
    seconds, micros = await store.time()
    score = await store.zscore(KEYS.ingesters, "one")
    assert score is not None
    assert before <= score <= seconds * 1000 + micros // 1000


async def test_a_heartbeat_survives_a_server_that_forgot_its_script(store: Redis, alive: Members) -> None:
    for _ in range(2):
        await store.script_flush()
        await alive.beat("one", CARD, {"a": 1})
    assert await alive.alive() == {"one": {"a": "1"}}


async def test_who_falls_silent_is_gone_and_so_is_what_it_said(store: Redis) -> None:
    members = Members(store, KEYS, SHORT_S)
    await members.beat("one", CARD, {"a": 1})
    await members.publish("one", {A: TopicState(State.ACTIVE, 1)}, [])

    async def nothing_is_left() -> bool:
        return not await members.alive() and not await store.exists(KEYS.ingester("one"), KEYS.ingester_topics("one"))

    await wait_until(nothing_is_left, "the silent member's end")


async def test_the_next_heartbeat_of_anybody_forgets_the_silent(store: Redis) -> None:
    members = Members(store, KEYS, SHORT_S)
    await members.beat("one", CARD, {"a": 1})

    async def only_two_is_listed() -> bool:
        await members.beat("two", CARD, {"a": 1})
        return bool(await store.zrange(KEYS.ingesters, 0, -1) == ["two"])

    await wait_until(only_two_is_listed, "the silent member leaving the list")


async def test_what_a_member_said_is_kept_for_two_lifetimes(store: Redis, alive: Members) -> None:
    await Members(store, KEYS, SHORT_S * 100).publish("one", {A: TopicState(State.ACTIVE, 1)}, [])
    await alive.beat("one", CARD, {"a": 1})
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
        await alive.beat(name, CARD, {"a": 1})
    await alive.ask_to_stop(["one"])
    assert (await alive.beat("two", CARD, {"a": 1})).stop is False
    assert [(await alive.beat("one", CARD, {"a": 1})).stop for _ in range(2)] == [True, True]


async def test_a_request_to_stop_wakes_the_members(store: Redis, alive: Members) -> None:
    async with store.pubsub(ignore_subscribe_messages=True) as channel:
        await channel.subscribe(KEYS.wake)
        await alive.ask_to_stop(["one"])

        async def woken() -> bool:
            message = await channel.get_message()
            return message is not None and message["data"] == "stop"

        await wait_until(woken, "the nudge")


async def test_a_request_to_stop_is_gone_with_the_member(alive: Members) -> None:
    await alive.beat("one", CARD, {"a": 1})
    await alive.ask_to_stop(["one"])
    await alive.leave("one")
    assert (await alive.beat("one", CARD, {"a": 1})).stop is False


async def test_a_request_to_stop_somebody_who_is_not_there_expires(store: Redis, alive: Members) -> None:
    await alive.ask_to_stop(["nobody"])
    assert 0 < await store.pttl(KEYS.ingester("nobody")) <= 2 * LONG_S * 1000
    assert await alive.alive() == {}


async def test_who_leaves_leaves_nothing(store: Redis, alive: Members) -> None:
    await alive.beat("one", CARD, {"a": 1})
    await alive.publish("one", {A: TopicState(State.ACTIVE, 1)}, [])
    await alive.leave("one")
    assert await store.keys() == []


async def test_a_state_without_a_topic_is_no_state(store: Redis, alive: Members) -> None:
    await alive.publish("one", {}, [])
    assert await state(store, KEYS.ingester_topics("one")) == {}


async def test_each_heartbeat_brings_the_cards_of_all_who_are_alive(store: Redis, alive: Members) -> None:
    other = Card("other", public=False, credentials=True)
    assert await alive.enter("two", other) == Beat({"two": other}, returned=True)
    assert (await alive.enter("one", CARD)).cards == {"one": CARD, "two": other}
    assert await alive.beat("one", CARD, {"a": 1}) == Beat({"one": CARD, "two": other})
    await alive.leave("two")
    assert await alive.beat("one", CARD, {"a": 1}) == Beat({"one": CARD})
    assert await store.hkeys(KEYS.cards) == ["one"]


async def test_a_card_that_nobody_can_read_is_a_member_all_the_same(store: Redis, alive: Members) -> None:
    await alive.enter("odd", CARD)
    for text in ("", "token", "token:{", "\x00"):
        await store.hset(KEYS.cards, "odd", text)
        assert set((await alive.beat("one", CARD, {"a": 1})).cards) == {"one", "odd"}


async def test_a_name_belongs_to_one_process_while_that_lives(alive: Members) -> None:
    await alive.enter("one", Card("first", where="host, process 7"))
    with pytest.raises(NamesakeError, match=r"'one' is alive already \(host, process 7\)"):
        await alive.enter("one", Card("second"))
    with pytest.raises(NamesakeError):
        await alive.beat("one", Card("second"), {"a": 1})
    await alive.leave("one")
    await alive.enter("one", Card("second"))


async def test_a_name_is_free_a_lifetime_after_its_bearer_was_heard_last(store: Redis) -> None:
    members = Members(store, KEYS, SHORT_S)
    await members.enter("one", Card("first"))

    async def free() -> bool:
        try:
            return bool(await members.enter("one", Card("second")))
        except NamesakeError:
            return False

    await wait_until(free, "the name is free")
    with pytest.raises(NamesakeError):
        await members.beat("one", Card("first"), {"a": 1})


async def test_what_a_namesake_left_behind_is_not_ours(store: Redis, alive: Members) -> None:
    await alive.publish("one", {A: TopicState(State.ACTIVE, 1)}, ())
    await alive.ask_to_stop(["one"])
    await alive.enter("one", CARD)
    assert await alive.topics(["one"]) == {}
    assert (await alive.beat("one", CARD, {"a": 1})).stop is False
    assert await state(store, KEYS.ingester("one")) == {"a": "1"}


async def test_who_was_silent_for_a_lifetime_is_told_so(store: Redis) -> None:
    members = Members(store, KEYS, SHORT_S)
    await members.enter("one", CARD)

    async def away() -> bool:
        return (await store.zcount(KEYS.ingesters, "-inf", f"({await now_ms(store) - SHORT_S * 1000}")) == 1

    await wait_until(away, "its time is over")
    assert (await members.beat("one", CARD, {"a": 1})).returned
    assert not (await Members(store, KEYS, LONG_S).beat("one", CARD, {"a": 1})).returned


async def now_ms(store: Redis) -> int:
    seconds, micros = await store.time()
    return int(seconds * 1000 + micros // 1000)


async def test_a_topic_that_stands_for_many_is_pending_while_any_part_of_it_is(alive: Members) -> None:
    def part(state: State) -> TopicState:
        return TopicState(state, 1, partial=True)

    for first, second, whole in (
        (State.ACTIVE, State.PENDING, State.PENDING),
        (State.ACTIVE, State.REJECTED, State.ACTIVE),
        (State.REJECTED, State.REJECTED, State.REJECTED),
        (State.REJECTED, State.PENDING, State.PENDING),
    ):
        await alive.publish("one", {A: part(first)}, ())
        await alive.publish("two", {A: part(second)}, ())
        assert await alive.topics(["one", "two"]) == await alive.topics(["two", "one"]) == {A: part(whole)}


async def test_which_topics_are_settled_at_a_member(alive: Members) -> None:
    many = [f"futures/klineBin1m:SIM{number:04}USDT" for number in range(1_200)]
    states = dict.fromkeys(many, TopicState(State.ACTIVE, 1)) | {A: TopicState(State.PENDING, 1)}
    await alive.publish("one", states | {B: TopicState(State.REJECTED, 1, "no")}, ())
    assert await alive.active_at("one", [*many, A, B, C]) == {*many, B}
    assert await alive.active_at("nobody", [A]) == set()
