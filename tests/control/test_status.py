"""`GET /status`: the members of the worker it replaces, and the new ones."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from bridge import __version__
from bridge.clock import host_ms
from bridge.control import status
from bridge.store.members import State, TopicState
from tests.control.support import BTC_1M, BTC_5M, CARD, EVERY_1M, ORDER, POSITION, Store

pytestmark = pytest.mark.asyncio(loop_scope="session")

UNSERVED = "no live ingester serves it yet"


async def shown(api: httpx2.AsyncClient) -> dict[str, Any]:
    answer = await api.get("/status")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def test_an_empty_bridge(api: httpx2.AsyncClient) -> None:
    assert await shown(api) == {
        "ok": True,
        "is_running": False,
        "public_ws_connected": False,
        "private_ws_connected": False,
        "authenticated": False,
        "kline_channels": [],
        "order_subscribed": False,
        "position_subscribed": False,
        "positions": {},
        "version": __version__,
        "exchange": "bitmart",
        "environment": "live",
        "paused": False,
        "revision": 0,
        "ingesters": [],
        "topics": {},
    }


async def test_wishes_show_before_anybody_serves_them(api: httpx2.AsyncClient, known: Store) -> None:
    await known.desired.change("shared", add=[BTC_1M, EVERY_1M, ORDER, POSITION])
    answer = await shown(api)
    assert answer["kline_channels"] == [EVERY_1M, BTC_1M]
    assert answer["order_subscribed"] is True
    assert answer["position_subscribed"] is True
    assert answer["revision"] == 1
    assert {topic["state"] for topic in answer["topics"].values()} == {"pending"}
    assert {topic["reason"] for topic in answer["topics"].values()} == {UNSERVED}


async def test_what_ingesters_say_of_topics_is_merged(api: httpx2.AsyncClient, known: Store) -> None:
    await known.desired.change("shared", add=[BTC_1M, BTC_5M])
    await known.serve("one", {BTC_1M: State.PENDING})
    await known.serve("two", {"futures/klineBin1m:OLDUSDT": State.ACTIVE})
    data_at = host_ms() - 60_000
    active = TopicState(State.ACTIVE, since=7, data_at=data_at)
    refused = TopicState(State.REJECTED, since=8, reason="says the exchange")
    await known.members.publish("two", {BTC_1M: active, BTC_5M: refused}, ())
    topics = (await shown(api))["topics"]
    assert topics[BTC_1M].pop("data_age_ms") in range(60_000, 120_000)
    assert topics == {
        BTC_1M: {"state": "active", "reason": "", "since": 7, "data_at": data_at, "wanted": True},
        BTC_5M: {
            "state": "rejected",
            "reason": "says the exchange",
            "since": 8,
            "data_at": None,
            "data_age_ms": None,
            "wanted": True,
        },
        "futures/klineBin1m:OLDUSDT": {
            "state": "active",
            "reason": "",
            "since": 1_000,
            "data_at": None,
            "data_age_ms": None,
            "wanted": False,
        },
    }


async def test_a_wildcard_wants_what_it_stands_for(api: httpx2.AsyncClient, known: Store) -> None:
    await known.desired.change("shared", add=[EVERY_1M])
    await known.serve("one", {EVERY_1M: State.ACTIVE, BTC_1M: State.ACTIVE, BTC_5M: State.ACTIVE})
    topics = (await shown(api))["topics"]
    assert {name: topic["wanted"] for name, topic in topics.items()} == {EVERY_1M: True, BTC_1M: True, BTC_5M: False}


async def test_a_pause_is_why_nothing_is_served(api: httpx2.AsyncClient, known: Store) -> None:
    await known.desired.change("shared", add=[BTC_1M])
    await known.desired.pause(paused=True)
    answer = await shown(api)
    assert answer["paused"] is True
    assert answer["topics"][BTC_1M]["reason"] == "the bridge is paused"


async def test_what_was_put_into_the_set_by_hand_is_no_harm(api: httpx2.AsyncClient, known: Store) -> None:
    await known.desired.change("odd", add=["nonsense", "", BTC_1M])
    await known.serve("one", {"older nonsense": State.REJECTED})
    answer = await shown(api)
    assert answer["kline_channels"] == [BTC_1M]
    assert answer["topics"]["nonsense"]["state"] == "rejected"
    assert answer["topics"]["older nonsense"]["wanted"] is False
    assert "expected" in answer["topics"]["nonsense"]["reason"]
    assert (await api.get("/subscriptions")).json()["topics"] == ["", BTC_1M, "nonsense"]


@pytest.mark.parametrize(
    ("public", "private", "authenticated", "expected"),
    [
        ("open", "open", 1, (True, True, True)),
        ("open", "logging_in", 0, (True, True, False)),
        ("connecting", "refused", 0, (False, False, False)),
        ("waiting", "idle", 0, (False, False, False)),
    ],
)
async def test_connections_are_those_of_any_ingester(
    api: httpx2.AsyncClient,
    known: Store,
    *,
    public: str,
    private: str,
    authenticated: int,
    expected: tuple[bool, bool, bool],
) -> None:
    await known.members.beat("silent", CARD, {"public": "idle"})
    await known.serve("one", public=public, private=private, authenticated=authenticated)
    answer = await shown(api)
    assert answer["is_running"] is True
    assert (answer["public_ws_connected"], answer["private_ws_connected"], answer["authenticated"]) == expected


async def test_ingesters_show_their_numbers_as_numbers(api: httpx2.AsyncClient, known: Store) -> None:
    await known.members.beat("a", CARD, {"version": "0.1.0", "pid": 7, "applied_rev": 3, "depth": 0, "last_error": ""})
    await known.members.beat("b", CARD, {"host": "7", "pid": "odd", "clock_ms": 1.5, "draining": 1, "authenticated": 1})
    await known.members.ask_to_stop(["b"])
    assert (await shown(api))["ingesters"] == [
        {
            "id": "a",
            "version": "0.1.0",
            "pid": 7,
            "applied_rev": 3,
            "depth": 0,
            "last_error": "",
            "authenticated": False,
            "draining": False,
            "stopping": False,
        },
        {
            "id": "b",
            "host": "7",
            "pid": "odd",
            "clock_ms": 1.5,
            "authenticated": True,
            "draining": True,
            "stopping": True,
        },
    ]


async def test_an_ingester_that_says_nothing_is_shown() -> None:
    assert status.ingester("x", {}) == {"id": "x", "authenticated": False, "draining": False, "stopping": False}


@pytest.mark.parametrize(
    ("symbol", "slot", "side", "key"),
    [
        ("BTCUSDT", "long", "long", "BTCUSDT_1"),
        ("BTCUSDT", "short", "short", "BTCUSDT_2"),
        ("ETHUSDT", "both", "short", "ETHUSDT_2"),
        ("ETHUSDT", "both", "long", "ETHUSDT_1"),
        ("XUSDT", "unknown", "unknown", "XUSDT_0"),
    ],
)
async def test_positions_are_keyed_by_symbol_and_side(
    api: httpx2.AsyncClient, known: Store, *, symbol: str, slot: str, side: str, key: str
) -> None:
    state = {"symbol": symbol, "side": side, "size": "3", "average_price": "60000.10"}
    await known.hold(symbol, slot, state)
    assert (await shown(api))["positions"] == {key: state}
