"""The account made whole: a real ingester between the simulated exchange and a real Redis, and what it missed.

Nothing trades by itself here unless a test says so: whatever the account does is done by hand, so that afterwards the
streams can be compared with it to the last digit.
"""

from __future__ import annotations

import random

import pytest

from bridge.simulator.trading.orders import BUY, BUY_CLOSE, SELL, SELL_CLOSE
from tests.ingest.books import (
    KEYS,
    MODES,
    Gate,
    assert_marked_last,
    assert_whole,
    bought,
    bridging,
    is_whole,
    outage,
    still,
    trade,
)
from tests.ingest.rig import POSITIONS, START, market
from tests.store.support import members, state
from tests.support import wait_until

pytestmark = pytest.mark.usefixtures("hurry")


# An outage in which everything happens.


@MODES
async def test_whatever_an_order_or_a_position_can_do_in_an_outage_is_made_up_for(valkey_url: str, mode: str) -> None:
    async with still(position_mode=mode) as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        account = bridge.account
        bought(account, "BTCUSDT", BUY, 5)
        bought(account, "ETHUSDT", BUY, 4)
        bought(account, "SOLUSDT", SELL, 6)
        untouched = account.submit("BTCUSDT", BUY, 10, price="60000")
        begun = account.submit("XRPUSDT", BUY, 10, price="2")
        account.fill(begun, 3, "2")
        resting = account.submit("LTCUSDT", SELL, 7, price="90")
        await wait_until(lambda: is_whole(bridge), "the socket has told all of it")

        async with outage(bridge) as account:
            bought(account, "BTCUSDT", SELL_CLOSE, 3)  # reduced
            bought(account, "ETHUSDT", SELL_CLOSE, 4)  # flat
            if mode == "one_way_mode":  # turned around
                bought(account, "SOLUSDT", BUY, 8)
            else:
                bought(account, "SOLUSDT", BUY_CLOSE, 6)
                bought(account, "SOLUSDT", BUY, 2)
            account.fill(untouched, 4, "60000")  # partly filled, then cancelled
            account.cancel(untouched)
            account.sweep(begun, [(3, "2"), (4, "1.99")])  # filled by several matches
            account.fill(resting, 1, "90")  # partly filled and still open
            account.submit("ADAUSDT", BUY, 3, price="0.5")  # submitted
            account.cancel(account.submit("LTCUSDT", BUY, 3, price="50"))  # submitted and cancelled
            bought(account, "ADAUSDT", BUY, 9)  # a new position

        await assert_whole(bridge)
        await assert_marked_last(bridge)
        assert (await bridge.events("resynced"))[-1][0] == "main"
        assert await bridge.reasons(KEYS.orders) == ["login", "login"]


