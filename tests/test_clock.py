"""Exchange time: the greatest claim, carried forward."""

from __future__ import annotations

import pytest

from bridge.clock import ExchangeClock, host_ms


class Monotonic:
    """A monotonic clock that moves when told."""

    def __init__(self) -> None:
        """Begin anywhere."""
        self.now_s = 1_000.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now_s


@pytest.fixture
def ours() -> Monotonic:
    return Monotonic()


def test_it_is_carried_forward_by_the_monotonic_clock(ours: Monotonic) -> None:
    clock = ExchangeClock(ours, start_ms=5_000)
    ours.now_s += 2.5
    assert clock.now_ms() == 7_500


def test_it_is_synchronised_by_the_first_claim(ours: Monotonic) -> None:
    clock = ExchangeClock(ours, start_ms=5_000)
    assert not clock.synchronised
    clock.observe(6_000)
    assert clock.synchronised


def test_the_first_claim_counts_even_if_it_is_earlier_than_the_start(ours: Monotonic) -> None:
    clock = ExchangeClock(ours, start_ms=5_000)
    clock.observe(1_000)
    assert clock.now_ms() == 1_000


def test_later_claims_only_move_it_forward(ours: Monotonic) -> None:
    clock = ExchangeClock(ours, start_ms=0)
    for claimed, expected in ((10_000, 10_000), (9_999, 10_000), (10_001, 10_001)):
        clock.observe(claimed)
        assert clock.now_ms() == expected


def test_a_claim_is_compared_with_the_time_that_has_passed_since_the_last(ours: Monotonic) -> None:
    clock = ExchangeClock(ours, start_ms=0)
    clock.observe(10_000)
    ours.now_s += 5
    clock.observe(12_000)
    assert clock.now_ms() == 15_000


def test_a_hurried_exchange_ages_faster(ours: Monotonic) -> None:
    clock = ExchangeClock(ours, start_ms=0, rate=60)
    ours.now_s += 1
    assert (clock.now_ms(), clock.rate) == (60_000, 60)


def test_a_change_of_rate_counts_from_now_on(ours: Monotonic) -> None:
    clock = ExchangeClock(ours, start_ms=0)
    ours.now_s += 1
    clock.run_at(10)
    assert clock.now_ms() == 1_000
    ours.now_s += 1
    assert (clock.now_ms(), clock.rate) == (11_000, 10)


def test_host_time_is_a_date_in_milliseconds() -> None:
    before = host_ms()
    assert 1_700_000_000_000 < before <= host_ms() < 10_000_000_000_000
