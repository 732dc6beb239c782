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


def test_a_state_that_follows_the_newest_with_the_same_range_is_kept_without_a_closer_look() -> None:
    shown = Shown(cap=10)
    first, second, third = candle(1, volume="5"), candle(1, volume="6"), candle(1, volume="7")
    assert not shown.grown(first, None)
    shown.take(first, tail=None)
    assert shown.grown(second, first)
    assert not shown.grown(third, first), "the newest is another by now"
    assert not shown.grown(candle(1, volume="7", high="102"), second), "a wider range wants a closer look"
    assert not shown.grown(candle(1, volume="7", low="98"), second)
    assert (shown.get(START + M), len(shown), START + M in shown) == (second, 1, True)
    shown.take(candle(2), tail=None)
    shown.take(candle(1, volume="3"), tail=None)
    assert shown.get(START + M) == second, "nothing is lost of a candle when the next one comes"
    shown.forget(START + 2 * M)
    assert (len(shown), shown.get(START + M), shown.get(START + 2 * M)) == (0, None, None)
    assert not shown.grown(third, second), "what is written is not taken up again"


def test_a_topic_that_shows_anything_is_not_mute() -> None:
    shown = Shown(cap=10)
    shown.listening(START)
    first = candle(3)
    shown.take(first, tail=None)
    shown.traded(START + 4 * M)
    assert shown.mute_periods == 1
    assert shown.grown(candle(3, volume="6"), first)
    assert shown.mute_periods == 0


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
