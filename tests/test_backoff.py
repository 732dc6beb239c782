"""Waits between tries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.backoff import Backoff


@pytest.mark.parametrize(
    ("first_s", "cap_s", "ceilings"),
    [
        (5, 60, [5, 10, 20, 40, 60, 60]),
        (1, 1, [1, 1, 1]),
        (90, 60, [90, 90]),  # a first step that was asked for is not cut short
    ],
)
def test_the_ceiling_doubles_up_to_the_cap(first_s: float, cap_s: float, ceilings: list[float]) -> None:
    backoff = Backoff(first_s, cap_s, draw=lambda: 1.0)
    assert [backoff.next() for _ in ceilings] == ceilings


def test_a_wait_is_drawn_from_zero_up_to_the_ceiling() -> None:
    draws = iter([0.0, 0.5, 0.25])
    backoff = Backoff(8, 60, draw=lambda: next(draws))
    assert [backoff.next() for _ in range(3)] == [0, 8, 8]


def test_it_begins_again_after_a_try_that_held() -> None:
    backoff = Backoff(5, 60, draw=lambda: 1.0)
    assert [backoff.next(), backoff.next()] == [5, 10]
    backoff.reset()
    assert backoff.next() == 5


@given(draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=80))
def test_no_wait_is_ever_longer_than_the_cap(draws: list[float]) -> None:
    source = iter(draws)
    backoff = Backoff(5, 60, draw=lambda: next(source))
    assert all(0 <= backoff.next() <= 60 for _ in draws)
