"""The nine timeframes: their spelling, their length, where their periods begin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import UnknownTimeframeError
from bridge.timeframes import HOUR_MS, Timeframe

MONDAY_NOON = 1_785_758_400_000  # 2026-08-03T12:00:00Z
FLOORED = {
    Timeframe.M1: "12:59:00",
    Timeframe.M5: "12:55:00",
    Timeframe.M15: "12:45:00",
    Timeframe.M30: "12:30:00",
    Timeframe.H1: "12:00:00",
    Timeframe.H2: "12:00:00",
    Timeframe.H4: "12:00:00",
    Timeframe.D1: "12:00:00",  # the hour only: nobody says when an exchange's days begin
    Timeframe.W1: "12:00:00",
}


def test_there_are_nine() -> None:
    assert [*Timeframe] == ["1m", "5m", "15m", "30m", "1h", "2h", "4h", "1d", "1w"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        *((frame.value, frame) for frame in Timeframe),
        *((t.upper(), Timeframe(t)) for t in ("1h", "2h", "4h", "1d", "1w")),
    ],
)
def test_people_may_write_hours_days_and_weeks_in_either_case(written: str, meant: Timeframe) -> None:
    assert Timeframe.parse(written) is meant


@pytest.mark.parametrize("written", ["1M", "5M", "3m", "6h", "12H", "1", "m", "", " 1m", "1m ", "60", "1min", "1W1"])
def test_anything_else_is_refused_and_the_nine_are_named(written: str) -> None:
    with pytest.raises(UnknownTimeframeError, match="expected one of 1m 5m 15m 30m 1h 2h 4h 1d 1w"):
        Timeframe.parse(written)


def test_a_refusal_shows_only_the_beginning_of_what_was_written() -> None:
    with pytest.raises(UnknownTimeframeError) as refusal:
        Timeframe.parse("x" * 10_000)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(("frame", "clock"), FLOORED.items())
def test_a_time_is_floored_to_its_period(frame: Timeframe, clock: str) -> None:
    hours, minutes, seconds = map(int, clock.split(":"))
    expected = MONDAY_NOON + ((hours - 12) * 3600 + minutes * 60 + seconds) * 1000
    assert frame.floor(MONDAY_NOON + HOUR_MS - 1) == expected


@pytest.mark.parametrize("frame", Timeframe)
def test_a_period_ends_one_millisecond_before_the_next(frame: Timeframe) -> None:
    assert frame.last_ms(MONDAY_NOON) + 1 == MONDAY_NOON + frame.milliseconds


@given(frame=st.sampled_from(Timeframe), time_ms=st.integers(0, 10**14))
def test_flooring_twice_is_flooring_once(frame: Timeframe, time_ms: int) -> None:
    floored = frame.floor(time_ms)
    assert floored <= time_ms <= frame.last_ms(floored)
    assert frame.floor(floored) == floored
