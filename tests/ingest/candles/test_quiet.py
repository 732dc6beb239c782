"""Periods without a trade: what is empty, and what only seems to be."""

from __future__ import annotations

import pytest

from bridge.ingest.candles.closed import How
from bridge.timeframes import Timeframe
from tests.ingest.candles.samples import MOST, Cells, answer, asked, at, cells, honest, made, prove, row, rows, shown


def test_a_period_without_a_row_is_empty_ten_seconds_after_its_end_with_the_close_before_it() -> None:
    series = made(0, since=1)
    assert prove(series, rows(0), at(2, 9.9)) == []
    (closed,) = series.prove(rows(0), series.window(at(2, 10), MOST), at(2, 10), at(2, 11))
    assert closed.kline == row(
        1, open="1000", high="1000", low="1000", close="1000", volume="0", closed=1, source="empty"
    )


def test_an_absence_needs_a_later_row_or_the_socket_or_a_minute() -> None:
    assert prove(made(0), rows(0), at(2, 11)) == []
    assert prove(made(0), rows(0, 2), at(2, 11)) == [(1, "empty")]
    assert prove(made(0, since=1), rows(0), at(2, 11)) == [(1, "empty")]
    assert prove(made(0, since=2), rows(0), at(2, 11)) == []
    assert prove(made(0), rows(0), at(2, 59)) == []
    assert prove(made(0), rows(0), at(3, 0)) == [(1, "empty")]


def test_listening_that_was_interrupted_counts_from_when_it_went_on() -> None:
    series = made(0, since=0)
    series.listening(at(0, 30))
    assert series.listening_since == at(0)
    series.listening(None)
    series.listening(at(1, 30))
    assert prove(series, rows(0), at(2, 11)) == []
    assert prove(series, rows(0), at(3, 15)) == [(1, "empty"), (2, "empty")]


def test_an_absence_is_none_without_the_last_candle_that_traded() -> None:
    series = made(0)
    assert answer(series, [0], at(6, 30)) == [(period, "empty") for period in range(1, 5)]
    for replied in ([], rows(-3, -2)):
        assert prove(series, replied, at(9, 30)) == []
    assert asked(series.window(at(9, 30), MOST)) == (0, 9)
    assert prove(series, rows(7), at(9, 30)) == [(5, "empty"), (6, "empty"), (7, "rest")]


def test_what_the_socket_showed_is_not_empty_whatever_rest_lacks() -> None:
    series = made(0, since=0)
    series.show(shown(2))
    assert prove(series, rows(0, 3), at(3, 30)) == [(1, "empty")]
    assert prove(series, rows(0, 2, 3), at(3, 40)) == [(2, "rest")]


def test_a_row_without_volume_is_an_empty_period_and_no_sooner_than_an_absence() -> None:
    flat = row(1, volume="0.000", open="7", high="7", low="7", close="7")
    series = made(0)
    assert prove(series, [row(0), flat], at(2, 9)) == []
    assert prove(series, [row(0), flat], at(2, 10)) == [(1, "empty")]
    assert asked(series.window(at(3, 30), MOST))[0] == 0, "a row without volume is no anchor"


def test_after_a_restart_in_a_quiet_stretch_the_last_trade_is_looked_for_in_the_past() -> None:
    series = made(row(300, source="empty", closed=1))
    window = series.window(at(302, 15), MOST)
    assert asked(window) == (302 - 497, 302)
    assert answer(series, [40], at(302, 15)) == []
    assert asked(series.window(at(302, 30), MOST)) == (40, 302), "where it is known, no more is asked for"
    assert answer(series, [40], at(303, 0)) == [(301, "empty")]


