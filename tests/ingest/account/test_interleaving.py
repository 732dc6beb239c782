"""Frames that come while the account is read: neither hides what the other tells."""

from __future__ import annotations

import pytest

from bridge.simulator.trading.orders import BUY, BUY_CLOSE, SELL, SELL_CLOSE
from tests.ingest.books import KEYS, Gate, assert_whole, bought, bridging, held, is_whole, outage, still, void
from tests.ingest.rig import POSITIONS
from tests.store.support import members
from tests.support import wait_until

pytestmark = pytest.mark.usefixtures("hurry")


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
