"""Names of the intervals, and where candles open."""

from datetime import UTC, datetime

import pytest

from bridge.simulator.timeframes import MINUTE_MS, TIMEFRAMES, opening
from tests.simulator.clients import START


def test_the_nine_intervals_are_spelled_as_on_the_wire() -> None:
    assert [timeframe.wire for timeframe in TIMEFRAMES] == ["1m", "5m", "15m", "30m", "1H", "2H", "4H", "1D", "1W"]


@pytest.mark.parametrize(
    ("minutes", "opens"),
    [(1, "23 10:20"), (15, "23 10:15"), (60, "23 10:00"), (240, "23 08:00"), (1440, "23 00:00"), (10080, "21 00:00")],
)
def test_candles_open_on_the_clock_and_weeks_on_monday(minutes: int, opens: str) -> None:
    at = opening(START // MINUTE_MS, minutes, "monday") * 60
    assert datetime.fromtimestamp(at, UTC).strftime("%d %H:%M") == opens


def test_weeks_can_open_on_thursday() -> None:
    at = opening(START // MINUTE_MS, 10080, "thursday") * 60
    assert datetime.fromtimestamp(at, UTC).strftime("%d %a") == "17 Thu"
