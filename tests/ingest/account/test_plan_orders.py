"""Orders that wait for a price: told like all others, whatever the exchange tells of them where."""

from __future__ import annotations

import pytest

from bridge.simulator.trading.orders import BUY, BUY_CLOSE, SELL, SELL_CLOSE
from tests.ingest.books import (
    KEYS,
    MODES,
    Bridge,
    Gate,
    assert_marked_last,
    assert_whole,
    bought,
    bridging,
    is_whole,
    outage,
    still,
)
from tests.ingest.rig import START
from tests.store.support import members
from tests.support import wait_until

pytestmark = pytest.mark.usefixtures("hurry")


async def told(bridge: Bridge, order_id: str) -> list[tuple[str, str, str, str]]:
    """What the stream says of an order: how far it has come, why, its kind and its price."""
    entries = await bridge.entries(KEYS.orders, "order")
    return [(e["status"], e["event"], e["order_type"], e["price"]) for e in entries if e["order_id"] == order_id]


@MODES
async def test_the_socket_tells_a_plan_order_its_end_and_the_order_that_it_made(valkey_url: str, mode: str) -> None:
    async with still(position_mode=mode) as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        plans = bridge.account.plans
        triggered = plans.submit("BTCUSDT", BUY, 5, "70000", price="70100")
        canceled = plans.submit("BTCUSDT", SELL_CLOSE, 5, "50000", kind="stop_loss")
        made = plans.trigger(triggered)
        plans.cancel(canceled)
        await wait_until(lambda: is_whole(bridge), "the socket has told all of it")
        assert await told(bridge, triggered) == [
            ("accepted", "submitted", "plan", "70100"),
            ("triggered", "triggered", "plan", "70100"),
        ]
        assert await told(bridge, canceled) == [
            ("accepted", "submitted", "stop_loss", "0"),
            ("canceled", "canceled", "stop_loss", "0"),
        ]
        entries = {e["order_id"]: e for e in await bridge.entries(KEYS.orders, "order")}
        assert (entries[made]["plan_order_id"], entries[made]["status"]) == (triggered, "open")


@MODES
@pytest.mark.parametrize("switch", ["", "plan_silent", "plan_by_name"])
async def test_whatever_becomes_of_plan_orders_in_an_outage_is_made_up_for(
    valkey_url: str, mode: str, switch: str
) -> None:
    async with still(position_mode=mode) as simulator:
        if switch:
            simulator.faults.set(switch, value=True)
        async with bridging(simulator, valkey_url, private_sync_s=0.1) as bridge:
            await bridge.until_resynced()
            bought(bridge.account, "BTCUSDT", BUY, 5)
            # Created long before the time that is read again after the outage.
            old, older = (
                bridge.account.plans.submit("BTCUSDT", SELL_CLOSE, 5, price, kind="stop_loss", at=START - 500_000)
                for price in ("50000", "51000")
            )
            amid = bridge.account.plans.submit("ETHUSDT", BUY, 3, "2000", price="2001")
            resting = bridge.account.plans.submit("XRPUSDT", SELL, 3, "2", price="1.9")
            await wait_until(lambda: is_whole(bridge), "they are told")

            async with outage(bridge) as account:
                plans = account.plans
                account.fill(plans.trigger(old), 5, "50000")
                plans.cancel(older)
                plans.trigger(amid)
                plans.submit("SOLUSDT", BUY_CLOSE, 2, "100", kind="take_profit")
                account.fill(plans.trigger(plans.submit("LTCUSDT", BUY, 4, "80")), 4, "80")

            await wait_until(lambda: is_whole(bridge), "all of it is told")
            assert [status for status, *_ in await told(bridge, old)] == ["accepted", "triggered"]
            assert [status for status, *_ in await told(bridge, older)] == ["accepted", "canceled"]
            assert len(await told(bridge, resting)) == 1


async def test_a_plan_order_that_is_found_nowhere_any_more_stays_open_and_stops_nothing(valkey_url: str) -> None:
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        simulator.faults.plan_untold = True
        await bridge.until_resynced()
        gone = bridge.account.plans.submit("BTCUSDT", BUY, 5, "70000")
        await wait_until(lambda: is_whole(bridge), "the socket has told it")
        async with outage(bridge) as account:
            account.plans.cancel(gone)
            trade_id = bought(account, "BTCUSDT", BUY, 1)
        assert await bridge.fills() == [str(trade_id)]
        assert await members(bridge.store, KEYS.open_orders) == {gone}
        await assert_marked_last(bridge)


async def test_a_plan_order_that_was_told_as_cancelled_stays_that_and_the_order_it_made_is_told(
    valkey_url: str,
) -> None:
    async with still() as simulator, bridging(simulator, valkey_url, private_sync_s=0.1) as bridge:
        simulator.faults.plan_ends_canceled = True
        await bridge.until_resynced()
        plan = bridge.account.plans.submit("BTCUSDT", BUY, 5, "70000", price="70100")
        made = bridge.account.plans.trigger(plan)

        async def so() -> bool:
            return len(await told(bridge, plan)) == 2 and bool(await told(bridge, made))

        await wait_until(so, "both are told")
        assert [status for status, *_ in await told(bridge, plan)] == ["accepted", "canceled"]


async def test_more_plan_orders_than_one_answer_holds_are_asked_for_symbol_by_symbol(valkey_url: str) -> None:
    async with still() as simulator:
        for symbol in ("BTCUSDT", "ETHUSDT"):
            for _ in range(70):
                simulator.account.plans.submit(symbol, BUY, 1, "100")
        async with bridging(simulator, valkey_url) as bridge:
            await bridge.until_resynced()
            await assert_whole(bridge)
            full = "the list is full: symbols that are not known are asked for one by one"
            assert await bridge.events("incomplete") == [("plan orders", full)]


async def test_a_list_of_plan_orders_that_cannot_be_read_keeps_the_marker_back(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "plan_orders")
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        await simulator.stop(abrupt=True)
        plan = bridge.account.plans.submit("BTCUSDT", BUY, 5, "70000")
        gate.refusing = True
        await simulator.start()
        await wait_until(lambda: gate.refused > 2, "it was refused several times")
        assert len(await bridge.reasons(KEYS.orders)) == 1
        gate.refusing = False
        await bridge.until_resynced(2)
        assert [status for status, *_ in await told(bridge, plan)] == ["accepted"]
        await assert_whole(bridge)
