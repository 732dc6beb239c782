"""`wait=active`: 200 when it came true, 202 with the reasons when not."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from bridge.store.members import State, TopicState
from tests.control.support import BTC_1M, BTC_5M, CARD, EVERY_1M, ORDER, Store
from tests.support import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

BTC = {"symbol": "BTCUSDT", "tfs": "1m"}


async def asked(
    api: httpx2.AsyncClient, path: str, body: dict[str, Any] | None = None, *, timeout_s: float = 0, status: int = 200
) -> dict[str, Any]:
    answer = await api.post(f"{path}?wait=active&timeout={timeout_s}", json=body or {})
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_an_applied_and_active_topic_is_200(api: httpx2.AsyncClient, known: Store) -> None:
    await known.serve("one", {BTC_1M: State.ACTIVE}, applied_rev=1)
    answer = await asked(api, "/subscribe", BTC)
    assert answer["applied"] is True
    assert answer["reasons"] == []
    assert answer["states"][BTC_1M]["state"] == "active"


async def test_the_answer_comes_when_it_comes_true(api: httpx2.AsyncClient, known: Store) -> None:
    await known.serve("one")
    waiting = asyncio.create_task(asked(api, "/subscribe", BTC, timeout_s=30))
    await wait_until(lambda: revision_is(known, 1), "the wish is stored")
    assert not waiting.done()
    await known.serve("one", {BTC_1M: State.PENDING}, applied_rev=1)
    await known.serve("one", {BTC_1M: State.ACTIVE}, applied_rev=1)
    assert (await waiting)["applied"] is True


async def revision_is(known: Store, revision: int) -> bool:
    return (await known.desired.read()).revision == revision


async def test_without_an_ingester_it_is_202(api: httpx2.AsyncClient, known: Store) -> None:
    answer = await asked(api, "/subscribe", BTC, status=202)
    assert answer["ok"] is True
    assert answer["applied"] is False
    assert "no live ingester" in answer["reasons"]
    assert (await known.desired.read()).topics == {BTC_1M}
    assert "no live ingester" in (await asked(api, "/unsubscribe", BTC, status=202))["reasons"]


async def test_every_live_member_must_have_applied_it(api: httpx2.AsyncClient, known: Store) -> None:
    await known.serve("one", {BTC_1M: State.ACTIVE}, applied_rev=1)
    await known.serve("two", applied_rev=0)
    answer = await asked(api, "/subscribe", BTC, status=202)
    assert answer["reasons"] == ["ingester two has not applied revision 1 yet"]
    await known.serve("two", applied_rev=7)
    assert (await asked(api, "/subscribe", BTC, status=202))["reasons"] == [
        "ingester one has not applied revision 2 yet"
    ]


async def test_one_that_drains_applies_no_more(api: httpx2.AsyncClient, known: Store) -> None:
    await known.serve("one", {BTC_1M: State.ACTIVE}, applied_rev=1)
    await known.serve("two", applied_rev=0, draining=1)
    assert (await asked(api, "/subscribe", BTC))["applied"] is True


async def test_a_member_that_says_nothing_of_revisions_has_applied_none(api: httpx2.AsyncClient, known: Store) -> None:
    await known.members.beat("odd", CARD, {"version": "0"})
    assert (await asked(api, "/subscribe", BTC, status=202))["reasons"][0].startswith("ingester odd")


async def test_what_the_exchange_refused_is_told_at_once_in_its_words(api: httpx2.AsyncClient, known: Store) -> None:
    await known.serve("one", {BTC_1M: State.ACTIVE}, applied_rev=1)
    refused = {BTC_5M: TopicState(State.REJECTED, since=5, reason="no such symbol, says the exchange")}
    await known.members.publish("one", refused, ())
    answer = await asked(api, "/subscribe", {"symbol": "BTCUSDT", "tfs": ["1m", "5m"]}, timeout_s=60, status=202)
    assert answer["reasons"] == [f"{BTC_5M} is rejected: no such symbol, says the exchange"]
    assert answer["states"][BTC_1M]["state"] == "active"
    assert answer["states"][BTC_5M]["reason"] == "no such symbol, says the exchange"


async def test_a_paused_bridge_is_not_waited_for(api: httpx2.AsyncClient, known: Store) -> None:
    await known.desired.pause(paused=True)
    await known.serve("one", applied_rev=9)
    answer = await asked(api, "/subscribe", BTC, timeout_s=60, status=202)
    assert answer["reasons"] == [f"{BTC_1M} is pending: the bridge is paused"]


async def test_an_unsubscribe_waits_until_nobody_serves_it(api: httpx2.AsyncClient, known: Store) -> None:
    await known.desired.change("shared", add=[BTC_1M, BTC_5M])
    await known.serve("one", {BTC_1M: State.ACTIVE, BTC_5M: State.ACTIVE}, applied_rev=9)
    await known.serve("two", {BTC_1M: State.ACTIVE}, applied_rev=9)
    answer = await asked(api, "/unsubscribe", BTC, status=202)
    assert answer["reasons"] == [f"{BTC_1M} is still served"]
    assert answer["states"].keys() == {BTC_1M}
    for name in ("one", "two"):
        await known.members.publish(name, {}, [BTC_1M])
    answer = await asked(api, "/unsubscribe", BTC)
    assert answer["applied"] is True
    assert answer["states"] == {}


async def test_what_others_want_is_not_waited_for(api: httpx2.AsyncClient, known: Store) -> None:
    await known.desired.change("other", add=[BTC_1M])
    await known.desired.change("another", add=["futures/klineBin5m:*"])
    await known.serve("one", {BTC_1M: State.ACTIVE, BTC_5M: State.ACTIVE}, applied_rev=9)
    answer = await asked(api, "/unsubscribe", {"symbol": "BTCUSDT", "tfs": ["1m", "5m"]})
    assert answer["still_wanted_by"] == {BTC_1M: ["other"], BTC_5M: ["another"]}


async def test_a_wildcard_is_gone_when_all_it_stood_for_is(api: httpx2.AsyncClient, known: Store) -> None:
    await known.desired.change("shared", add=[EVERY_1M, BTC_1M, BTC_5M])
    eth = "futures/klineBin1m:ETHUSDT"
    served = dict.fromkeys([EVERY_1M, BTC_1M, BTC_5M, eth], State.ACTIVE)
    await known.serve("one", served, applied_rev=9)
    every = {"symbols": "*", "tfs": "1m"}
    assert (await asked(api, "/unsubscribe", every, status=202))["states"].keys() == {EVERY_1M, eth}
    await known.members.publish("one", {}, [EVERY_1M, eth])
    assert (await asked(api, "/unsubscribe", every))["applied"] is True


async def test_a_replacement_waits_for_both(api: httpx2.AsyncClient, known: Store) -> None:
    await known.desired.change("shared", add=[BTC_1M])
    await known.serve("one", {BTC_1M: State.ACTIVE, BTC_5M: State.PENDING}, applied_rev=9)
    answer = await api.put("/subscriptions?wait=active&timeout=0", json={"topics": [BTC_5M]})
    assert answer.status_code == 202
    assert answer.json()["reasons"] == [f"{BTC_5M} is pending", f"{BTC_1M} is still served"]


async def test_many_reasons_are_shortened(api: httpx2.AsyncClient, known: Store) -> None:
    await known.serve("one", applied_rev=9)
    symbols = [f"COIN{n}" for n in range(100)]
    reasons = (await asked(api, "/subscribe", {"symbols": symbols, "tfs": "1m"}, status=202))["reasons"]
    assert len(reasons) == 21
    assert reasons[-1] == "and 80 more"


@pytest.mark.parametrize("path", ["/pause", "/resume"])
async def test_a_pause_waits_until_all_have_applied_it(api: httpx2.AsyncClient, known: Store, path: str) -> None:
    await known.serve("one", applied_rev=0)
    assert (await asked(api, path, status=202))["reasons"] == ["ingester one has not applied revision 1 yet"]
    await known.serve("one", applied_rev=2)
    assert (await asked(api, path))["applied"] is True


async def test_orders_are_waited_for_like_all_else(api: httpx2.AsyncClient, known: Store) -> None:
    await known.serve("one", {ORDER: State.ACTIVE}, applied_rev=1)
    assert (await asked(api, "/orders/subscribe", {"owner": "bot"}))["applied"] is True
