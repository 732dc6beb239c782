"""REST away and REST wrong: when the socket's word counts, and what is told of it."""

from __future__ import annotations

import pytest

from bridge.ingest.candles.closed import How
from tests.ingest.candles.samples import MOST, TIMEOUT_MS, at, cells, made, prove, row, rows, shown


def test_while_rest_is_silent_the_sockets_word_is_taken_after_the_time_out_alone() -> None:
    series = made(0, since=1)
    series.show(shown(1))
    series.show(shown(2))
    assert series.failed(at(2, 119), TIMEOUT_MS) == []
    assert series.failed(at(2, 120), TIMEOUT_MS - 1) == [], "somebody was answered"
    (closed,) = series.failed(at(2, 120), TIMEOUT_MS)
    assert (closed.how, closed.kline) == (How.NEXT, shown(1, closed=1))
    assert cells(series, series.failed(at(5), TIMEOUT_MS)) == [(2, "ws")]
    assert series.failed(at(60), TIMEOUT_MS) == [], "nothing was shown of the next one"


@pytest.mark.parametrize("since", [None, 2])
def test_the_sockets_word_is_none_if_it_was_not_listened_to_all_the_while(since: int | None) -> None:
    series = made(0, since=since)
    series.show(shown(1))
    assert series.failed(at(9), 10 * TIMEOUT_MS) == []


def test_an_empty_stream_never_begins_with_the_sockets_word() -> None:
    series = made(None, since=0)
    series.show(shown(1))
    assert series.failed(at(9), 10 * TIMEOUT_MS) == []


def test_an_answer_that_holds_nothing_is_no_reason_to_take_the_sockets_word() -> None:
    series = made(0, since=1)
    series.show(shown(1))
    assert prove(series, [], at(9)) == []
    assert not series.contradictions


def test_where_rest_stays_behind_the_socket_its_word_counts_after_the_time_out_and_that_is_told() -> None:
    series = made(0)
    series.show(shown(1, volume="9"))
    assert prove(series, rows(0, 1), at(3, 59.8), at(3, 59.9)) == []
    assert not series.contradictions
    assert prove(series, rows(0, 1), at(3, 59.9), at(4)) == [(1, "rest")]
    (text,) = series.contradictions
    assert text == f"{at(1)} ws: 10 99999 1 1001 9; rest: 10 99999 1 1001 5"


def test_where_rest_lacks_for_good_what_the_socket_showed_the_socket_counts_and_the_series_goes_on() -> None:
    series = made(0, since=0)
    series.show(shown(1))
    assert prove(series, rows(0), at(4, 1)) == [(1, "ws"), (2, "empty")]
    (text,) = series.contradictions
    assert text.endswith("rest: no such candle")
    assert prove(series, rows(0), at(5)) == [(3, "empty")]


def test_a_contradiction_of_what_is_written_is_told_once() -> None:
    series = made(0, since=0)
    series.show(shown(1))
    assert cells(series, series.failed(at(4), TIMEOUT_MS)) == [(1, "ws")]
    other = row(1, close="1500")
    window = series.window(at(4, 1), MOST)
    (closed,) = series.prove([row(0), other], window, at(4, 1), at(4, 2))
    assert closed.kline.close == "1500", "an empty candle repeats the true close"
    assert series.contradictions == [f"{at(1)} ws: 10 99999 1 1001 5; rest: 10 99999 1 1500 5"]
    series = made(0)
    for seconds in (3, 4):
        prove(series, [row(0, volume="5.50")], at(1, seconds))
    assert len(series.contradictions) == 1


def test_a_stale_answer_does_not_change_the_close_that_an_empty_candle_repeats() -> None:
    series = made(0, since=0)
    (closed,) = series.prove([row(0, close="7", volume="4")], series.window(at(2, 11), MOST), at(2, 11), at(2, 12))
    assert closed.kline.close == "1000"


def test_the_same_figures_in_another_spelling_are_no_contradiction() -> None:
    series = made(0)
    prove(series, [row(0, volume="5.0", low="1.00")], at(2, 5))
    assert not series.contradictions
