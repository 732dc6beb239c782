"""Our place among the ingesters, by a real Redis."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest
from redis.asyncio import Redis

from bridge.errors import NamesakeError
from bridge.ingest.members.membership import Membership, named
from bridge.records import EventName
from bridge.store.keys import Keys
from bridge.store.members import Beat, Card, Members
from tests.ingest.rig import NEVER_S, Notebook, credentialless, market, pool_of, quick, running

KEYS = Keys()


def member(store: Redis, notes: Notebook, *, account: bool = True, **changes: Any) -> Membership:  # noqa: ANN401 - settings
    """A membership that nobody keeps alive."""
    simulator = market()
    settings = quick(simulator, **{"ingester_id": "one", "member_lifetime_s": 0.5} | changes)
    settings = settings if account else credentialless(settings)
    return Membership(
        name=named(settings),
        settings=settings,
        members=Members(store, KEYS, settings.member_lifetime_s),
        public=pool_of(simulator, settings, notes),
        private=pool_of(simulator, settings, notes, name="private"),
        happened=notes.happened,
        on_change=notes.stirred,
    )


async def test_without_a_name_of_its_own_each_ingester_gets_another(store: Redis) -> None:
    names = {member(store, Notebook(), ingester_id="").name for _ in range(3)}
    assert len(names) == 3


async def test_a_second_process_of_the_same_name_is_refused_while_the_first_lives(store: Redis) -> None:
    first, second = (member(store, Notebook(), member_lifetime_s=NEVER_S) for _ in range(2))
    await first.enter()
    beats = Members(store, KEYS, NEVER_S)

    async def living() -> None:
        while True:
            await beats.beat("one", first.card(), {"a": 1})
            await asyncio.sleep(0.02)

    async with running(living()):
        with pytest.raises(NamesakeError, match=r"'one' is alive already .*INGESTER_ID"):
            await asyncio.wait_for(second.enter(), 20)


async def test_a_name_whose_bearer_has_died_is_taken_after_its_lifetime(store: Redis) -> None:
    await member(store, Notebook()).enter()
    second = member(store, Notebook())
    await asyncio.wait_for(second.enter(), 20)
    assert set(second.roster.cards) == {"one"}


async def test_the_card_tells_what_we_can(store: Redis) -> None:
    card = member(store, Notebook()).card()
    assert (card.public, card.private, card.credentials, card.leaving) == (True, True, True, False)
    other = member(store, Notebook(), account=False)
    other.leaving = True
    assert (other.card().credentials, other.card().leaving) == (False, True)
    assert other.card().token != card.token


async def test_a_change_among_the_members_is_told_once(store: Redis) -> None:
    notes = Notebook()
    one = member(store, notes)
    for cards in ({"one": Card("1")}, {"one": Card("1")}, {"one": Card("1"), "two": Card("2")}):
        one.hear(Beat(cards))
    assert notes.stirs == 2


async def test_a_loss_is_told_by_one_for_all(store: Redis) -> None:
    all_three = {name: Card(name) for name in ("one", "three", "two")}
    for name, tells in (("one", True), ("two", False)):
        notes = Notebook()
        ours = member(store, notes, ingester_id=name)
        ours.hear(Beat(all_three))
        ours.hear(Beat({"one": Card("one"), "two": Card("two")}))
        assert notes.events == ([(EventName.MEMBER_LOST, "three", "silent for 0.5 s")] if tells else [])


async def test_who_is_alone_has_nobody_to_hand_over_to(store: Redis) -> None:
    ours = member(store, Notebook())
    for others, alone in (({}, True), ({"two": Card("2", leaving=True)}, True), ({"two": Card("2")}, False)):
        ours.hear(Beat({"one": Card("1"), **others}))
        assert ours.alone is alone


async def test_being_counted_as_gone_is_noticed(store: Redis) -> None:
    ours = member(store, Notebook(), member_lifetime_s=NEVER_S)
    await ours.enter()
    members = Members(store, KEYS, NEVER_S)
    ours.hear(await members.beat("one", ours.card(), {"a": 1}))
    assert ours.figures()["returns"] == 0
    # As if the next heartbeat came too late: the server's own clock says when we were last heard of.
    await store.zadd(KEYS.ingesters, {"one": 1})
    ours.hear(await members.beat("one", ours.card(), {"a": 1}))
    assert ours.figures()["returns"] == 1
    assert dataclasses.asdict(Beat({}))["returned"] is False
