"""Market time."""

import time

from bridge.simulator.clock import MarketClock
from tests.simulator.clients import START


def test_time_stands_still_until_it_begins() -> None:
    clock = MarketClock(1000.0, START)
    assert [clock.now(), clock.now()] == [START, START]


def test_time_runs_at_its_rate() -> None:
    clock = MarketClock(1000.0, START)
    before = time.monotonic()
    clock.begin()
    now = clock.now()
    assert 0 <= now - START <= (time.monotonic() - before) * 1_000_000 + 1


def test_beginning_twice_changes_nothing() -> None:
    clock = MarketClock(1.0, START)
    clock.begin()
    first = clock.now()
    clock.begin()
    assert clock.now() >= first


def test_the_default_start_is_the_time_of_the_host() -> None:
    assert abs(MarketClock(1.0, None).now() - time.time() * 1000) < 1000


def test_the_http_date_is_market_time() -> None:
    assert MarketClock(1.0, START).http_date() == "Wed, 23 Sep 2026 10:20:00 GMT"
