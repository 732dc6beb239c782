"""The truth, in memory and on disk."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

from bridge.simulator import Ledger, Scenario, Simulator
from tests.simulator.clients import STANDSTILL, START, public, quiet

if TYPE_CHECKING:
    from pathlib import Path


async def test_the_file_says_what_the_memory_says(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    scenario = Scenario(start=START, rate=600.0)
    async with Simulator(scenario, ledger_path=path) as simulator, public(simulator) as talk:
        await talk.subscribe("futures/klineBin5m:BTCUSDT")
        for _ in range(30):
            await talk.next()
    facts = [json.loads(line) for line in path.read_text().splitlines()]
    assert facts == simulator.ledger.facts
    assert {fact["fact"] for fact in facts} == {"candle", "order", "fill", "position"}
    assert {"1m", "5m"} <= {fact["timeframe"] for fact in facts if fact["fact"] == "candle"}


async def test_facts_by_hand_to_the_last_digit() -> None:
    async with Simulator(quiet(rate=STANDSTILL)) as simulator:
        account = simulator.account
        order_id = account.submit("BTCUSDT", 4, 5, price="60000", at=START + 1)
        account.fill(order_id, 5, "60000", at=START + 2)
        submitted, filled, fill, position = simulator.ledger.facts
    assert submitted == {
        "fact": "order",
        "at": START + 1,
        "order_id": "3179015880000001",
        "client_order_id": "",
        "symbol": "BTCUSDT",
        "side": 4,
        "type": "limit",
        "price": "60000",
        "size": "5",
        "state": 2,
        "action": 2,
        "deal_size": "0",
        "deal_avg_price": "0",
        "create_time": START + 1,
        "update_time": START - 3,
    }
    assert filled == submitted | {
        "at": START + 2,
        "state": 4,
        "action": 1,
        "deal_size": "5",
        "deal_avg_price": "60000",
        "update_time": START + 2,
    }
    assert fill == {
        "fact": "fill",
        "at": START + 2,
        "trade_id": "1790158800001",
        "order_id": order_id,
        "symbol": "BTCUSDT",
        "side": 4,
        "price": "60000",
        "size": "5",
        "fee": "0.06",
        "fee_currency": "USDT",
        "exec_type": "Maker",
    }
    assert position == {
        "fact": "position",
        "at": START + 2,
        "symbol": "BTCUSDT",
        "position_side": "short",
        "volume": "-5",
        "entry_price": "60000",
    }


def test_the_memory_keeps_the_newest_facts() -> None:
    ledger = Ledger()
    for number in range(250_001):
        ledger.note({"fact": "fill", "at": number})
    assert (len(ledger.facts), ledger.dropped, ledger.facts[0]["at"]) == (200_001, 50_000, 50_000)


def test_truth_includes_history_and_empty_periods() -> None:
    simulator = Simulator(quiet(history_s=7200))
    facts = list(simulator.truth_candles("ADAUSDT", "1m", START - 3_600_000, START))
    assert [fact["open_time"] for fact in facts] == list(range(START - 3_600_000, START, 60_000))
    for before, fact in pairwise(facts):
        if fact["volume"] == "0":
            assert [fact[name] for name in ("open", "high", "low", "close")] == [before["close"]] * 4
    (dead,) = simulator.truth_candles("LINKUSDT", "1h", START - 4_800_000, START - 4_799_999)
    assert dead == {
        "fact": "candle",
        "symbol": "LINKUSDT",
        "timeframe": "1h",
        "open_time": START - 4_800_000,
        "open": None,
        "high": None,
        "low": None,
        "close": None,
        "volume": "0",
    }
    hours = list(simulator.truth_candles("BTCUSDT", "1h", 0, START))
    assert [START - int(str(fact["open_time"])) for fact in hours] == [8_400_000, 4_800_000, 1_200_000]
