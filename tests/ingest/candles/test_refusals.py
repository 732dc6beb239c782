"""Contracts that REST does not know: asked for ever more seldom, after all others, and never given up."""

from __future__ import annotations

from bridge.ingest.candles.refusals import Refusals

MINUTE_MS = 60_000
NOW = 1_790_158_800_000


def test_what_was_never_refused_is_due_when_it_says() -> None:
    refusals = Refusals()
    refusals.asked("BTCUSDT", NOW)
    refusals.refused("NOPEUSDT", NOW)
    assert refusals.deadline("BTCUSDT", NOW, NOW) == NOW


def test_each_request_in_vain_is_followed_by_a_longer_wait_up_to_a_quarter_of_an_hour() -> None:
    refusals, now, waits = Refusals(), NOW, []
    refusals.refused("NOPEUSDT", now)
    for _ in range(7):
        began = now
        while refusals.deadline("NOPEUSDT", NOW, now) is None:
            now += 1_000
        waits.append((now - began) // MINUTE_MS)
        refusals.asked("NOPEUSDT", now)
        refusals.refused("NOPEUSDT", now + 500)
    assert waits == [1, 2, 4, 8, 15, 15, 15]


def test_one_request_asks_for_all_series_of_a_contract() -> None:
    refusals = Refusals()
    refusals.refused("NOPEUSDT", NOW)
    refusals.refused("NOPEUSDT", NOW + 10)  # the answer to one that left before the first came
    assert refusals.deadline("NOPEUSDT", NOW, NOW + MINUTE_MS) is not None
    refusals.asked("NOPEUSDT", NOW + MINUTE_MS)
    assert refusals.deadline("NOPEUSDT", NOW, NOW + MINUTE_MS) is None


def test_others_go_first_for_as_long_as_it_has_waited() -> None:
    refusals = Refusals()
    refusals.refused("NOPEUSDT", NOW)
    assert refusals.deadline("NOPEUSDT", NOW - MINUTE_MS, NOW + MINUTE_MS) == NOW + 2 * MINUTE_MS
    assert refusals.deadline("NOPEUSDT", NOW + 3 * MINUTE_MS, NOW + MINUTE_MS) == NOW + 3 * MINUTE_MS


def test_one_that_is_known_again_is_asked_for_as_ever() -> None:
    refusals = Refusals()
    refusals.refused("NEWUSDT", NOW)
    refusals.forget("NEWUSDT")
    refusals.forget("BTCUSDT")
    assert refusals.deadline("NEWUSDT", NOW, NOW) == NOW
