"""More than one answer holds, of orders and of executions: it is asked for in parts, and told where that is in vain."""

from __future__ import annotations

import pytest

from bridge.simulator.trading.orders import BUY
from tests.ingest.books import (
    KEYS,
    Gate,
    assert_marked_last,
    assert_whole,
    bought,
    bridging,
    is_whole,
    last_match_only,
    outage,
    still,
)
from tests.ingest.rig import market
from tests.support import wait_until

pytestmark = pytest.mark.usefixtures("hurry")


# Volume.

FULL = ("open orders", "the list is full: symbols that are not known are asked for one by one")


async def test_more_fills_and_orders_than_one_answer_holds_are_read_in_parts(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "trades")
    async with market(rate=60.0) as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        gate.asked.clear()
        async with outage(bridge) as account:
            began = simulator.now
            await bridge.until_passed(40)
            for number in range(450):
                bought(account, "BTCUSDT", BUY, 1, at=began + number * 80)
        assert len(gate.asked) > 3
        await assert_whole(bridge)
        await assert_marked_last(bridge, KEYS.orders, KEYS.fills)
        assert await bridge.events("incomplete") == []


async def test_more_executions_in_one_second_than_are_listed_are_told_and_asked_for_order_by_order(
    valkey_url: str,
) -> None:
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        async with outage(bridge) as account:
            at = simulator.now
            for _ in range(13):
                order_id = account.submit("BTCUSDT", BUY, 20, price="60000", at=at)
                account.sweep(order_id, [(1, "60000")] * 20, at=at)
        assert {text for _, text in await bridge.events("incomplete")} == {
            "more rows in one second than the exchange lists"
        }
        await assert_whole(bridge)
        await assert_marked_last(bridge)


async def test_what_no_question_brings_out_is_told_and_the_rest_published(valkey_url: str) -> None:
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        async with outage(bridge) as account:
            order_id = account.submit("BTCUSDT", BUY, 250, price="60000")
            account.sweep(order_id, [(1, "60000")] * 250)
        told = await bridge.events("incomplete")
        assert told
        async with outage(bridge):
            pass
        assert await bridge.events("incomplete") == told, "the same is not told again"
        newest = [str(fill.trade_id) for fill in account.fills[-200:]]
        assert sorted(await bridge.fills()) == sorted(newest)
        await assert_marked_last(bridge)


async def test_more_open_orders_than_one_answer_holds_are_asked_for_symbol_by_symbol(valkey_url: str) -> None:
    async with still() as simulator:
        for symbol in ("BTCUSDT", "ETHUSDT"):
            for _ in range(70):
                simulator.account.submit(symbol, BUY, 1, price="100")
        async with bridging(simulator, valkey_url) as bridge:
            await bridge.until_resynced()
            await assert_whole(bridge)
            assert await bridge.events("incomplete") == [FULL]


async def test_more_open_orders_of_one_symbol_than_are_listed_are_told_and_known_ones_asked_for_by_name(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "order")
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        known = [bridge.account.submit("BTCUSDT", BUY, 2, price="100") for _ in range(2)]
        await wait_until(lambda: is_whole(bridge), "the socket has told all of it")
        async with outage(bridge) as account:
            account.fill(known[0], 1, "100")
            for _ in range(100):
                account.submit("BTCUSDT", BUY, 1, price="100")
        assert await bridge.events("incomplete") == [("BTCUSDT", "more open orders than the exchange lists"), FULL]
        assert sorted(query["order_id"] for query in gate.asked) == sorted(known)
        await assert_whole(bridge)


# Several matches at once.


async def test_several_matches_in_one_frame_are_completed_at_once(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "trades")
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        last_match_only(bridge.account)
        gate.asked.clear()
        single = bridge.account.submit("BTCUSDT", BUY, 9, price="100")
        bridge.account.fill(single, 9, "100")
        order_id = bridge.account.submit("BTCUSDT", BUY, 9, price="100")
        bridge.account.sweep(order_id, [(2, "100"), (3, "99"), (4, "98")])
        await wait_until(lambda: is_whole(bridge), "all matches are there")
        assert {query["order_id"] for query in gate.asked} == {order_id}
        assert await bridge.reasons(KEYS.orders) == ["login"]


async def test_more_matches_in_one_frame_than_one_answer_holds_are_completed(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.ingest.account.statement.REACH_MS", 3_600_000)
    async with market(rate=60.0) as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        began = simulator.now
        await bridge.until_passed(30)
        simulator.faults.stall = True
        order_id = bridge.account.submit("BTCUSDT", BUY, 300, price="100", at=began)
        for number in range(299):
            bridge.account.fill(order_id, 1, "100", at=began + number * 80)
        simulator.faults.stall = False
        bridge.account.fill(order_id, 1, "100")
        await wait_until(lambda: is_whole(bridge), "all matches are there", 60)


async def test_executions_that_cannot_be_read_are_asked_for_again(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "trades")
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        last_match_only(bridge.account)
        gate.refusing = True
        order_id = bridge.account.submit("BTCUSDT", BUY, 9, price="100")
        bridge.account.sweep(order_id, [(2, "100"), (7, "99")])
        await wait_until(lambda: gate.refused > 0, "it was asked for in vain")
        gate.refusing = False
        await wait_until(lambda: is_whole(bridge), "all matches are there")
