"""Accounts in one-way and in hedge mode: frames that leave it out, an account that changes it."""

from __future__ import annotations

import dataclasses

import pytest

from bridge.simulator.trading.orders import BUY, SELL, SELL_CLOSE
from tests.ingest.books import KEYS, assert_whole, bought, bridging, is_whole, outage, still
from tests.store.support import members
from tests.support import wait_until

pytestmark = pytest.mark.usefixtures("hurry")


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
