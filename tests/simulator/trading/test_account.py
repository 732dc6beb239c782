"""The account over its sockets: every frame to the last digit."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.simulator import Faults, Simulator
from tests.simulator.clients import STANDSTILL, START, private, quiet

ORDER, POSITION, ASSET = "futures/order", "futures/position", "futures/asset:USDT"

# The account pays in 100,000 USDT; one contract of BTCUSDT is 0.001 BTC.
SUBMITTED: dict[str, Any] = {
    "order_id": "3179015880000001",
    "client_order_id": "mine-1",
    "price": "60000",
    "size": "10",
    "symbol": "BTCUSDT",
    "state": 2,
    "side": 1,
    "type": "limit",
    "leverage": "10",
    "open_type": "cross",
    "deal_avg_price": "0",
    "deal_size": "0",
    "create_time": START,
    "update_time": START - 4,
    "plan_order_id": "",
    "last_trade": None,
    "trigger_price": "-",
    "trigger_price_type": "-",
    "execution_price": "-",
    "activation_price_type": "-",
    "activation_price": "-",
    "callback_rate": "-",
    "position_mode": "hedge_mode",
}
HELD: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "hold_volume": "4",
    "position_type": 1,
    "open_type": 2,
    "frozen_volume": "0",
    "close_volume": "0",
    "hold_avg_price": "60000",
    "close_avg_price": "0",
    "open_avg_price": "60000",
    "liquidate_price": "0",
    "create_time": START + 1000,
    "update_time": START + 1000,
    "position_mode": "hedge_mode",
}


def still(**fields: object) -> Simulator:
    return Simulator(quiet(rate=STANDSTILL, **fields))


async def test_a_limit_order_from_submitting_to_cancelling() -> None:
    async with still() as simulator, private(simulator, ORDER, POSITION, ASSET) as talk:
        account = simulator.account
        order_id = account.submit("BTCUSDT", 1, 10, price="60000", client_order_id="mine-1", at=START)
        assert await talk.next() == {"group": ORDER, "data": [{"action": 2, "order": SUBMITTED}]}
        assert await talk.next() == {
            "group": ASSET,
            "data": {
                "currency": "USDT",
                "available_balance": "99940",
                "position_deposit": "0",
                "frozen_balance": "60",
            },
        }
        account.fill(order_id, 4, "60000", at=START + 1000)
        matched = SUBMITTED | {
            "deal_avg_price": "60000",
            "deal_size": "4",
            "update_time": START + 1000,
            "last_trade": {
                "lastTradeID": 1_790_158_800_001,
                "fillQty": "4",
                "fillPrice": "60000",
                "fee": "-0.048",
                "feeCcy": "USDT",
            },
        }
        assert await talk.next() == {"group": ORDER, "data": [{"action": 1, "order": matched}]}
        assert await talk.next() == {"group": POSITION, "data": [HELD]}
        assert (await talk.next())["data"] == {
            "currency": "USDT",
            "available_balance": "99939.952",
            "position_deposit": "24",
            "frozen_balance": "36",
        }
        account.cancel(order_id, at=START + 2000)
        cancelled = matched | {"state": 4, "update_time": START + 2000, "last_trade": None}
        assert await talk.next() == {"group": ORDER, "data": [{"action": 3, "order": cancelled}]}


async def test_a_market_order_is_submitted_in_state_1_and_swept_in_one_frame() -> None:
    async with still() as simulator, private(simulator, ORDER) as talk:
        order_id = simulator.account.submit("LTCUSDT", 4, 3)
        order = (await talk.next())["data"][0]["order"]
        assert (order["state"], order["type"], order["side"], order["last_trade"]) == (1, "market", 4, None)
        assert order["price"] not in ("", "0")
        simulator.account.sweep(order_id, [(1, "72.1"), (2, "72.0")])
        first, second = (await talk.next())["data"]
        assert [first["action"], second["action"]] == [1, 1]
        assert [first["order"]["state"], second["order"]["state"]] == [1, 4]
        assert second["order"]["deal_avg_price"] == "72.033333333333333333"
        assert first["order"]["last_trade"]["lastTradeID"] + 1 == second["order"]["last_trade"]["lastTradeID"]


async def test_closing_a_position_pushes_a_volume_of_zero() -> None:
    async with still() as simulator, private(simulator, POSITION) as talk:
        account = simulator.account
        account.fill(account.submit("BTCUSDT", 4, 4, price="60000"), 4, "60000")
        assert ((await talk.next())["data"][0]["position_type"]) == 2
        account.fill(account.submit("BTCUSDT", 2, 4, price="59000"), 4, "59000")
        closed = (await talk.next())["data"][0]
        assert (closed["hold_volume"], closed["close_volume"], closed["close_avg_price"]) == ("0", "4", "59000")
        assert account.fills[-1].realised == 4


async def test_one_way_positions_turn_around() -> None:
    async with still(position_mode="one_way_mode") as simulator, private(simulator, POSITION) as talk:
        account = simulator.account
        account.fill(account.submit("BTCUSDT", 1, 4, price="60000"), 4, "60000")
        account.fill(account.submit("BTCUSDT", 4, 10, price="60000"), 10, "60000")
        simulator.faults.one_way_signed = True
        account.fill(account.submit("BTCUSDT", 4, 1, price="60000"), 1, "60000")
        seen = [(await talk.next())["data"][0] for _ in range(3)]
        assert [(row["hold_volume"], row["position_type"], row["position_mode"]) for row in seen] == [
            ("4", 1, "one_way_mode"),
            ("6", 2, "one_way_mode"),
            ("-7", 2, "one_way_mode"),
        ]


async def test_open_positions_are_repeated_every_ten_market_seconds() -> None:
    async with Simulator(quiet()) as simulator, private(simulator, POSITION) as talk:
        account = simulator.account
        for side in (1, 4):
            account.fill(account.submit("BTCUSDT", side, 4, price="60000"), 4, "60000")
        first, second = [await talk.until(lambda frame: len(frame["data"]) == 2) for _ in range(2)]
    assert first == second
    assert [row["position_type"] for row in first["data"]] == [1, 2]


async def test_what_is_unknown_can_be_switched() -> None:
    async with still() as simulator, private(simulator, ORDER, POSITION) as talk:
        account, faults = simulator.account, simulator.faults
        faults.approval_first = faults.old_private_shape = faults.position_first = True
        faults.position_data = "null"
        order_id = account.submit("BTCUSDT", 1, 10, price="60000")
        states = [(await talk.next())["data"][0]["order"] for _ in range(2)]
        assert [order["state"] for order in states] == [1, 2]
        assert not {"position_mode", "trigger_price"} & set(states[0])
        account.fill(order_id, 1, "60000")
        assert [await talk.next(), (await talk.next())["group"]] == [{"group": POSITION, "data": None}, ORDER]
        faults.position_data, faults.position_first = "empty", False
        account.fill(order_id, 1, "60000")
        assert [(await talk.next())["group"], await talk.next()] == [ORDER, {"group": POSITION, "data": []}]


async def test_a_push_can_carry_all_open_positions() -> None:
    async with still() as simulator, private(simulator, POSITION) as talk:
        account = simulator.account
        simulator.faults.position_full = True
        for symbol in ("BTCUSDT", "ETHUSDT"):
            account.fill(account.submit(symbol, 1, 4, price="60000"), 4, "60000")
        pushed = [[row["symbol"] for row in (await talk.next())["data"]] for _ in range(2)]
    assert pushed == [["BTCUSDT"], ["ETHUSDT", "BTCUSDT"]]


async def test_a_snapshot_on_subscribing_can_be_switched_on() -> None:
    async with Simulator(quiet(rate=STANDSTILL), faults=Faults(private_snapshot=True)) as simulator:
        account = simulator.account
        account.submit("BTCUSDT", 1, 10, price="60000")
        async with private(simulator) as talk:
            await talk.send(action="subscribe", args=[ORDER, "futures/asset:ETH"])
            frames = [await talk.next() for _ in range(4)]
    assert [frame.get("action", frame["group"]) for frame in frames] == [
        "subscribe",
        ORDER,
        "subscribe",
        "futures/asset:ETH",
    ]
    assert frames[3]["data"]["available_balance"] == "0"


def test_what_cannot_be_is_refused() -> None:
    account = still().account
    with pytest.raises(ValueError, match="cannot submit 1 contracts of 'DEL001USDT'"):
        account.submit("DEL001USDT", 1, 1)
    order_id = account.submit("BTCUSDT", 3, 5, price="60000")
    with pytest.raises(ValueError, match="can be matched for 0 contracts, not 5"):
        account.fill(order_id, 5, "60000")
    account.cancel(order_id)
    with pytest.raises(ValueError, match="no open order"):
        account.cancel(order_id)
