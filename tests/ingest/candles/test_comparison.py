"""Two statements about one candle."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ingest.candles.comparison import behind, both, less, same
from tests.ingest.rig import START, candle


@pytest.mark.parametrize(
    "change",
    [
        {"volume": "4"},
        {"volume": "4.99"},
        {"volume": "0"},
        {"high": "100.9"},
        {"low": "99.1"},
        {"volume": "6", "high": "100"},
        {"volume": "6", "low": "99.000001"},
    ],
)
def test_less_volume_or_a_narrower_range_is_behind(change: dict[str, str]) -> None:
    assert behind(candle(0, **change), candle(0))


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"volume": "5.0", "high": "101.00", "low": "099"},
        {"volume": "6"},
        {"high": "102"},
        {"low": "98"},
        {"open": "1", "close": "100.5"},
        {"volume": "10"},
        {"high": "1000", "low": "9"},
    ],
)
def test_as_much_or_more_is_not_behind_numbers_not_texts_being_compared(change: dict[str, str]) -> None:
    assert not behind(candle(0, **change), candle(0))


@given(*[st.integers(0, 10**6).map(str) | st.decimals(0, 10**6, places=3).map(str)] * 2)
def test_less_is_what_a_decimal_says_however_a_number_is_spelled(one: str, other: str) -> None:
    assert less(one, other) == (Decimal(one) < Decimal(other))


def test_the_same_figures_are_the_same_however_they_are_spelled_and_wherever_they_come_from() -> None:
    other = candle(0, open="100.0", high="1.01e2", low="99.", close="0100", volume="5.000", source="rest", closed=1)
    assert same(candle(0), other)
    assert same(candle(0, volume=""), candle(0, volume="0.00"))


@pytest.mark.parametrize("name", ["open", "high", "low", "close", "volume"])
def test_one_other_figure_makes_another_candle(name: str) -> None:
    assert not same(candle(0), candle(0, **{name: "7"}))


def test_both_are_told_in_words() -> None:
    assert (
        both(candle(0), candle(0, volume="7", source="rest")) == f"{START} ws: 100 101 99 100 5; rest: 100 101 99 100 7"
    )
    assert both(candle(0), None) == f"{START} ws: 100 101 99 100 5; rest: no such candle"