@MODES
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_whatever_is_drawn_the_streams_are_whole_after_an_outage(valkey_url: str, mode: str, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - a repeatable story
    async with still(position_mode=mode) as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        for _ in range(3):
            trade(bridge.account, dice, 30)
            async with outage(bridge) as account:
                trade(account, dice, 30)
        await wait_until(lambda: is_whole(bridge), "nothing is missing")
        await assert_whole(bridge)


async def test_an_account_that_never_rests_loses_nothing_over_several_outages(valkey_url: str) -> None:
    async with (
        market(trading=True, order_interval_s=1, rate=10.0) as simulator,
        bridging(simulator, valkey_url) as bridge,
    ):
        await bridge.until_resynced()
        for _ in range(3):
            await bridge.until_passed(5)
            async with outage(bridge):
                await bridge.until_passed(5)
        await bridge.stop()
        synced = int((await state(bridge.store, KEYS.synced))["at"])
        assert len(await bridge.fills()) > 20
        await assert_whole(bridge, until=synced)


# The marker.


async def test_after_the_first_login_a_marker_says_that_the_streams_are_complete(valkey_url: str) -> None:
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        for stream in (KEYS.orders, KEYS.fills, KEYS.positions):
            (marker,) = await bridge.entries(stream)
            assert (marker["type"], marker["account"], marker["reason"]) == ("resync", "main", "login")
        assert await bridge.events("resynced") == [("main", "login: 0 entries were missing")]


async def test_the_event_says_how_much_was_missing(valkey_url: str) -> None:
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        async with outage(bridge) as account:
            bought(account, "BTCUSDT", BUY, 5)
        assert await bridge.events("resynced") == [
            ("main", "login: 0 entries were missing"),
            ("main", "login: 3 entries were missing"),
        ]


async def test_reading_again_appends_only_differences_and_without_any_marks_nothing(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "trades")
    async with still() as simulator, bridging(simulator, valkey_url, private_sync_s=0.1) as bridge:
        await bridge.until_resynced()
        trade(bridge.account, random.Random(4), 40)  # noqa: S311 - a repeatable story
        await wait_until(lambda: is_whole(bridge), "the socket has told all of it")
        # What a reading under way found is marked when that has ended.
        readings = len(gate.asked)
        await wait_until(lambda: len(gate.asked) >= readings + 2, "the reading that was under way has ended")
        before = [await bridge.entries(stream) for stream in (KEYS.orders, KEYS.fills, KEYS.positions)]
        reasons = await bridge.reasons(KEYS.orders)
        readings = len(gate.asked)
        await wait_until(lambda: len(gate.asked) >= readings + 4, "it was read several times more")
        assert [await bridge.entries(stream) for stream in (KEYS.orders, KEYS.fills, KEYS.positions)] == before
        assert await bridge.reasons(KEYS.orders) == reasons


async def test_a_regular_reading_finds_what_the_socket_kept_from_us_and_marks_it(valkey_url: str) -> None:
    async with still() as simulator, bridging(simulator, valkey_url, private_sync_s=0.1) as bridge:
        await bridge.until_resynced()
        bought(bridge.account, "BTCUSDT", BUY, 5)
        await wait_until(lambda: is_whole(bridge), "the socket has told all of it")
        simulator.faults.stall = True
        bought(bridge.account, "BTCUSDT", SELL_CLOSE, 5)
        await wait_until(lambda: is_whole(bridge), "it was found")
        await bridge.until_resynced(2)
        assert set(await bridge.reasons(KEYS.orders)) <= {"login", "found"}
        assert simulator.stats.sockets_opened == 1


async def test_a_position_that_changed_before_the_first_frame_is_read(valkey_url: str) -> None:
    async with still() as simulator:
        bought(simulator.account, "BTCUSDT", BUY, 5)
        async with bridging(simulator, valkey_url, POSITIONS) as bridge:
            await bridge.until_resynced()
            ((position, marker),) = [await bridge.entries(KEYS.positions)]
            assert (position["size"], position["side"], position["source"]) == ("5", "long", "rest")
            assert marker["type"] == "resync"


# What no list shows.


async def test_an_order_known_open_and_listed_nowhere_is_asked_for_by_name(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "order")
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        old = bridge.account.submit("BTCUSDT", BUY, 5, price="100", at=START - 500_000)
        young = bridge.account.submit("BTCUSDT", BUY, 5, price="100")
        await wait_until(lambda: is_whole(bridge), "the socket has told both")
        async with outage(bridge) as account:
            account.cancel(old)
            account.cancel(young)
        assert [query["order_id"] for query in gate.asked] == [old]
        await assert_whole(bridge)


async def test_an_order_that_came_and_went_is_found_in_every_symbol_that_was_traded_lately(valkey_url: str) -> None:
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        bridge.account.cancel(bridge.account.submit("BTCUSDT", BUY, 5, price="100"))
        await wait_until(lambda: is_whole(bridge), "the socket has told it, and nothing is open")
        async with outage(bridge) as account:
            missed = account.submit("BTCUSDT", BUY, 5, price="100")
            account.cancel(missed)
        (last, marker) = (await bridge.entries(KEYS.orders))[-2:]
        assert (last["order_id"], last["status"], last["source"]) == (missed, "canceled", "rest")
        assert marker["type"] == "resync"


async def test_an_order_that_no_list_shows_is_known_by_its_fill(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "order")
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        async with outage(bridge) as account:
            order_id = account.submit("ETHUSDT", BUY, 5, price="100", at=START - 500_000)
            account.fill(order_id, 5, "100")
        assert [query["order_id"] for query in gate.asked] == [order_id]
        await assert_whole(bridge)


async def test_an_order_that_the_exchange_does_not_know_any_more_stays_open_and_stops_nothing(valkey_url: str) -> None:
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        order_id = bridge.account.submit("BTCUSDT", BUY, 5, price="100")
        await wait_until(lambda: is_whole(bridge), "the socket has told it")
        async with outage(bridge) as account:
            trade_id = bought(account, "BTCUSDT", BUY, 1)
            account.cancel(order_id)
            del account.orders[order_id]
        assert await bridge.fills() == [str(trade_id)]
        assert await members(bridge.store, KEYS.open_orders) == {order_id}


async def test_a_position_that_is_not_listed_is_flat_only_if_its_own_symbol_says_so(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "positions")
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        bought(bridge.account, "BTCUSDT", BUY, 5)
        await wait_until(lambda: is_whole(bridge), "the socket has told it")
        gate.asked.clear()
        async with outage(bridge) as account:
            bought(account, "BTCUSDT", SELL_CLOSE, 5)
        assert gate.asked == [{}, {"symbol": "BTCUSDT"}] * 2
        last = (await bridge.entries(KEYS.positions, "position"))[-1]
        assert (last["symbol"], last["side"], last["size"], last["source"]) == ("BTCUSDT", "long", "0", "rest")
