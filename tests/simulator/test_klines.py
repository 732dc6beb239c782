"""Kline pushes over real sockets, and what they have to do with the truth."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bridge.simulator import Faults, Simulator
from tests.simulator.clients import STANDSTILL, START, Frame, data, public, quiet

MINUTE = 60_000
KLINE = "futures/klineBin1m:BTCUSDT"


def still(**fields: object) -> Simulator:
    """A simulator that stands half a minute into a candle and pushes it on subscribing."""
    return Simulator(quiet(rate=STANDSTILL, start=START + 30_000, **fields), faults=Faults(kline_snapshot=True))


async def test_a_frame_has_the_captured_shape() -> None:
    async with still() as simulator, public(simulator) as talk:
        await talk.subscribe(KLINE)
        assert await talk.next() == {
            "group": "futures/klineBin1m:BTCUSDT",
            "data": {
                "symbol": "BTCUSDT",
                "items": [
                    {"o": "64056.3", "h": "64085.1", "l": "64056.3", "c": "64065.3", "v": "674", "ts": 1_790_158_800},
                ],
            },
        }


async def test_the_flat_shape_of_the_documentation() -> None:
    async with still() as simulator, public(simulator) as talk:
        simulator.faults.flat_klines = simulator.faults.ts_plus_1s = True
        simulator.faults.group_suffix = "@100ms"
        await talk.subscribe(KLINE)
        assert await talk.next() == {
            "group": "futures/klineBin1m:BTCUSDT@100ms",
            "data": {
                "symbol": "BTCUSDT",
                "o": "64056.3",
                "h": "64085.1",
                "l": "64056.3",
                "c": "64065.3",
                "v": "674",
                "ts": 1_790_158_801,
            },
        }


async def test_two_items_carry_the_previous_candle_first() -> None:
    async with still() as simulator, public(simulator) as talk:
        simulator.faults.two_items = True
        await talk.subscribe("futures/klineBin5m:BTCUSDT")
        items = (await talk.next())["data"]["items"]
        assert [item["ts"] for item in items] == [1_790_158_500, 1_790_158_800]


async def test_all_nine_intervals_are_pushed_with_their_openings() -> None:
    intervals = ["1m", "5m", "15m", "30m", "1H", "2H", "4H", "1D", "1W"]
    async with still() as simulator, public(simulator) as talk:
        opens = {}
        for interval in intervals:
            await talk.subscribe(f"futures/klineBin{interval}:ETHUSDT")
            frame = await talk.next()
            opens[interval] = START // 1000 - frame["data"]["items"][0]["ts"]
    assert opens == {
        "1m": 0,
        "5m": 0,
        "15m": 300,
        "30m": 1200,
        "1H": 1200,
        "2H": 1200,
        "4H": 8400,
        "1D": 37_200,
        "1W": 37_200 + 2 * 86_400,
    }


async def minutes(simulator: Simulator, topic: str, count: int) -> dict[int, list[Frame]]:
    """What is pushed of a topic until `count` candles were seen to begin, by open time in ms."""
    pushed: dict[int, list[Frame]] = {}
    async with public(simulator) as talk:
        await talk.subscribe(topic)
        while len(pushed) <= count:
            item = (await talk.data(topic))["items"][0]
            pushed.setdefault(item["ts"] * 1000, []).append(item)
    return pushed


async def test_every_push_is_a_state_on_the_way_to_the_true_candle() -> None:
    async with Simulator(quiet(rate=40.0)) as simulator:
        pushed = await minutes(simulator, KLINE, 3)
        truth = {
            fact["open_time"]: fact for fact in simulator.ledger.select("candle", symbol="BTCUSDT", timeframe="1m")
        }
    complete = list(pushed)[1:-1]
    assert complete
    assert list(pushed) == sorted(pushed)
    for opened in complete:
        final, states = truth[opened], pushed[opened]
        volumes = [int(state["v"]) for state in states]
        assert volumes == sorted(set(volumes))
        assert volumes[-1] <= int(str(final["volume"]))
        assert 3 <= len(states) <= 31
        for state in states:
            assert state["o"] == final["open"]
            assert Decimal(str(final["low"])) <= Decimal(state["l"]) <= Decimal(state["c"])
            assert Decimal(state["c"]) <= Decimal(state["h"]) <= Decimal(str(final["high"]))


async def test_rest_the_ledger_and_the_truth_agree() -> None:
    async with Simulator(quiet(rate=600.0)) as simulator:
        pushed = await minutes(simulator, "futures/klineBin5m:BTCUSDT", 3)
        ledger = simulator.ledger.select("candle", symbol="BTCUSDT", timeframe="5m")
        opened, last = int(str(ledger[0]["open_time"])), int(str(ledger[-1]["open_time"]))
        rows = await data(
            simulator,
            "/contract/public/kline",
            symbol="BTCUSDT",
            step=5,
            start_time=opened // 1000,
            end_time=last // 1000,
        )
        truth = list(simulator.truth_candles("BTCUSDT", "5m", opened, last + 1))
    assert opened in pushed
    assert ledger == truth
    assert [
        {
            "timestamp": int(str(fact["open_time"])) // 1000,
            "open_price": fact["open"],
            "close_price": fact["close"],
            "high_price": fact["high"],
            "low_price": fact["low"],
            "volume": fact["volume"],
        }
        for fact in truth
    ] == rows


async def test_quiet_symbols_push_nothing_in_empty_minutes() -> None:
    async with Simulator(quiet(rate=1200.0)) as simulator:
        pushed = await minutes(simulator, "futures/klineBin1m:ADAUSDT", 4)
        facts = list(simulator.truth_candles("ADAUSDT", "1m", START, max(pushed) + MINUTE))
    empty = {fact["open_time"] for fact in facts if fact["volume"] == "0"}
    assert empty
    assert not empty & set(pushed)


async def test_the_end_of_candles_can_be_withheld() -> None:
    async with Simulator(quiet(rate=120.0), faults=Faults(withhold_last=30)) as simulator:
        pushed = await minutes(simulator, KLINE, 2)
        contract = simulator.market.charts["BTCUSDT"]
        opened = list(pushed)[1]
        half = contract.until(opened // MINUTE, opened + 30_000)
    assert half is not None
    assert int(pushed[opened][-1]["v"]) <= half.volume


async def test_a_superseded_candle_can_be_pushed_once_more() -> None:
    async with Simulator(quiet(), faults=Faults(late_updates=True)) as simulator, public(simulator) as talk:
        await talk.subscribe(KLINE)
        opened: list[int] = []
        while len(opened) < 3 or opened[-1] >= opened[-2]:
            item = (await talk.data(KLINE))["items"][0]
            opened.append(item["ts"])
        (truth,) = simulator.truth_candles("BTCUSDT", "1m", opened[-1] * 1000, opened[-1] * 1000 + 1)
    assert item["v"] == truth["volume"]
    assert opened[-2] == opened[-1] + 60


@pytest.mark.parametrize("topic", ["futures/klineBin1m:LINKUSDT", "futures/ticker:BTCUSDT"])
async def test_some_topics_are_acknowledged_and_stay_silent(topic: str) -> None:
    async with Simulator(quiet(rate=240.0)) as simulator, public(simulator) as talk:
        assert (await talk.subscribe(topic, KLINE))[0]["success"]
        groups = {(await talk.next())["group"] for _ in range(20)}
    assert groups == {KLINE}


async def test_an_unsubscribed_topic_falls_silent() -> None:
    other = "futures/klineBin1m:ETHUSDT"
    async with Simulator(quiet(rate=240.0)) as simulator, public(simulator) as talk:
        await talk.subscribe(KLINE, other)
        await talk.data(KLINE)
        await talk.send(action="unsubscribe", args=[KLINE])
        await talk.until(lambda frame: frame.get("action") == "unsubscribe")
        groups = {(await talk.next())["group"] for _ in range(20)}
    assert groups == {other}
