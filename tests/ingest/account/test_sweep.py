"""Symbols of which nothing is known: what happened there while nobody listened is found all the same."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from bridge.records import EventName
from bridge.simulator import Simulator
from bridge.simulator.replies import RefusalError, Reply
from bridge.simulator.rest.private_rest import PrivateRest
from bridge.simulator.trading.orders import BUY
from bridge.timeframes import DAY_MS, HOUR_MS
from tests.ingest.books import (
    KEYS,
    Bridge,
    Fields,
    Gate,
    assert_marked_last,
    assert_whole,
    bought,
    bridging,
    is_whole,
    outage,
    still,
)
from tests.ingest.rig import NEVER_S, ORDERS, START, exchange_of, quick
from tests.store.support import state
from tests.support import wait_until

# What the exchange listed as trading in 2026-09.
MARKET = 359
BTC = "BTCUSDT"
FULL = ("open orders", "the list is full: symbols that are not known are asked for one by one")


pytestmark = pytest.mark.usefixtures("hurry")


def orders_read(gate: Gate) -> list[str]:
    """The symbols whose finished orders were asked for, in this order."""
    return [query["symbol"] for query in gate.asked]


def trading(simulator: Simulator) -> set[str]:
    """The symbols that trade; nothing happened lately on the others."""
    return {symbol for symbol in simulator.market.contracts if simulator.market.tradable(symbol)}


async def synced(bridge: Bridge) -> dict[str, int]:
    """What the store says of how far the account was read."""
    return {name: int(value) for name, value in (await state(bridge.store, KEYS.synced)).items() if value.isdecimal()}


async def test_an_order_that_came_and_went_on_a_symbol_never_seen_is_found_after_the_marker(valkey_url: str) -> None:
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        async with outage(bridge) as account:
            canceled = account.submit("XRPUSDT", BUY, 5, price="1")
            account.cancel(canceled)
        await bridge.until("swept")
        (marker, order) = [e for e in await bridge.entries(KEYS.orders) if e.get("reason") or e["type"] == "order"][-2:]
        assert (marker["type"], order["order_id"], order["status"]) == ("resync", canceled, "canceled")
        assert await bridge.events("swept") == [
            (f"{len(trading(simulator))} symbols", "1 changes of orders were missing")
        ]
        await assert_whole(bridge)


async def test_an_order_placed_and_filled_on_a_symbol_never_seen_is_told_before_the_marker(valkey_url: str) -> None:
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        async with outage(bridge) as account:
            trade_id = bought(account, "XRPUSDT", BUY, 5)
        assert await bridge.fills() == [str(trade_id)]
        await assert_whole(bridge)
        await assert_marked_last(bridge)


async def test_open_orders_beyond_the_exchanges_list_are_told_counted_and_found_symbol_by_symbol(
    valkey_url: str,
) -> None:
    async with still() as simulator, bridging(simulator, valkey_url, private_sync_s=0.1) as bridge:
        await bridge.until_resynced()
        async with outage(bridge) as account:
            for symbol in ("ETHUSDT", "XRPUSDT"):
                account.submit(symbol, BUY, 1, price="1")
            for _ in range(100):
                account.submit("BTCUSDT", BUY, 1, price="100")
        assert await bridge.events("incomplete") == [
            ("BTCUSDT", "more open orders than the exchange lists"),
            FULL,
        ]
        counted = bridge.ingester.readings.vitals.router.events
        assert counted[EventName.INCOMPLETE] == 2
        await bridge.until("swept")
        await assert_whole(bridge)
        resynced = (await synced(bridge))["at"]

        async def again() -> bool:
            return (await synced(bridge))["at"] > resynced + 500

        await wait_until(again, "it was read several times more")
        assert counted[EventName.INCOMPLETE] == 2, "the same is not told again"


async def test_a_list_that_is_full_at_the_first_start_is_completed_too(valkey_url: str) -> None:
    async with still() as simulator:
        simulator.account.submit("ETHUSDT", BUY, 1, price="1")
        for _ in range(100):
            simulator.account.submit("BTCUSDT", BUY, 1, price="100")
        async with bridging(simulator, valkey_url) as bridge:
            await bridge.until("swept")
            await assert_whole(bridge)


async def test_the_first_start_and_a_quiet_life_have_no_symbol_looked_through(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "history")
    async with still() as simulator, bridging(simulator, valkey_url, private_sync_s=0.1) as bridge:
        await bridge.until_resynced()
        began = (await synced(bridge))["floor"]

        async def moved() -> bool:
            return (await synced(bridge)).get("swept", 0) > began + 500

        await wait_until(moved, "what was listened to counts as looked through")
        assert gate.asked == []


async def test_each_symbol_is_asked_for_once_from_where_it_was_read_last(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "history")
    async with still() as simulator, bridging(simulator, valkey_url, private_sync_s=0.1) as bridge:
        await bridge.until_resynced()
        bought(bridge.account, "BTCUSDT", BUY, 1)
        await wait_until(lambda: is_whole(bridge), "the socket has told it")
        await bridge.until_passed(0.5)
        async with outage(bridge):
            gate.asked.clear()
        before = (await synced(bridge))["floor"]
        await bridge.until("swept")
        known = orders_read(gate).count("BTCUSDT")
        unknown = [symbol for symbol in orders_read(gate) if symbol != "BTCUSDT"]
        assert sorted(unknown) == sorted(trading(simulator) - {"BTCUSDT"})
        assert known >= 1, "known symbols are read before the marker"
        assert {int(query["start_time"]) for query in gate.asked} == {before // 1000}


async def test_what_one_ingester_did_not_come_to_look_through_the_next_one_does(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "history")
    async with still() as simulator:
        async with bridging(simulator, valkey_url) as bridge:
            await bridge.until_resynced()
            async with outage(bridge) as account:
                canceled = [account.submit(symbol, BUY, 5, price="1") for symbol in ("BTCUSDT", "XRPUSDT")]
                for order_id in canceled:
                    account.cancel(order_id)
                gate.shut()
            await wait_until(lambda: gate.held == 1, "one symbol is being looked through")
        gate.open()
        async with bridging(simulator, valkey_url) as bridge:
            await bridge.until("swept")
            await assert_whole(bridge)
            assert {e["order_id"] for e in await bridge.entries(KEYS.orders, "order")} == set(canceled)


async def test_what_came_and_went_before_a_store_was_emptied_is_told_again(valkey_url: str) -> None:
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        # Made before the first login, and over since.
        old, known = (
            bridge.account.submit(symbol, BUY, 5, price="1", at=START - 60_000) for symbol in ("ADAUSDT", BTC)
        )
        canceled = bridge.account.submit("XRPUSDT", BUY, 5, price="1")
        for order_id in (old, known, canceled):
            bridge.account.cancel(order_id)
        waited = bridge.account.plans.submit("SOLUSDT", BUY, 5, "1")
        bridge.account.plans.cancel(waited)
        bought(bridge.account, BTC, BUY, 1)
        await wait_until(lambda: is_whole(bridge), "the socket has told it")
        await bridge.store.flushall()
        await bridge.until("swept")
        await assert_whole(bridge)
        told = {e["order_id"]: e["status"] for e in await bridge.entries(KEYS.orders, "order")}
        assert told.keys() >= {old, known, canceled}
        assert told[waited] == "canceled"


async def test_what_is_still_to_be_looked_for_is_not_refused_for_its_age(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch, store: Redis
) -> None:
    gate = Gate(monkeypatch, "history")
    last = START - 3 * DAY_MS
    await store.hset(KEYS.synced, mapping={"floor": last - DAY_MS, "at": last, "swept": last})
    async with still() as simulator:
        old = simulator.account.submit("XRPUSDT", BUY, 5, price="1", at=last + HOUR_MS)
        simulator.account.cancel(old, at=last + 2 * HOUR_MS)
        gate.shut()
        async with bridging(simulator, valkey_url, ORDERS, private_sync_s=0.1) as bridge:
            await wait_until(lambda: gate.held == 1, "one symbol is being looked through")
            read = (await synced(bridge))["at"]

            async def again() -> bool:
                return (await synced(bridge))["at"] > read + 500

            await wait_until(again, "the account was read several times meanwhile")
            assert (await synced(bridge))["floor"] == last - DAY_MS
            gate.open()
            await bridge.until("swept")
            (order,) = await bridge.entries(KEYS.orders, "order")
            assert (order["order_id"], order["status"]) == (old, "canceled")

            async def risen() -> bool:
                return (await synced(bridge))["floor"] > START - DAY_MS - HOUR_MS

            await wait_until(risen, "the floor has risen since")


async def test_a_symbol_that_is_refused_is_told_and_keeps_nothing_from_the_others(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = PrivateRest.history

    async def odd(rest: PrivateRest, query: Fields) -> Reply:
        if query["symbol"] == "ADAUSDT":
            raise RefusalError(400, 40012, "SYMBOL_NOT_EXIST")
        return await answer(rest, query)

    monkeypatch.setattr(PrivateRest, "history", odd)
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        async with outage(bridge) as account:
            account.cancel(account.submit("XRPUSDT", BUY, 5, price="1"))
        await bridge.until("swept")
        await assert_whole(bridge)
        assert await bridge.events("incomplete") == [
            ("ADAUSDT", "its orders cannot be read: HTTP 400, code 40012: SYMBOL_NOT_EXIST")
        ]


async def test_trouble_with_rest_is_no_reason_to_leave_a_symbol_out(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.ingest.account.sweep._RETRY_S", 0.02)
    gate = Gate(monkeypatch, "history")
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        gate.refusing = True
        async with outage(bridge) as account:
            account.cancel(account.submit("XRPUSDT", BUY, 5, price="1"))
        await wait_until(lambda: gate.refused > 3, "it was refused several times")
        gate.refusing = False
        await bridge.until("swept")
        await assert_whole(bridge)


async def test_an_empty_list_of_a_symbol_is_believed_only_if_what_is_known_is_listed(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.ingest.account.sweep._RETRY_S", 0.02)
    gate = Gate(monkeypatch, "history")
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        bought(bridge.account, "BTCUSDT", BUY, 1)
        await wait_until(lambda: is_whole(bridge), "the socket has told it")
        async with outage(bridge) as account:
            account.cancel(account.submit("XRPUSDT", BUY, 5, price="1"))
            # From the first symbol on of which nothing is known, all lists are empty.
            gate.before = lambda: simulator.faults.set("rest_empty", gate.asked[-1]["symbol"] != "BTCUSDT")
        asked = simulator.stats.requests
        tries = asked["/contract/public/details"]
        await wait_until(lambda: asked["/contract/public/details"] > tries + 3, "it was tried again and again")
        assert await bridge.events("swept") == []
        gate.before = lambda: None
        simulator.faults.rest_empty = False
        await bridge.until("swept")
        await assert_whole(bridge)


async def test_a_regular_reading_is_not_held_up(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    histories, trades = Gate(monkeypatch, "history"), Gate(monkeypatch, "trades")
    async with still() as simulator, bridging(simulator, valkey_url, private_sync_s=NEVER_S) as bridge:
        await bridge.until_resynced()
        histories.shut()
        async with outage(bridge) as account:
            account.cancel(account.submit("XRPUSDT", BUY, 5, price="1"))
        await wait_until(lambda: histories.held == 1, "one symbol is being looked through")
        trades.shut()
        simulator.cut_sockets()
        await wait_until(lambda: trades.held == 1, "the account is being read")
        histories.open()
        await wait_until(lambda: histories.held == 0, "that symbol's answer came")
        asked = len(histories.asked)
        await bridge.until_passed(0.3)
        assert len(histories.asked) == asked
        trades.open()
        await bridge.until_resynced(3)
        await bridge.until("swept")
        await assert_whole(bridge)


async def test_the_whole_market_is_looked_through_within_three_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    async with still() as simulator:
        call = exchange_of(quick(simulator)).history_call("BTCUSDT", START, START)
        assert MARKET * 2 / call.per_2s < 180
