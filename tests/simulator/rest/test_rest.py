"""The REST endpoints over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.simulator import Faults, Scenario, Simulator
from tests.simulator.clients import STANDSTILL, START, data, get, quiet

KLINE = "/contract/public/kline"
NOW_S = START // 1000


def still(**fields: object) -> Simulator:
    return Simulator(quiet(rate=STANDSTILL, **fields))


async def rows(simulator: Simulator, **query: str | int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await data(simulator, KLINE, **({"symbol": "BTCUSDT"} | query))
    return found


async def test_time_is_market_time_and_tells_its_rate() -> None:
    async with Simulator(quiet(rate=60.0)) as simulator:
        reply = await get(simulator, "/system/time")
        body = reply.json()
    assert body == {
        "code": 1000,
        "message": "OK",
        "data": {"server_time": body["data"]["server_time"]},
        "trace": body["trace"],
    }
    assert 0 <= body["data"]["server_time"] - START < 60_000
    assert reply.headers["X-Simulator-Clock-Rate"] == "60"
    assert reply.headers["Date"].startswith("Wed, 23 Sep 2026 10:20:")


async def test_kline_rows_have_the_documented_shape() -> None:
    async with still() as simulator:
        body = (await get(simulator, KLINE, symbol="BTCUSDT", step=60, start_time=NOW_S - 9000, end_time=NOW_S)).json()
    assert body == {
        "code": 1000,
        "message": "Ok",
        "data": [
            {
                "timestamp": 1_790_150_400,
                "open_price": "64358.6",
                "close_price": "64284.9",
                "high_price": "64445.1",
                "low_price": "64217.2",
                "volume": "312360",
            },
            {
                "timestamp": 1_790_154_000,
                "open_price": "64230.7",
                "close_price": "64094.8",
                "high_price": "64284.7",
                "low_price": "64049.8",
                "volume": "325150",
            },
            {
                "timestamp": 1_790_157_600,
                "open_price": "64074.9",
                "close_price": "64042.5",
                "high_price": "64125.4",
                "low_price": "63994.1",
                "volume": "117140",
            },
        ],
        "trace": body["trace"],
    }


async def test_both_bounds_belong_to_the_window_and_the_forming_candle_too() -> None:
    async with still(start=START + 30_000) as simulator:
        window: dict[str, str | int] = {"step": 5, "start_time": NOW_S - 600, "end_time": NOW_S}
        found = [row["timestamp"] for row in await rows(simulator, **window)]
        simulator.faults.rest_start_exclusive = simulator.faults.rest_descending = True
        other = [row["timestamp"] for row in await rows(simulator, **window)]
    assert found == [NOW_S - 600, NOW_S - 300, NOW_S]
    assert other == [NOW_S, NOW_S - 300]


@pytest.mark.parametrize("step", [1, 3, 5, 15, 30, 60, 120, 240, 360, 720, 1440, 4320, 10080])
async def test_every_step_adds_up_to_its_minutes(step: int) -> None:
    async with still(history_s=5 * 86_400) as simulator:
        found = await rows(simulator, step=step, start_time=NOW_S - 3 * step * 60, end_time=NOW_S)
        last = found[-1]
        minutes = await rows(simulator, step=1, start_time=max(last["timestamp"], NOW_S - 400 * 60), end_time=NOW_S)
    assert found
    assert last["close_price"] == minutes[-1]["close_price"]
    if step <= 360:
        assert last["open_price"] == minutes[0]["open_price"]
        assert int(last["volume"]) == sum(int(row["volume"]) for row in minutes)


async def test_history_ends_somewhere_and_periods_without_trades_are_left_out() -> None:
    async with still(history_s=7200) as simulator:
        hours = await rows(simulator, step=60, start_time=NOW_S - 86_400, end_time=NOW_S)
        assert [NOW_S - row["timestamp"] for row in hours] == [8400, 4800, 1200]
        window: dict[str, str | int] = {
            "symbol": "ADAUSDT",
            "step": 1,
            "start_time": NOW_S - 3600,
            "end_time": NOW_S - 60,
        }
        traded = await rows(simulator, **window)
        simulator.faults.rest_empty_rows = True
        filled = await rows(simulator, **window)
        assert await rows(simulator, **(window | {"symbol": "LINKUSDT"})) == []
    assert 0 < len(traded) < len(filled) == 60
    assert [row for row in filled if row["volume"] != "0"] == traded
    flat = next(row for row in filled if row["volume"] == "0")
    assert flat["open_price"] == flat["high_price"] == flat["low_price"] == flat["close_price"]


async def test_what_rest_is_told_not_to_know_is_neither_listed_nor_answered() -> None:
    async with still() as simulator:
        before = await get(simulator, KLINE, symbol="ETHUSDT", step=1, start_time=NOW_S - 60, end_time=NOW_S)
        simulator.faults.rest_unknown = ["ETHUSDT"]
        listed = {row["symbol"] for row in (await data(simulator, "/contract/public/details"))["symbols"]}
        one = await get(simulator, "/contract/public/details", symbol="ETHUSDT")
        after = await get(simulator, KLINE, symbol="ETHUSDT", step=1, start_time=NOW_S - 60, end_time=NOW_S)
    assert before.json()["code"] == 1000
    assert "BTCUSDT" in listed
    assert "ETHUSDT" not in listed
    assert (one.json()["code"], after.json()["code"]) == (40012, 40034)


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ({"symbol": "NOPEUSDT"}, 40034, "Symbol Not Exist"),
        ({"step": "2"}, 40038, "Invalid K-Line Step"),
        ({"step": "1H"}, 40038, "Invalid K-Line Step"),
        ({"start_time": NOW_S - 500 * 60}, 40039, "Invalid timestamp"),
        ({"start_time": NOW_S + 60}, 40039, "Invalid timestamp"),
        ({"start_time": "soon"}, 40039, "Invalid timestamp"),
    ],
)
async def test_kline_mistakes_are_refused(query: dict[str, str | int], code: int, message: str) -> None:
    good: dict[str, str | int] = {"symbol": "BTCUSDT", "step": 1, "start_time": NOW_S - 499 * 60, "end_time": NOW_S}
    async with still() as simulator:
        assert (await get(simulator, KLINE, key=None, **good)).status_code == 200
        reply = await get(simulator, KLINE, key=None, **(good | query))
    body = reply.json()
    assert (reply.status_code, body) == (400, {"code": code, "message": message, "trace": body["trace"]})


async def test_details_list_every_contract_truthfully() -> None:
    async with still() as simulator:
        symbols = (await data(simulator, "/contract/public/details"))["symbols"]
        (bitcoin,) = (await data(simulator, "/contract/public/details", symbol="BTCUSDT"))["symbols"]
        unknown = await get(simulator, "/contract/public/details", symbol="NOPEUSDT")
        day = await rows(simulator, step=5, start_time=NOW_S - 86_400 + 300, end_time=NOW_S)
    listed = {row["symbol"]: row for row in symbols}
    assert listed["BTCUSDT"] == bitcoin
    assert bitcoin == {
        "symbol": "BTCUSDT",
        "product_type": 1,
        "open_timestamp": 1_594_080_000_123,
        "expire_timestamp": 0,
        "settle_timestamp": 0,
        "base_currency": "BTC",
        "quote_currency": "USDT",
        "last_price": "64042.5",
        "volume_24h": "7612915",
        "turnover_24h": "487550108.8875",
        "index_price": "64042.5",
        "index_name": "BTCUSDT",
        "contract_size": "0.001",
        "min_leverage": "1",
        "max_leverage": "100",
        "price_precision": "0.1",
        "vol_precision": "1",
        "max_volume": "500000",
        "market_max_volume": "500000",
        "min_volume": "1",
        "funding_rate": "0.0001",
        "expected_funding_rate": "0.00011",
        "open_interest": "4134180",
        "open_interest_value": "264763222.65",
        "high_24h": "64554",
        "low_24h": "63474",
        "change_24h": "0.0081",
        "funding_interval_hours": 8,
        "funding_time": 1_790_179_200_000,
        "status": "Trading",
        "delist_time": 0,
        "tradfi_info": {},
    }
    assert abs(int(bitcoin["volume_24h"]) - sum(int(row["volume"]) for row in day)) < 50_000
    assert (listed["LINKUSDT"]["status"], listed["LINKUSDT"]["volume_24h"]) == ("Trading", "0")
    assert (listed["DEL001USDT"]["status"], listed["DEL001USDT"]["volume_24h"]) == ("Delisted", "0")
    assert (unknown.status_code, unknown.json()["code"], unknown.json()["message"]) == (400, 40012, "SYMBOL_NOT_EXIST")


async def test_details_may_be_a_large_body() -> None:
    async with still(symbols=1200, quiet_share=1.0, history_s=3600) as simulator:
        reply = await get(simulator, "/contract/public/details")
    assert len(reply.content) > 800_000
    assert len(reply.json()["data"]["symbols"]) == 1202


async def test_unknown_paths_are_answered_by_the_gateway() -> None:
    async with still() as simulator:
        reply = await get(simulator, "/contract/public/nothing")
        simulator.faults.gateway_message = True
        other = (await get(simulator, "/contract/public/nothing")).json()
    body = reply.json()
    assert (reply.status_code, body) == (404, {"trace": body["trace"], "msg": "Not found", "code": 30000})
    assert other == {"code": 30000, "message": "Not found", "trace": other["trace"]}


@pytest.mark.parametrize(("key", "code"), [("", 30001), ("somebody", 30002)])
async def test_private_paths_need_the_key(key: str, code: int) -> None:
    async with still() as simulator:
        reply = await get(simulator, "/contract/private/trades", key=key)
    assert (reply.status_code, reply.json()["code"]) == (401, code)


async def test_service_status() -> None:
    async with still() as simulator:
        before = await data(simulator, "/system/service")
        simulator.faults.maintenance = True
        after = await data(simulator, "/system/service")
    assert before == {
        "service": [
            {
                "title": "Contract API Stop",
                "service_type": "contract",
                "status": "2",
                "start_time": START - 86_400_000,
                "end_time": START - 86_400_000 + 360_000,
            }
        ]
    }
    assert after["service"][0]["status"] == "1"


@pytest.mark.parametrize(
    ("fault", "value", "status", "code"),
    [
        ("rest_429", True, 429, 30013),
        ("rest_418", True, 418, 30017),
        ("rest_500", True, 500, 59999),
        ("rest_gateway", 30016, 200, 30016),
    ],
)
async def test_faults_that_refuse_everything(fault: str, value: bool | int, status: int, code: int) -> None:  # noqa: FBT001 - a table's column
    async with Simulator(quiet(), faults=Faults()) as simulator:
        simulator.faults.set(fault, value)
        reply = await get(simulator, "/system/time")
    assert (reply.status_code, reply.json()["code"]) == (status, code)


async def test_faults_that_send_something_else() -> None:
    async with still() as simulator:
        window: dict[str, str | int] = {"step": 1, "start_time": NOW_S - 600, "end_time": NOW_S}
        faults = simulator.faults
        faults.rest_rubbish = True
        assert (await get(simulator, "/system/time")).text.startswith("<html>")
        faults.reset()
        faults.rest_403 = True
        assert (await get(simulator, "/system/time")).status_code == 403
        faults.reset()
        faults.rest_empty = True
        assert await rows(simulator, **window) == []
        faults.rest_null = True
        assert await rows(simulator, **window) is None
        faults.reset()
        faults.rest_early = 300.0
        assert (await rows(simulator, **window))[-1]["timestamp"] == NOW_S - 300 - 60
        faults.reset()
        faults.rest_truncate = True
        assert len(await rows(simulator, **(window | {"start_time": NOW_S - 36_000}))) == 500
        faults.rest_odd_bounds = True
        assert all(row["close_price"] != row["high_price"] for row in await rows(simulator, **window))


async def test_requests_can_be_slow() -> None:
    async with Simulator(quiet(rate=1.0), faults=Faults(rest_slow_s=0.2)) as simulator:
        before = simulator.now
        await get(simulator, "/system/time")
        assert simulator.now - before >= 200


async def test_orders_and_trades_over_rest() -> None:
    async with still() as simulator:
        account = simulator.account
        order_id = account.submit("BTCUSDT", 1, 10, price="60000", client_order_id="mine-1", at=START - 5000)
        account.fill(order_id, 4, "60000", at=START - 4000)
        row = {
            "order_id": order_id,
            "client_order_id": "mine-1",
            "price": "60000",
            "size": "10",
            "symbol": "BTCUSDT",
            "state": 2,
            "side": 1,
            "type": "limit",
            "position_mode": "hedge_mode",
            "leverage": "10",
            "open_type": "cross",
            "deal_avg_price": "60000",
            "deal_size": "4",
            "create_time": START - 5000,
            "update_time": START - 4000,
        }
        presets = {
            "preset_take_profit_price_type": 0,
            "preset_stop_loss_price_type": 0,
            "preset_take_profit_price": "",
            "preset_stop_loss_price": "",
        }
        assert await data(simulator, "/contract/private/get-open-orders") == [row | presets]
        assert await data(simulator, "/contract/private/get-open-orders", symbol="ETHUSDT") == []
        query: dict[str, str | int] = {"symbol": "BTCUSDT", "order_id": order_id}
        assert await data(simulator, "/contract/private/order", **query) == row | {"account": "futures"}
        assert await data(simulator, "/contract/private/order-history", symbol="BTCUSDT") == []
        account.cancel(order_id, at=START - 3000)
        assert await data(simulator, "/contract/private/get-open-orders") == []
        assert await data(simulator, "/contract/private/order-history", symbol="BTCUSDT") == [
            row
            | presets
            | {
                "state": 4,
                "update_time": START - 3000,
                "trigger_price": "0",
                "execution_price": "0",
                "account": "futures",
                "activation_price_type": 0,
                "activation_price": "0",
                "callback_rate": "0",
            }
        ]
        assert await data(simulator, "/contract/private/trades", symbol="BTCUSDT", order_id=order_id) == [
            {
                "order_id": order_id,
                "trade_id": "1790158800001",
                "symbol": "BTCUSDT",
                "side": 1,
                "price": "60000",
                "vol": "4",
                "exec_type": "Maker",
                "profit": False,
                "realised_profit": "0",
                "paid_fees": "0.048",
                "account": "futures",
                "create_time": START - 4000,
            }
        ]
        unknown = await get(simulator, "/contract/private/order", symbol="BTCUSDT", order_id="1")
        assert (unknown.status_code, unknown.json()["code"]) == (400, 40035)


async def test_windows_of_orders_and_trades() -> None:
    async with still() as simulator:
        account = simulator.account
        for day in (8, 6, 1):
            at = START - day * 86_400_000
            account.fill(account.submit("BTCUSDT", 1, 1, price="60000", at=at), 1, "60000", at=at)
        path = "/contract/private/trades"
        assert len(await data(simulator, path)) == 2
        assert len(await data(simulator, path, start_time=NOW_S - 9 * 86_400)) == 3
        edge = NOW_S - 6 * 86_400
        assert len(await data(simulator, path, start_time=edge, end_time=edge)) == 1
        for number in range(205):
            account.cancel(account.submit("BTCUSDT", 1, 1, price="60000", at=START - 1000 + number))
        found = await data(simulator, "/contract/private/order-history", symbol="BTCUSDT")
        assert len(found) == 200
        assert found[0]["create_time"] == START - 1000 + 204
        wide = await get(simulator, path, start_time=NOW_S - 91 * 86_400, end_time=NOW_S)
        nameless = await get(simulator, "/contract/private/order-history")
    assert [wide.json()["code"], nameless.json()["code"]] == [40039, 40007]


async def test_open_orders_are_cut_at_a_hundred() -> None:
    async with still() as simulator:
        for _ in range(103):
            simulator.account.submit("BTCUSDT", 1, 1, price="60000")
        path = "/contract/private/get-open-orders"
        assert [len(await data(simulator, path)), len(await data(simulator, path, limit=5))] == [100, 5]
        assert await data(simulator, path, order_state="partially_filled") == []
        assert (await get(simulator, path, limit=101)).status_code == 400


async def test_positions_with_and_without_a_symbol() -> None:
    path = "/contract/private/position-v2"
    async with still() as simulator:
        account = simulator.account
        account.fill(account.submit("BTCUSDT", 4, 5, price="60000"), 5, "60000", at=START)
        (held,) = await data(simulator, path)
        sides = await data(simulator, path, symbol="BTCUSDT")
    assert {name: held[name] for name in ("position_side", "position_amount", "entry_price", "open_type")} == {
        "position_side": "short",
        "position_amount": "5",
        "entry_price": "60000",
        "open_type": "cross",
    }
    assert [(row["position_side"], row["position_amount"]) for row in sides] == [("long", "0"), ("short", "5")]
    zero = sides[0]
    assert zero == {
        "symbol": "BTCUSDT",
        "leverage": "10",
        "timestamp": START,
        "current_fee": "0",
        "open_timestamp": 0,
        "current_value": "0",
        "mark_price": zero["mark_price"],
        "position_value": "0",
        "position_cross": "0",
        "maintenance_margin": "0",
        "close_vol": "0",
        "close_avg_price": "0",
        "open_avg_price": "0",
        "entry_price": "0",
        "current_amount": "0",
        "position_amount": "0",
        "realized_value": "0",
        "mark_value": "0",
        "account": "futures",
        "open_type": "cross",
        "position_side": "long",
        "unrealized_pnl": "0",
        "liquidation_price": "0",
        "max_notional_value": "500000",
        "initial_margin": "0",
    }


async def test_one_way_positions_are_signed() -> None:
    async with still(position_mode="one_way_mode") as simulator:
        account = simulator.account
        account.fill(account.submit("BTCUSDT", 4, 5, price="60000"), 5, "60000")
        (held,) = await data(simulator, "/contract/private/position-v2", symbol="BTCUSDT")
        assert (held["position_side"], held["position_amount"]) == ("both", "-5")
        assert await data(simulator, "/contract/private/get-position-mode") == {"position_mode": "one_way_mode"}


async def test_balances_and_plan_orders() -> None:
    async with still() as simulator:
        assets = await data(simulator, "/contract/private/assets-detail")
        assert await data(simulator, "/contract/private/current-plan-order") == []
    assert assets[0] == {
        "currency": "USDT",
        "position_deposit": "0",
        "frozen_balance": "0",
        "available_balance": "100000",
        "equity": "100000",
        "unrealized": "0",
    }
    assert [asset["currency"] for asset in assets] == ["USDT", "BTC", "ETH", "USDC"]


async def test_sockets_and_rest_name_the_same_trades() -> None:
    scenario = Scenario(start=START, rate=STANDSTILL, account_history_s=7200)
    async with Simulator(scenario) as simulator:
        trades = await data(simulator, "/contract/private/trades")
        fills = simulator.ledger.select("fill")
    assert [trade["trade_id"] for trade in trades] == [fill["trade_id"] for fill in fills][::-1][:200]
