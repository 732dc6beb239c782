"""When a series asks REST, and which of many asks first."""

from __future__ import annotations

import pytest

from bridge.timeframes import Timeframe
from tests.ingest.candles.samples import M, S, at, made, prove, rows, shown


def test_a_series_is_due_when_its_next_candle_can_be_proven() -> None:
    series = made(0)
    assert (series.due(at(2, 9.9)), series.due(at(2, 10))) == (None, at(2, 30))
    series.show(shown(1))
    assert (series.due(at(2, 2.9)), series.due(at(2, 3))) == (None, at(2, 30))


@pytest.mark.parametrize(
    ("timeframe", "allowed_s"),
    [("1m", 30), ("5m", 30), ("15m", 90), ("30m", 180), ("1h", 300), ("4h", 300), ("1d", 300), ("1w", 300)],
)
def test_the_deadline_is_a_tenth_of_the_length_within_bounds(timeframe: str, allowed_s: int) -> None:
    frame = Timeframe(timeframe)
    assert made(0, timeframe=frame).due(at(3, 0, frame)) == at(2, allowed_s, frame)


def test_of_many_series_the_one_waiting_longest_is_first_whatever_its_length() -> None:
    minutes = [made(59 - missing, now=60) for missing in (1, 3, 2)]
    hour = made(-1, timeframe=Timeframe.H1)
    fresh = made(None, now=60)
    dues = [series.due(at(61)) for series in (*minutes, hour, fresh)]
    assert dues == [at(60, 30), at(58, 30), at(59, 30), at(65), at(60, 30)]


def test_a_fruitless_call_is_repeated_ever_later_and_a_fruitful_one_at_once() -> None:
    series, now = made(0), at(2, 10)
    waits = []
    for _ in range(8):
        prove(series, [], now, now)
        asked_at = now
        while series.due(now) is None:
            now += S
        waits.append((now - asked_at) // S)
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60]
    assert prove(series, rows(0, 1), now, now)[0] == (1, "rest")
    now = at(9)
    assert series.due(now) is not None
    series.failed(now, 0)
    assert (series.due(now + 1_999), series.due(now + 2_000) is None) == (None, False)


def test_how_long_the_oldest_candle_waits_is_told() -> None:
    series = made(0)
    assert (series.lag_ms(at(1, 59)), series.lag_ms(at(2, 5)), series.lag_ms(at(7))) == (0, 5 * S, 5 * M)
    assert made(None).lag_ms(at(7)) == 0
