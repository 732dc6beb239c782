"""The account made whole: a real ingester between the simulated exchange and a real Redis, and what it missed.

Nothing trades by itself here unless a test says so: whatever the account does is done by hand, so that afterwards the
streams can be compared with it to the last digit.
"""

from __future__ import annotations

import dataclasses
import itertools
import random

import pytest

from bridge.simulator import Simulator
from bridge.simulator.trading.account import Account
from bridge.simulator.trading.orders import BUY, BUY_CLOSE, SELL, SELL_CLOSE
from bridge.store.embedded.server import EmbeddedServer
from tests.ingest.books import (
    KEYS,
    MODES,
    PRIVATE,
    Gate,
    assert_marked_last,
    assert_whole,
    bought,
    bridging,
    is_whole,
    last_match_only,
    outage,
    still,
    trade,
    void,
)
from tests.ingest.rig import NEVER_S, ORDERS, POSITIONS, START, market
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


# The floor.


def history(account: Account) -> dict[str, int]:
    """Give the account a past: trades by their age in seconds, an order still open, a position still held."""
    account.submit("ETHUSDT", BUY, 9, price="100", at=START - 5_000_000)
    ages = (5_000, 3_000, 500)
    return {str(bought(account, "BTCUSDT", BUY, 1, at=START - age * 1000)): age for age in ages}


async def test_the_first_start_publishes_what_is_open_and_no_older_history(valkey_url: str) -> None:
    async with still() as simulator:
        history(simulator.account)
        async with bridging(simulator, valkey_url) as bridge:
            await bridge.until_resynced()
            assert await bridge.fills() == []
            (order,) = await bridge.entries(KEYS.orders, "order")
            assert (order["symbol"], order["status"], order["source"]) == ("ETHUSDT", "open", "rest")
            (position,) = await bridge.entries(KEYS.positions, "position")
            assert (position["symbol"], position["size"]) == ("BTCUSDT", "3")


async def test_history_older_than_the_first_start_stays_unpublished_whatever_is_read_later(valkey_url: str) -> None:
    async with still() as simulator:
        history(simulator.account)
        bought(simulator.account, "BTCUSDT", BUY, 1, at=START - 10_000)
        async with bridging(simulator, valkey_url) as bridge:
            await bridge.until_resynced()
            known = bought(bridge.account, "BTCUSDT", BUY, 1)
            await bridge.until_fill(known)
            async with outage(bridge) as account:
                missed = bought(account, "BTCUSDT", BUY, 1)
            assert await bridge.fills() == [str(known), str(missed)]
            orders = await bridge.entries(KEYS.orders, "order")
            assert sorted(e["status"] for e in orders if e["source"] == "rest") == ["filled", "open"]


@pytest.mark.parametrize(("lookback_s", "published"), [(1_000, 1), (4_000, 2), (100 * 86_400, 3)])
async def test_the_first_start_looks_back_as_far_as_it_was_told(
    valkey_url: str, lookback_s: float, published: int
) -> None:
    async with still() as simulator:
        trades = history(simulator.account)
        async with bridging(simulator, valkey_url, private_lookback_s=lookback_s) as bridge:
            await bridge.until_resynced()
            expected = [trade_id for trade_id, age in trades.items() if age <= lookback_s]
            assert await bridge.fills() == expected
            assert len(expected) == published
            filled = [e for e in await bridge.entries(KEYS.orders, "order") if e["status"] == "filled"]
            assert len(filled) == published


async def test_the_floor_is_that_of_the_first_attempt_even_if_it_failed_half_way(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "trades")
    gate.refusing = True
    async with still() as simulator:
        history(simulator.account)
        async with bridging(simulator, valkey_url) as bridge:
            await wait_until(lambda: gate.refused > 1, "it was tried in vain")
            assert await bridge.events("resynced") == []
        missed = bought(simulator.account, "BTCUSDT", BUY, 1)
        gate.refusing = False
        async with bridging(simulator, valkey_url) as bridge:
            await bridge.until_resynced()
            assert await bridge.fills() == [str(missed)]


async def test_a_later_start_makes_up_for_the_time_in_which_no_bridge_ran(valkey_url: str) -> None:
    async with still() as simulator:
        async with bridging(simulator, valkey_url) as bridge:
            await bridge.until_resynced()
            bought(bridge.account, "BTCUSDT", BUY, 5)
            await wait_until(lambda: is_whole(bridge), "the socket has told it")
        trade(simulator.account, random.Random(5), 30)  # noqa: S311 - a repeatable story
        async with bridging(simulator, valkey_url, private_lookback_s=9_000) as bridge:
            await bridge.until_resynced(2)
            await assert_whole(bridge)


