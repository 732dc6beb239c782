"""The nine kline intervals, and where their candles open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.simulator.scenario import WeekStart

MINUTE_MS = 60_000
HOUR = 60
DAY = 24 * HOUR
WEEK = 7 * DAY

# Unix time began on a Thursday, so the first Monday opened four days later.
_MONDAY = 4 * DAY


@dataclass(frozen=True, slots=True)
class Timeframe:
    """A kline interval.

    Attributes:
        name: Its name in our ledger: lower case throughout.
        wire: Its name in a topic: minutes in lower case, H, D and W in capitals (documented; 1m, 5m, 15m and 1H
            observed on the wire, `1h` and `3m` observed to be refused).
        minutes: Its length.
    """

    name: str
    wire: str
    minutes: int


TIMEFRAMES = (
    Timeframe("1m", "1m", 1),
    Timeframe("5m", "5m", 5),
    Timeframe("15m", "15m", 15),
    Timeframe("30m", "30m", 30),
    Timeframe("1h", "1H", HOUR),
    Timeframe("2h", "2H", 2 * HOUR),
    Timeframe("4h", "4H", 4 * HOUR),
    Timeframe("1d", "1D", DAY),
    Timeframe("1w", "1W", WEEK),
)
BY_NAME = {timeframe.name: timeframe for timeframe in TIMEFRAMES}
BY_WIRE = {timeframe.wire: timeframe for timeframe in TIMEFRAMES}

# The `step` values of the REST candles (documented); 3, 360, 720 and 4320 have no topic.
REST_STEPS = frozenset({1, 3, 5, 15, 30, HOUR, 2 * HOUR, 4 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 3 * DAY, WEEK})


def opening(minute: int, length: int, week_starts_on: WeekStart) -> int:
    """The minute (since 1970) at which the candle of `length` minutes around `minute` opens.

    All lengths are aligned to Unix time (observed for 1m, 5m and 1H; our choice above); weeks as told.
    """
    shift = _MONDAY if length == WEEK and week_starts_on == "monday" else 0
    return (minute - shift) // length * length + shift