@pytest.mark.parametrize("silence", [497, 600, 1_439, 9_000, 40_000])
def test_a_symbol_silent_for_longer_than_an_answer_reaches_goes_on(silence: int) -> None:
    for source, market in (("empty", [0]), ("rest", [0])):
        tail = row(silence if source == "empty" else 0, source=source, closed=1)
        series = made(tail, cap=10**6, since=silence)
        end = silence + 5
        for _ in range(2_000):
            if series.tail is not None and series.tail.open_time == at(end - 1):
                break
            got = answer(series, market, at(end, 15))
            assert {each for _, each in got} <= {"empty"}
        assert series.tail is not None
        assert series.tail.open_time == at(end - 1)


def test_an_empty_stream_of_a_symbol_silent_for_long_begins_in_that_silence() -> None:
    series = made(None, now=900)
    window = series.window(at(900, 15), MOST)
    assert series.prove([], window, at(900, 15), at(900, 16)) == []
    window = series.window(at(900, 20), MOST)
    assert window.timeframe is Timeframe.M5
    proven = series.prove(honest(window, series, [100, 200]), window, at(900, 20), at(900, 21))
    assert [(each.how, *cells(series, [each])) for each in proven] == [(How.START, (898, "empty"))]
    assert proven[0].kline.close == "1200"
    assert answer(series, [200], at(901, 0)) == [(899, "empty")]


def test_what_the_socket_showed_long_ago_does_not_keep_a_stream_from_beginning() -> None:
    for last, begun in ((200, [(898, "empty")]), (202, [(898, "empty")]), (300, [])):
        series = made(None, now=900)
        series.show(shown(last))
        series.prove([], series.window(at(900, 15), MOST), at(900, 15), at(900, 16))
        window = series.window(at(900, 20), MOST)
        proven = series.prove(honest(window, series, [200]), window, at(900, 20), at(900, 21))
        assert cells(series, proven) == begun


def test_too_large_a_hole_of_a_symbol_silent_for_long_is_jumped_over_all_the_same() -> None:
    series = made(0, cap=100)
    assert answer(series, [0, 1], at(900, 15)) == []
    window = series.window(at(900, 20), MOST)
    assert (window.how, window.timeframe) == (How.JUMP, Timeframe.M5)
    (closed,) = series.prove(honest(window, series, [0, 500]), window, at(900, 20), at(900, 21))
    assert (closed.how, cells(series, [closed])) == (How.JUMP, [(898, "empty")])


def test_a_stream_does_not_begin_in_a_silence_that_may_be_over() -> None:
    for trade in (897, 899):
        series = made(None, now=900)
        series.prove([], series.window(at(900, 15), MOST), at(900, 15), at(900, 16))
        window = series.window(at(900, 20), MOST)
        assert series.prove(honest(window, series, [trade]), window, at(900, 20), at(900, 21)) == []
        assert series.window(at(900, 30), MOST).timeframe is Timeframe.M1


def test_a_trade_after_a_long_silence_is_found_in_its_own_minute() -> None:
    series = made(row(900, source="empty", closed=1), since=0)
    got: Cells = []
    for _ in range(20):
        got += answer(series, [0, 903, 908], at(910, 30))
    assert got == [(period, "rest" if period in (903, 908) else "empty") for period in range(901, 910)]


def test_longer_candles_do_not_deny_what_the_socket_showed() -> None:
    series = made(row(900, source="empty", closed=1), since=0)
    series.prove([], series.window(at(902, 30), MOST), at(902, 30), at(902, 31))
    window = series.window(at(902, 40), MOST)
    assert window.timeframe is Timeframe.M5
    series.show(shown(901))
    assert series.prove(honest(window, series, [0]), window, at(902, 40), at(902, 41)) == []
    assert series.window(at(902, 50), MOST).timeframe is Timeframe.M1
    assert answer(series, [0, 901], at(902, 50)) == [(901, "rest")]


def test_empty_answers_to_everything_prove_nothing_and_are_no_dead_end() -> None:
    series = made(row(300, source="empty", closed=1))
    for seconds in range(60, 600):
        assert prove(series, [], at(302, seconds)) == []
    got: Cells = []
    for _ in range(9):
        got += answer(series, [290, 311], at(312, 30))
    assert got == [(period, "rest" if period == 311 else "empty") for period in range(301, 312)]