async def test_executions_asked_for_one_order_are_not_published_if_they_are_older_than_the_floor(
    valkey_url: str,
) -> None:
    async with still() as simulator:
        order_id = simulator.account.submit("BTCUSDT", BUY, 10, price="100", at=START - 500_000)
        simulator.account.fill(order_id, 4, "100", at=START - 400_000)
        # The position topic is refused, so that the account may not have been read when the next match comes.
        simulator.faults.refuse_topics = [POSITIONS]
        async with bridging(simulator, valkey_url) as bridge:
            await bridge.until("topic_rejected")
            await wait_until(lambda: held(simulator, ORDERS), "the orders are subscribed to")
            match = simulator.account.fill(order_id, 2, "100")
            await bridge.until_fill(match.trade_id)
            await bridge.until_passed(0.3)
            assert await bridge.fills() == [str(match.trade_id)]


def held(simulator: Simulator, topic: str) -> bool:
    """Whether the exchange pushes a topic."""
    return any(topic in topics for topics in simulator.stats.topics.values())


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


# Frames and readings at the same time.


async def test_a_position_frame_that_comes_while_positions_are_read_wins(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "positions")
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        bought(bridge.account, "BTCUSDT", BUY, 5)
        await wait_until(lambda: is_whole(bridge), "the socket has told it")
        gate.shut()
        simulator.cut_sockets()
        await wait_until(lambda: gate.held > 0 and held(simulator, POSITIONS), "it is being read")
        bought(bridge.account, "BTCUSDT", BUY, 2)
        await wait_until(lambda: is_whole(bridge), "the socket has told the change")
        gate.open()
        await bridge.until_resynced(2)
        assert [entry["size"] for entry in await bridge.entries(KEYS.positions, "position")] == ["5", "7"]


