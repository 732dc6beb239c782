"""The state of the bridge as text and as JSON, read from a real Redis."""

from __future__ import annotations

import json
from typing import Any

import pytest
from redis.asyncio import Redis

from bridge.clock import host_ms
from bridge.errors import StoreError
from bridge.settings import Settings
from bridge.store.desired import Desired
from bridge.store.keys import Keys
from bridge.store.members import Card, Members, State, TopicState
from bridge.terminal.report import report
from bridge.values import Secret
from tests.ingest.rig import nobody

KEYS = Keys()
CARD = Card("token")
EVERY = "futures/klineBin1m:*"
BTC, ETH, XRP = (f"futures/klineBin1m:{name}USDT" for name in ("BTC", "ETH", "XRP"))
STATE: dict[str, str | int] = {"public": "open", "private": "idle", "entries": 12, "depth": 3, "last_error": ""}


async def text(url: str) -> list[str]:
    return (await report(Settings(redis_url=Secret(url)), as_json=False)).splitlines()


async def whole(url: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await report(Settings(redis_url=Secret(url)), as_json=True))
    return found


async def test_an_empty_store_has_no_wishes_and_nobody_alive(store: Redis, valkey_url: str) -> None:
    assert await store.dbsize() == 0
    assert await text(valkey_url) == ["0 wishes (revision 0)", "no live ingester", "topics: none"]
    assert await whole(valkey_url) == {"revision": 0, "paused": False, "ingesters": {}, "topics": {}}


async def test_a_wish_that_nobody_serves_is_pending_and_says_so(store: Redis, valkey_url: str) -> None:
    await Desired(store, KEYS).change("shared", add=[BTC])
    assert await text(valkey_url) == [
        "1 wish (revision 1)",
        "no live ingester",
        "topics: 1 pending",
        f"  pending   {BTC:<40}  no live ingester serves it yet",
    ]


async def test_ingesters_and_topics_are_listed_the_troubled_ones_first(store: Redis, valkey_url: str) -> None:
    desired, members = Desired(store, KEYS), Members(store, KEYS, 5)
    await desired.change("shared", add=[BTC, ETH, XRP])
    await desired.pause(paused=True)
    topics = {
        BTC: TopicState(State.ACTIVE, 1, "", host_ms() - 3_000),
        ETH: TopicState(State.ACTIVE, 1),
        XRP: TopicState(State.REJECTED, 1, "no such topic"),
    }
    await members.publish("one", topics, ())
    await members.beat("one", CARD, STATE | {"last_error": "refused with HTTP 403"})
    assert await text(valkey_url) == [
        "3 wishes (revision 2, paused)",
        "ingester one: public open, private idle, 12 entries, 3 waiting",
        "  last error: refused with HTTP 403",
        "topics: 2 active, 1 rejected",
        f"  rejected  {XRP:<40}  no such topic",
        f"  active    {BTC:<40}  data 3 s ago",
        f"  active    {ETH:<40}  no data yet",
    ]
    told = await whole(valkey_url)
    assert (told["revision"], told["paused"]) == (2, True)
    assert told["ingesters"]["one"]["public"] == "open"
    assert told["topics"][XRP] == {"state": "rejected", "since": 1, "reason": "no such topic"}


async def test_a_wish_for_every_contract_has_no_data_of_its_own(store: Redis, valkey_url: str) -> None:
    await Desired(store, KEYS).change("shared", add=[EVERY])
    members = Members(store, KEYS, 5)
    await members.publish("one", {EVERY: TopicState(State.ACTIVE, 1)}, ())
    await members.beat("one", CARD, STATE)
    assert (await text(valkey_url))[-1] == f"  active    {EVERY:<40}  stands for each contract that trades"


async def test_no_error_is_no_line(store: Redis, valkey_url: str) -> None:
    await Members(store, KEYS, 5).beat("one", CARD, STATE)
    assert not [line for line in await text(valkey_url) if "last error" in line]


async def test_a_long_list_is_cut_and_json_has_it_all(store: Redis, valkey_url: str) -> None:
    wishes = [f"futures/klineBin1m:SIM{number:03}USDT" for number in range(60)]
    await Desired(store, KEYS).change("shared", add=wishes)
    lines = await text(valkey_url)
    assert lines[-1] == "  ... and 20 more; --json lists all"
    assert sum(line.startswith("  pending") for line in lines) == 40
    assert len((await whole(valkey_url))["topics"]) == 60


async def test_what_came_from_outside_stays_on_its_line_and_is_not_obeyed(store: Redis, valkey_url: str) -> None:
    await store.sadd(KEYS.desired, "odd\n\x1b[2J")
    members = Members(store, KEYS, 5)
    await members.publish("one", {BTC: TopicState(State.REJECTED, 1, "no\r\n\x1b[31m")}, ())
    await members.beat("one", CARD, STATE | {"last_error": "a\x07\nb"})
    lines = await text(valkey_url)
    assert all(line.isprintable() for line in lines)
    assert "  last error: a\\x07\\nb" in lines
    assert len(lines) == 6


async def test_another_prefix_has_a_state_of_its_own(store: Redis, valkey_url: str) -> None:
    await Desired(store, KEYS).change("shared", add=[BTC])
    told = await report(Settings(redis_url=Secret(valkey_url), bridge_prefix="another"), as_json=False)
    assert told.startswith("0 wishes")


async def test_a_redis_that_cannot_be_reached_is_told_in_words() -> None:
    with nobody() as address, pytest.raises(StoreError, match=r"Redis: .*connect"):
        await report(Settings(redis_url=Secret(f"redis://{address}")), as_json=False)


async def test_each_ingester_tells_its_share_its_connections_and_its_moves(store: Redis, valkey_url: str) -> None:
    share: dict[str, str | int] = {"target": 5, "serving": 6, "taken_over": 3, "handed_over": 2, "let_go": 1}
    lines: dict[str, str | int] = {"connections": 2, "topics_per_connection": "4 2", "unplaced": 0}
    members = Members(store, KEYS, 5)
    await members.beat("one", CARD, STATE | share | lines)
    told = "  serves 6 topics, its share is 5, on 2 connections (4 2); 3 taken over, 2 handed over, 1 let go"
    assert told in await text(valkey_url)
    await members.beat("one", CARD, {"unplaced": 7})
    assert f"{told}, 7 without room" in await text(valkey_url)
