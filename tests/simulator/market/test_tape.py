"""Trades, and the candles they add up to."""

import pytest

from bridge.simulator import Scenario
from bridge.simulator.market.candles import joined
from bridge.simulator.market.chart import Chart
from bridge.simulator.market.contracts import listing
from bridge.simulator.market.tape import Tape
from bridge.simulator.timeframes import DAY, HOUR, MINUTE_MS, WEEK
from tests.simulator.clients import START

NOW = START // MINUTE_MS
CONTRACTS = listing(Scenario())


@pytest.mark.parametrize("symbol", ["BTCUSDT", "DOGEUSDT", "ADAUSDT"])
def test_the_trades_of_a_minute_add_up_to_its_candle(symbol: str) -> None:
    tape = Tape(1, CONTRACTS[symbol])
    for minute in range(NOW, NOW + 200):
        assert tape.trades(minute).candle(MINUTE_MS) == tape.candle(minute)


def test_a_seed_tells_one_story() -> None:
    minutes = range(NOW, NOW + 20)
    stories = [[Tape(seed, CONTRACTS["BTCUSDT"]).candle(minute) for minute in minutes] for seed in (1, 1, 2)]
    assert stories[0] == stories[1] != stories[2]


def test_trades_happen_at_ascending_times_within_their_minute() -> None:
    times = Tape(1, CONTRACTS["BTCUSDT"]).trades(NOW).times
    assert times == sorted(set(times))
    assert 0 <= times[0] < times[-1] < MINUTE_MS


def test_sparse_contracts_have_empty_minutes_and_dead_ones_nothing_else() -> None:
    minutes = range(NOW, NOW + 300)
    traded = {
        symbol: sum(Tape(1, CONTRACTS[symbol]).candle(minute) is not None for minute in minutes)
        for symbol in ("BTCUSDT", "ADAUSDT", "LINKUSDT")
    }
    assert traded["BTCUSDT"] == 300
    assert 60 < traded["ADAUSDT"] < 150
    assert traded["LINKUSDT"] == 0


def test_prices_stay_near_their_level_for_years() -> None:
    contract = CONTRACTS["SOLUSDT"]
    tape = Tape(7, contract)
    closes = [candle.close for day in range(0, 1000, 9) if (candle := tape.candle(NOW + day * DAY))]
    assert all(abs(close - contract.price) < contract.price // 10 for close in closes)


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ADAUSDT", "LINKUSDT"])
def test_every_longer_candle_is_the_sum_of_its_minutes(symbol: str) -> None:
    tape = Tape(1, CONTRACTS[symbol])
    first = NOW // HOUR * HOUR - 2 * DAY
    chart = Chart(tape, first)
    for start, length in [
        (NOW, 5),
        (NOW - 7, 15),
        (first, HOUR),
        (first + 60, 4 * HOUR),
        (first, DAY),
        (first - DAY, WEEK),
    ]:
        minutes = [tape.candle(minute) for minute in range(max(start, first), start + length)]
        assert chart.span(start, start + length) == joined(minutes)


def test_a_candle_grows_trade_by_trade() -> None:
    tape = Tape(1, CONTRACTS["BTCUSDT"])
    chart = Chart(tape, NOW - HOUR)
    trades = tape.trades(NOW)
    states = [chart.until(NOW, NOW * MINUTE_MS + time) for time in trades.times]
    assert [state.volume for state in states if state] == trades.volumes
    assert chart.until(NOW, NOW * MINUTE_MS + trades.times[0] - 1) is None


def test_the_last_close_is_found_behind_empty_minutes_and_never_before_the_history() -> None:
    tape = Tape(1, CONTRACTS["ADAUSDT"])
    chart = Chart(tape, NOW - 200)
    closes = [candle.close for minute in range(NOW - 200, NOW) if (candle := tape.candle(minute))]
    assert chart.last_close(NOW) == closes[-1]
    assert chart.last_close(NOW - 200) is None
    assert chart.span(NOW - 400, NOW - 200) is None