async def test_one_position_that_never_rests_does_not_hide_that_another_was_closed(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every 10 s all open positions are told anyway, so that with enough symbols no reading is ever undisturbed."""
    gate = Gate(monkeypatch, "positions")
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        bought(bridge.account, "BTCUSDT", BUY, 5)
        bought(bridge.account, "ETHUSDT", BUY, 5)
        await wait_until(lambda: is_whole(bridge), "the socket has told it")
        gate.before = lambda: void(bought(bridge.account, "BTCUSDT", BUY, 1))
        async with outage(bridge) as account:
            bought(account, "ETHUSDT", SELL_CLOSE, 5)
        await wait_until(lambda: is_whole(bridge), "both are told")
        sizes = [e["size"] for e in await bridge.entries(KEYS.positions, "position") if e["symbol"] == "BTCUSDT"]
        assert sizes == [str(5 + more) for more in range(len(sizes))]


async def test_an_order_frame_that_comes_while_orders_are_read_wins(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "open_orders")
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        order_id = bridge.account.submit("BTCUSDT", BUY, 5, price="100")
        await wait_until(lambda: is_whole(bridge), "the socket has told it")
        gate.shut()
        simulator.cut_sockets()
        await wait_until(lambda: gate.held > 0, "it is being read")
        bridge.account.fill(order_id, 5, "100")
        await wait_until(lambda: is_whole(bridge), "the socket has told the change")
        gate.open()
        await bridge.until_resynced(2)
        assert [e["status"] for e in await bridge.entries(KEYS.orders, "order")] == ["open", "filled"]
        await assert_whole(bridge)


# Trouble on the way.


@pytest.mark.parametrize("endpoint", ["open_orders", "order", "history", "trades", "positions"])
async def test_a_question_refused_half_way_is_asked_again_and_nothing_is_marked_before(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    gate = Gate(monkeypatch, endpoint)
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        old = bridge.account.submit("BTCUSDT", BUY, 5, price="100", at=START - 500_000)
        await wait_until(lambda: is_whole(bridge), "the socket has told it")
        await simulator.stop(abrupt=True)
        bridge.account.cancel(old)
        bought(bridge.account, "BTCUSDT", BUY, 5)
        gate.refusing = True
        await simulator.start()
        await wait_until(lambda: gate.refused > 2, "it was refused several times")
        assert len(await bridge.reasons(KEYS.orders)) == 1
        gate.refusing = False
        await bridge.until_resynced(2)
        await assert_whole(bridge)
        await assert_marked_last(bridge)
        assert await bridge.reasons(KEYS.orders) == ["login", "login"]


FAULTS: dict[str, bool | int | float] = {
    "rest_429": True,
    "rest_418": True,
    "rest_403": True,
    "rest_500": True,
    "rest_gateway": 30014,
    "rest_rubbish": True,
    "rest_empty": True,
    "rest_null": True,
    "rest_slow_s": 0.4,
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_trouble_with_rest_is_taken_for_an_answer(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr("bridge.ingest.rest.fetch._TIMEOUT_S", 0.2)
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        bought(bridge.account, "BTCUSDT", BUY, 5)
        await wait_until(lambda: is_whole(bridge), "the socket has told it")
        await simulator.stop(abrupt=True)
        bought(bridge.account, "BTCUSDT", SELL_CLOSE, 5)
        simulator.faults.set(fault, FAULTS[fault])
        asked = simulator.stats.requests[f"{PRIVATE}/get-open-orders"]
        await simulator.start()
        await wait_until(
            lambda: simulator.stats.requests[f"{PRIVATE}/get-open-orders"] > asked + 1, "it was tried again"
        )
        assert len(await bridge.reasons(KEYS.orders)) == 1
        simulator.faults.reset()
        await bridge.until_resynced(2)
        await assert_whole(bridge)
        await assert_marked_last(bridge)


async def test_a_socket_lost_while_the_account_is_read_makes_that_reading_worthless(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "trades")
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        gate.shut()
        simulator.cut_sockets()
        await wait_until(lambda: gate.held == 1, "the account is being read")
        simulator.faults.http_403_on_connect = True
        simulator.cut_sockets()
        await bridge.until("lost", 2)
        missed = bought(bridge.account, "BTCUSDT", BUY, 5)
        gate.open()
        await wait_until(lambda: gate.held == 0, "that reading is over")
        await bridge.until_passed(0.2)
        assert len(await bridge.reasons(KEYS.fills)) == 1
        simulator.faults.http_403_on_connect = False
        await bridge.until_resynced(2)
        await assert_whole(bridge)
        assert [entry.get("trade_id", "marker") for entry in await bridge.entries(KEYS.fills)] == [
            "marker",
            str(missed),
            "marker",
        ]


async def test_a_login_while_the_account_is_still_read_for_the_last_one_has_it_read_again_before_the_marker(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "trades")
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        gate.shut()
        simulator.cut_sockets()
        await wait_until(lambda: gate.held == 1, "the account is being read")
        simulator.faults.http_403_on_connect = True
        simulator.cut_sockets()
        await bridge.until("lost", 2)
        missed = bought(bridge.account, "BTCUSDT", BUY, 5)
        simulator.faults.http_403_on_connect = False
        await wait_until(lambda: held(simulator, ORDERS) and held(simulator, POSITIONS), "all is subscribed to again")
        told = bought(bridge.account, "BTCUSDT", BUY, 1)
        await bridge.until_fill(told)
        gate.open()
        await bridge.until_resynced(2)
        await assert_whole(bridge)
        assert [entry.get("trade_id", "marker") for entry in await bridge.entries(KEYS.fills)] == [
            "marker",
            str(told),
            str(missed),
            "marker",
        ]


async def test_what_the_buffer_had_to_drop_is_read_again(valkey_url: str) -> None:
    async with (
        still() as simulator,
        bridging(simulator, valkey_url, buffer_entries=120, redis_timeout_s=NEVER_S) as bridge,
    ):
        await bridge.until_resynced()
        await bridge.store.client_pause(60_000, all=False)
        for _ in range(10):
            order_id = bridge.account.submit("BTCUSDT", BUY, 9, price="100")
            for _ in range(9):
                bridge.account.fill(order_id, 1, "100")
        tally = bridge.ingester._writer.tally  # noqa: SLF001 - Redis takes nothing, so nothing else tells it
        await wait_until(lambda: tally.overflowed > 0, "something was dropped")
        await bridge.store.client_unpause()
        await bridge.until("overflow")
        await wait_until(lambda: is_whole(bridge), "all of it is there")

        async def marked() -> bool:
            return (await bridge.reasons(KEYS.fills))[-1] == "overflow"

        await wait_until(marked, "the marker says why")
        await assert_whole(bridge)


async def test_an_execution_may_be_a_little_older_over_rest_than_on_the_socket(valkey_url: str) -> None:
    async with still() as simulator, bridging(simulator, valkey_url, private_lookback_s=1_000) as bridge:
        await bridge.until_resynced()
        # Long before the next reading, which begins with the newest execution known.
        await bridge.until_fill(bought(bridge.account, "BTCUSDT", BUY, 5, at=START - 900_000))
        (fill,) = bridge.account.fills
        bridge.account.fills[:] = [dataclasses.replace(fill, at=fill.at - 1_500)]
        simulator.cut_sockets()
        await bridge.until_resynced(2)
        assert await bridge.fills() == [str(fill.trade_id)]


async def test_redis_may_go_away_while_the_account_is_read(
    lasting: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "trades")
    async with still() as simulator, bridging(simulator, lasting.url) as bridge:
        await bridge.until_resynced()
        gate.shut()
        simulator.cut_sockets()
        await wait_until(lambda: gate.held == 1, "the account is being read")
        await lasting.stop()
        bought(bridge.account, "BTCUSDT", BUY, 5)
        gate.open()
        await wait_until(lambda: gate.held == 0, "the answer came")
        await lasting.start()
        await bridge.until_resynced(2)
        await wait_until(lambda: is_whole(bridge), "all of it is there")
        assert set(await bridge.reasons(KEYS.fills)) <= {"login", "redis"}


# Half the wishes, and more than one ingester.


@pytest.mark.parametrize(
    ("topic", "marked", "unmarked"),
    [(ORDERS, [KEYS.orders, KEYS.fills], [KEYS.positions]), (POSITIONS, [KEYS.positions], [KEYS.orders, KEYS.fills])],
)
async def test_only_what_is_wished_for_is_read_and_marked(
    valkey_url: str, topic: str, marked: list[str], unmarked: list[str]
) -> None:
    async with still() as simulator, bridging(simulator, valkey_url, topic) as bridge:
        await bridge.until_resynced()
        async with outage(bridge) as account:
            bought(account, "BTCUSDT", BUY, 5)
            account.submit("BTCUSDT", BUY, 5, price="100")
        await assert_marked_last(bridge, *marked)
        for stream in marked:
            assert len(await bridge.reasons(stream)) == 2
            assert len(await bridge.entries(stream)) > 2
        assert [await bridge.entries(stream) for stream in unmarked] == [[] for _ in unmarked]


@pytest.mark.parametrize(("refused", "marked"), [(POSITIONS, KEYS.orders), (ORDERS, KEYS.positions)])
async def test_a_topic_that_is_refused_keeps_the_other_from_nothing(valkey_url: str, refused: str, marked: str) -> None:
    async with still() as simulator:
        simulator.faults.refuse_topics = [refused]
        async with bridging(simulator, valkey_url) as bridge:
            await bridge.until_resynced()
            async with outage(bridge) as account:
                bought(account, "BTCUSDT", BUY, 5)
            await assert_marked_last(bridge, marked)
            assert len(await bridge.entries(marked)) == 3


async def test_what_nobody_wishes_for_any_more_is_not_read(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    orders, positions = Gate(monkeypatch, "open_orders"), Gate(monkeypatch, "positions")
    async with still() as simulator, bridging(simulator, valkey_url, private_sync_s=0.1) as bridge:
        await bridge.until_resynced()
        await bridge.desired.change("shared", remove=[POSITIONS])
        await wait_until(lambda: not held(simulator, POSITIONS), "the positions are unsubscribed from")
        await wait_until(lambda: orders.held == positions.held == 0, "no answer is on its way")
        for gate in (orders, positions):
            gate.asked.clear()
        await wait_until(lambda: len(orders.asked) > 3, "the orders are read regularly")
        assert len(positions.asked) <= 2, "but for the reading that was going on"
        await bridge.desired.change("shared", remove=[ORDERS])
        await wait_until(lambda: simulator.stats.sockets_open == 0, "there is nothing to listen to")
        await bridge.until_passed(0.3)
        asked = len(orders.asked)
        bought(bridge.account, "BTCUSDT", BUY, 5)
        await bridge.until_passed(0.5)
        assert len(orders.asked) == asked
        assert await bridge.fills() == []


async def test_a_wish_made_later_has_the_account_read_from_where_its_streams_ended(valkey_url: str) -> None:
    async with still() as simulator, bridging(simulator, valkey_url, POSITIONS, private_sync_s=0.1) as bridge:
        await bridge.until_resynced()
        # Longer ago than what two readings have in common, to be read by those who know of no reading of orders.
        floor = int((await state(bridge.store, KEYS.synced))["floor"])
        await bridge.store.hset(KEYS.synced, "floor", str(floor - 1_000_000))
        missed = bought(bridge.account, "BTCUSDT", BUY, 5, at=floor - 500_000)
        await bridge.until_passed(0.5)
        await bridge.desired.change("shared", add=[ORDERS])

        async def marked() -> bool:
            return bool(await bridge.reasons(KEYS.fills))

        await wait_until(marked, "the orders are read")
        assert await bridge.fills() == [str(missed)]


@MODES
async def test_two_ingesters_of_one_account_leave_each_fact_once(valkey_url: str, mode: str) -> None:
    dice = random.Random(6)  # noqa: S311 - a repeatable story
    async with (
        still(position_mode=mode) as simulator,
        bridging(simulator, valkey_url, ingester_id="one", replicas=2) as one,
        bridging(simulator, valkey_url, ingester_id="two", replicas=2),
    ):
        await one.until("connected", 2)
        await one.until_resynced(1)
        for turn in (1, 2):
            await simulator.stop(abrupt=True)
            await one.until("lost", 2 * turn)
            trade(simulator.account, dice, 40)
            resynced = len(await one.events("resynced"))
            await simulator.start()
            await one.until_resynced(resynced + 1)
            await assert_whole(one)
        orders = await one.entries(KEYS.orders, "order")
        told = [(e["order_id"], e["status"], e["filled_size"]) for e in orders]
        assert len(told) == len(set(told))
        positions = await one.entries(KEYS.positions, "position")
        for slot in {(e["symbol"], e["side"]) for e in positions}:
            sizes = [e["size"] for e in positions if (e["symbol"], e["side"]) == slot]
            assert all(size != later for size, later in itertools.pairwise(sizes))


async def test_frames_that_leave_out_the_mode_make_no_second_position(valkey_url: str) -> None:
    async with still(position_mode="one_way_mode") as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        bought(bridge.account, "BTCUSDT", BUY, 5)
        await wait_until(lambda: is_whole(bridge), "the socket has told it")
        simulator.faults.old_private_shape = True
        bought(bridge.account, "ETHUSDT", BUY, 3)
        bought(bridge.account, "BTCUSDT", SELL_CLOSE, 2)
        await wait_until(lambda: is_whole(bridge), "the socket has told it")
        async with outage(bridge) as account:
            bought(account, "BTCUSDT", SELL_CLOSE, 3)
        await assert_whole(bridge)
        assert await members(bridge.store, KEYS.open_positions) == {"ETHUSDT:both"}


async def test_an_account_that_changed_its_mode_in_an_outage_keeps_no_position_of_the_old_one(valkey_url: str) -> None:
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        bought(bridge.account, "BTCUSDT", BUY, 5)
        bought(bridge.account, "ETHUSDT", BUY, 5)
        await wait_until(lambda: is_whole(bridge), "the socket has told it")
        async with outage(bridge) as account:
            bought(account, "BTCUSDT", SELL_CLOSE, 5)
            bought(account, "ETHUSDT", SELL_CLOSE, 5)
            account.scenario = dataclasses.replace(account.scenario, position_mode="one_way_mode")
            bought(account, "BTCUSDT", SELL, 2)
        assert await members(bridge.store, KEYS.open_positions) == {"BTCUSDT:both"}
        told = [(e["symbol"], e["position_mode"], e["size"]) for e in await bridge.entries(KEYS.positions, "position")]
        assert sorted(told[2:]) == [("BTCUSDT", "hedge", "0"), ("BTCUSDT", "one_way", "2"), ("ETHUSDT", "hedge", "0")]


async def test_a_position_of_one_slot_that_never_rests_does_not_hide_that_the_other_was_closed(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "positions")
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        bought(bridge.account, "BTCUSDT", BUY, 5)
        bought(bridge.account, "BTCUSDT", SELL, 5)
        await wait_until(lambda: is_whole(bridge), "the socket has told it")
        gate.before = lambda: void(bought(bridge.account, "BTCUSDT", BUY, 1))
        async with outage(bridge) as account:
            bought(account, "BTCUSDT", BUY_CLOSE, 5)
        gate.before = lambda: None
        assert "BTCUSDT:short" not in await members(bridge.store, KEYS.open_positions)


async def test_a_position_on_which_two_readings_differ_is_read_again_before_the_marker(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "positions")
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        bought(bridge.account, "BTCUSDT", BUY, 5)
        await wait_until(lambda: is_whole(bridge), "the socket has told it")
        gate.asked.clear()

        def closes_unseen() -> None:
            # Between the first reading and the second, and no frame tells it.
            if len(gate.asked) == 2:
                simulator.faults.stall = True
                bought(bridge.account, "BTCUSDT", SELL_CLOSE, 5)

        gate.before = closes_unseen
        async with outage(bridge):
            pass
        assert len(gate.asked) > 3
        assert await members(bridge.store, KEYS.open_positions) == set()
        await assert_whole(bridge)
