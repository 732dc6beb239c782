"""Changes of what is wanted: what they store, what they answer, and that nothing is half done."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.control.support import BTC_1M, BTC_5M, EVERY_1M, ORDER, POSITION, Store

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def post(api: httpx2.AsyncClient, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    answer = await (api.post(path) if body is None else api.post(path, json=body))
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def put(api: httpx2.AsyncClient, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
    answer = await api.put("/subscriptions", json=body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("path", ["/klines/subscribe", "/subscribe"])
async def test_candles_are_subscribed_to(api: httpx2.AsyncClient, known: Store, path: str) -> None:
    answer = await post(api, path, {"symbol": "BTCUSDT", "tfs": ["1m", "5m"]})
    assert answer == {
        "ok": True,
        "message": "Subscribed to klines for BTCUSDT with timeframes: 1m, 5m",
        "topics": [BTC_1M, BTC_5M],
        "revision": 1,
        "owner": "shared",
    }
    assert (await known.desired.read()).topics == {BTC_1M, BTC_5M}


@pytest.mark.parametrize("path", ["/klines/unsubscribe", "/unsubscribe"])
async def test_candles_are_unsubscribed_from(api: httpx2.AsyncClient, known: Store, path: str) -> None:
    await known.desired.change("shared", add=[BTC_1M, BTC_5M])
    answer = await post(api, path, {"symbol": "BTCUSDT", "tfs": "1m"})
    assert answer == {
        "ok": True,
        "message": "Unsubscribed from klines for BTCUSDT with timeframes: 1m",
        "topics": [BTC_1M],
        "revision": 2,
        "owner": "shared",
        "still_wanted_by": {},
    }
    assert (await known.desired.read()).topics == {BTC_5M}


@pytest.mark.parametrize(
    ("body", "topics", "words"),
    [
        ({"symbol": "btcusdt", "tfs": "1m"}, [BTC_1M], "BTCUSDT with timeframes: 1m"),
        (
            {"symbols": ["BTCUSDT", "ETHUSDT", "btcusdt"], "tfs": ["1H", "1h"]},
            ["futures/klineBin1H:BTCUSDT", "futures/klineBin1H:ETHUSDT"],
            "BTCUSDT, ETHUSDT with timeframes: 1h",
        ),
        ({"symbols": "*", "tfs": ["1m"]}, [EVERY_1M], "every contract with timeframes: 1m"),
        ({"symbol": "*", "tfs": "1D"}, ["futures/klineBin1D:*"], "every contract with timeframes: 1d"),
        ({"symbol": "BTCUSDT", "symbols": None, "tfs": "1W"}, ["futures/klineBin1W:BTCUSDT"], "1w"),
    ],
)
async def test_symbols_and_timeframes_are_named_in_many_ways(
    api: httpx2.AsyncClient, body: dict[str, Any], topics: list[str], words: str
) -> None:
    answer = await post(api, "/subscribe", body)
    assert answer["topics"] == topics
    assert answer["message"].endswith(words)


async def test_a_long_list_has_a_short_message(api: httpx2.AsyncClient, known: Store) -> None:
    answer = await post(api, "/subscribe", {"symbols": [f"COIN{n}USDT" for n in range(1_000)], "tfs": ["1m", "5m"]})
    assert len(answer["topics"]) == 2_000
    assert "and 980 more with timeframes: 1m, 5m" in answer["message"]
    assert len((await known.desired.read()).topics) == 2_000


@pytest.mark.parametrize(("channel", "topic"), [("orders", ORDER), ("positions", POSITION)])
async def test_private_topics_need_no_body(api: httpx2.AsyncClient, known: Store, channel: str, topic: str) -> None:
    answer = await post(api, f"/{channel}/subscribe")
    assert answer["message"] == f"Subscribed to {channel}"
    assert answer["topics"] == [topic]
    assert (await known.desired.read()).topics == {topic}
    answer = await post(api, f"/{channel}/unsubscribe", {})
    assert answer["message"] == f"Unsubscribed from {channel}"
    assert (await known.desired.read()).topics == set()


async def test_without_credentials_private_topics_are_stored_with_a_warning(api: httpx2.AsyncClient) -> None:
    assert "credentials" in (await post(api, "/orders/subscribe"))["warning"]
    assert "credentials" in (await put(api, {"positions": True}))["warning"]
    assert "warning" not in await post(api, "/orders/unsubscribe")
    assert "warning" not in await post(api, "/subscribe", {"symbol": "BTCUSDT", "tfs": "1m"})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"tfs": "1m"}, "symbol"),
        ({"symbol": "BTCUSDT"}, "tfs"),
        ({"symbol": "BTCUSDT", "tfs": None}, "tfs"),
        ({"symbol": "BTCUSDT", "tfs": []}, "tfs"),
        ({"symbol": "BTCUSDT", "tfs": ["1m", "7m"]}, "tfs"),
        ({"symbol": "BTCUSDT", "tfs": "1M"}, "tfs"),
        ({"symbol": "BTCUSDT", "tfs": ["1m", 5]}, "tfs"),
        ({"symbol": "BTCUSDT", "tfs": {"1m": 1}}, "tfs"),
        ({"symbol": "BTC/USDT", "tfs": "1m"}, "symbol"),
        ({"symbol": "", "tfs": "1m"}, "symbol"),
        ({"symbol": 7, "tfs": "1m"}, "symbol"),
        ({"symbols": [], "tfs": "1m"}, "symbols"),
        ({"symbols": ["BTCUSDT", "bad symbol"], "tfs": "1m"}, "symbols"),
        ({"symbols": ["BTCUSDT", None], "tfs": "1m"}, "symbols"),
        ({"symbol": "A" * 41, "tfs": "1m"}, "symbol"),
        ({"symbol": "BTCUSDT:X", "tfs": "1m"}, "symbol"),
        ({"symbol": "BTCUSDT", "tfs": "1m", "owner": "a:b"}, "owner"),
        ({"symbol": "BTCUSDT", "tfs": "1m", "owner": ""}, "owner"),
        ({"symbol": "BTCUSDT", "tfs": "1m", "owner": "bot\n"}, "owner"),
        ({"symbol": "BTCUSDT", "tfs": "1m", "owner": "a" * 65}, "owner"),
        ({"symbol": "BTCUSDT", "tfs": "1m", "owner": 1}, "owner"),
    ],
)
@pytest.mark.parametrize("path", ["/klines/subscribe", "/unsubscribe"])
async def test_one_wrong_member_changes_nothing(
    api: httpx2.AsyncClient, known: Store, path: str, body: dict[str, Any], field: str
) -> None:
    await known.desired.change("shared", add=[BTC_1M])
    answer = await post(api, path, body, status=422)
    assert answer["ok"] is False
    assert answer["error"]
    assert answer["field"] == field
    wishes = await known.desired.read()
    assert wishes.topics == {BTC_1M}
    assert wishes.revision == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("wait=yes", "wait"),
        ("wait=", "wait"),
        *[(f"wait=active&timeout={text}", "timeout") for text in ("61", "-1", "nan", "inf", "soon", "")],
    ],
)
async def test_a_wrong_query_changes_nothing(api: httpx2.AsyncClient, known: Store, query: str, field: str) -> None:
    assert (await post(api, f"/orders/subscribe?{query}", status=422))["field"] == field
    assert (await known.desired.read()).revision == 0


async def test_one_bots_unsubscribe_takes_no_other_bots_topic(api: httpx2.AsyncClient, known: Store) -> None:
    for owner in ("a", "b"):
        await post(api, "/subscribe", {"symbol": "BTCUSDT", "tfs": ["1m", "5m"], "owner": owner})
    await post(api, "/subscribe", {"symbols": "*", "tfs": "5m", "owner": "c"})
    answer = await post(api, "/unsubscribe", {"symbol": "BTCUSDT", "tfs": ["1m", "5m", "1h"], "owner": "a"})
    assert answer["owner"] == "a"
    assert answer["still_wanted_by"] == {BTC_1M: ["b"], BTC_5M: ["b", "c"]}
    assert BTC_1M in (await known.desired.read()).topics
    answer = await post(api, "/unsubscribe", {"symbol": "BTCUSDT", "tfs": "1m", "owner": "b"})
    assert answer["still_wanted_by"] == {}
    assert BTC_1M not in (await known.desired.read()).topics


async def test_one_owners_wishes_are_replaced(api: httpx2.AsyncClient, known: Store) -> None:
    await known.desired.change("bot", add=[BTC_1M, ORDER])
    await known.desired.change("other", add=[ORDER])
    answer = await put(
        api,
        {
            "owner": "bot",
            "topics": [BTC_5M],
            "klines": [{"symbols": "*", "tfs": "1m"}, {"symbol": "ethusdt", "tfs": ["1h"]}],
            "positions": True,
            "orders": False,
        },
    )
    assert answer["topics"] == sorted([BTC_5M, EVERY_1M, "futures/klineBin1H:ETHUSDT", POSITION])
    assert answer["message"] == "bot wants 4 topics now"
    assert answer["still_wanted_by"] == {ORDER: ["other"], BTC_1M: ["bot"]}
    assert (await known.desired.by_owner()) == {"bot": answer["topics"], "other": [ORDER]}


async def test_private_topics_are_named_by_flags(api: httpx2.AsyncClient) -> None:
    assert (await put(api, {"orders": True, "positions": True}))["topics"] == [ORDER, POSITION]


async def test_an_owner_may_come_to_want_nothing(api: httpx2.AsyncClient, known: Store) -> None:
    await known.desired.change("shared", add=[BTC_1M])
    assert (await put(api, {"topics": []}))["message"] == "shared wants 0 topics now"
    assert (await known.desired.by_owner()) == {}
    assert (await known.desired.read()).topics == set()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "topics"),
        ({"owner": "bot"}, "topics"),
        ({"topics": "futures/order"}, "topics"),
        ({"topics": [BTC_1M, "futures/ticker"]}, "topics"),
        ({"topics": ["futures/klineBin1m:btcusdt"]}, "topics"),
        ({"topics": ["futures/klineBin7m:BTCUSDT"]}, "topics"),
        ({"klines": {}}, "klines"),
        ({"klines": [{"symbol": "BTCUSDT", "tfs": "1m"}, {"symbol": "BTCUSDT"}]}, "klines[1].tfs"),
        ({"klines": [{"tfs": "1m"}]}, "klines[0].symbol"),
        ({"klines": [{"symbol": "BTCUSDT", "tfs": "7m"}]}, "klines[0].tfs"),
        ({"klines": [{"symbols": ["BTCUSDT", 1], "tfs": "7m"}]}, "klines[0].symbols"),
        ({"orders": "yes"}, "orders"),
        ({"topics": [], "owner": "x y"}, "owner"),
    ],
)
async def test_a_wrong_replacement_changes_nothing(
    api: httpx2.AsyncClient, known: Store, body: dict[str, Any], field: str
) -> None:
    await known.desired.change("shared", add=[BTC_1M])
    assert (await put(api, body, status=422))["field"] == field
    assert await known.desired.by_owner() == {"shared": [BTC_1M]}


async def test_wishes_are_shown_with_owners_and_states(api: httpx2.AsyncClient, known: Store) -> None:
    await known.desired.change("a", add=[BTC_1M, BTC_5M])
    await known.desired.change("b", add=[BTC_1M])
    answer = (await api.get("/subscriptions")).json()
    assert answer["ok"] is True
    assert answer["revision"] == 2
    assert answer["paused"] is False
    assert answer["topics"] == [BTC_1M, BTC_5M]
    assert answer["owners"] == {"a": [BTC_1M, BTC_5M], "b": [BTC_1M]}
    assert answer["states"][BTC_1M]["state"] == "pending"
