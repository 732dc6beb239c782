"""Half the wishes, wishes made later, and more than one ingester of an account."""

from __future__ import annotations

import itertools
import random

import pytest

from bridge.simulator.trading.orders import BUY
from tests.ingest.books import (
    KEYS,
    MODES,
    Gate,
    assert_marked_last,
    assert_whole,
    bought,
    bridging,
    held,
    outage,
    still,
    trade,
)
from tests.ingest.rig import ORDERS, POSITIONS
from tests.store.support import state
from tests.support import wait_until

pytestmark = pytest.mark.usefixtures("hurry")


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
