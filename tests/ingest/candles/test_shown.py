"""What the socket showed: kept in its fullest state, for as long as it is needed and no longer."""

from __future__ import annotations

from bridge.ingest.candles.shown import MUTE_PERIODS, Shown
from tests.ingest.rig import START, candle

M = 60_000


def test_each_candle_is_kept_in_the_fullest_state_that_was_shown() -> None:
    shown = Shown(cap=10)
    for volume in ("5", "9", "3"):
        shown.take(candle(1, volume=volume), tail=None)
    kept = shown.get(START + M)
    assert kept is not None
    assert (len(shown), kept.volume) == (1, "9")


def test_what_was_shown_is_kept_up_to_the_cap_and_forgotten_once_written() -> None:
    shown = Shown(cap=10)
    for period in range(1, 40):
        shown.take(candle(period), tail=candle(0))
    assert (len(shown), shown.first, shown.newest) == (10, START + 30 * M, START + 39 * M)
    shown.forget(START + 38 * M)
    assert list(shown) == [START + 39 * M]
    shown.take(candle(37), tail=candle(38))
    assert list(shown) == [START + 39 * M]


def test_of_nothing_there_is_neither_a_first_nor_a_newest() -> None:
    shown = Shown(cap=10)
    assert (len(shown), shown.first, shown.newest) == (0, None, -1)


def test_a_period_counts_as_listened_to_from_its_open_on() -> None:
    shown = Shown(cap=10)
    assert not shown.listened(START)
    shown.listening(START + 1)
    shown.listening(START + 5)
    assert (shown.listened(START), shown.listened(START + 1), shown.since) == (False, True, START + 1)
    shown.listening(None)
    assert not shown.listened(START + 1)


def test_trades_of_a_period_older_than_what_was_shown_since_do_not_make_a_topic_mute() -> None:
    shown = Shown(cap=10)
    shown.listening(START)
    shown.take(candle(3), tail=None)
    for period in (1, 2):
        shown.traded(START + period * M)
    assert shown.mute_periods == 0
    for period in range(4, 4 + MUTE_PERIODS):
        assert not shown.mute()
        shown.traded(START + period * M)
    assert shown.mute()
