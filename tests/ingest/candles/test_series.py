"""How a closed candle is proven, rule by rule."""

from __future__ import annotations

import msgspec
import pytest

from bridge.ingest.candles.closed import How
from bridge.ingest.candles.series import Series
from bridge.timeframes import Timeframe
from tests.ingest.candles.samples import (
    DAWN,
    MOST,
    TIMEOUT_MS,
    M,
    answer,
    asked,
    at,
    cells,
    made,
    prove,
    proven,
    row,
    rows,
    shown,
)

# The next one.


def test_the_next_candle_follows_three_seconds_after_its_end() -> None:
    series = made(0)
    assert prove(series, rows(0, 1), at(2, 2.999)) == []
    (closed,) = series.prove(rows(0, 1), series.window(at(2, 3), MOST), at(2, 3), at(2, 3.1))
    assert (closed.how, closed.kline) == (How.NEXT, row(1, closed=1))
    assert series.tail == closed.kline


def test_a_candle_that_ran_on_while_the_answer_came_is_not_closed_by_it() -> None:
    assert prove(made(0), rows(0, 1), at(2, 2.9), at(2, 9)) == []


def test_several_candles_follow_in_order_and_the_open_one_does_not() -> None:
    assert prove(made(0), rows(0, 1, 2, 3, 4), at(4, 30)) == [(1, "rest"), (2, "rest"), (3, "rest")]


def test_a_row_behind_what_the_socket_showed_proves_nothing() -> None:
    for change in ({"volume": "6"}, {"high": "100000"}, {"low": "0.5"}):
        series = made(0)
        series.show(shown(1, **change))
        assert prove(series, rows(0, 1), at(2, 5)) == []
        assert prove(series, [row(0), msgspec.structs.replace(row(1), **change)], at(2, 8)) == [(1, "rest")]
        assert not series.contradictions


def test_an_older_frame_does_not_weaken_what_was_shown() -> None:
    series = made(0)
    series.show(shown(1, volume="9"))
    series.show(shown(1, volume="3"))
    assert prove(series, rows(0, 1), at(2, 5)) == []


def test_a_row_ahead_of_what_the_socket_showed_is_taken() -> None:
    series = made(0)
    series.show(shown(1, volume="1"))
    assert prove(series, rows(0, 1), at(2, 5)) == [(1, "rest")]


def test_rows_told_twice_count_once_and_the_fuller_one_counts() -> None:
    fuller, poorer = row(1, volume="8"), row(1, volume="2")
    for replied in ([row(0), row(0), fuller, poorer], [row(0), poorer, fuller, fuller]):
        series = made(0)
        assert prove(series, replied, at(2, 5)) == [(1, "rest")]
        assert series.tail is not None
        assert series.tail.volume == "8"


@pytest.mark.parametrize("timeframe", list(Timeframe))
def test_candles_of_every_length_follow_one_another(timeframe: Timeframe) -> None:
    series = made(0, timeframe=timeframe)
    replied = rows(0, 1, 2, timeframe=timeframe)
    assert prove(series, replied, at(2, 3, timeframe)) == [(1, "rest")]


def test_periods_that_begin_elsewhere_prove_nothing_and_that_is_told_once() -> None:
    series = made(0, timeframe=Timeframe.W1)
    other = [row(period, Timeframe.W1, open_time=DAWN + period * 7 * 1_440 * M + 86_400_000) for period in (0, 1, 2)]
    for again in range(2):
        assert prove(series, other, at(3, 60 + again, Timeframe.W1)) == []
    assert len(series.contradictions) == 1


# The beginning.


def test_a_series_whose_stream_is_not_known_asks_nothing_and_writes_nothing() -> None:
    series = Series("BTCUSDT", Timeframe.M1, now_ms=at(1), seed=498, cap=1_440, timeout_ms=TIMEOUT_MS)
    assert (series.known, series.due(at(9)), series.lag_ms(at(9))) == (False, None, 0)
    window = series.window(at(9), MOST)
    assert series.prove(rows(1, 2), window, at(9), at(9)) == []
    assert series.idle("5", at(9), 0) == []


def test_an_empty_stream_begins_with_the_oldest_row_of_what_was_asked_for() -> None:
    series = made(None, now=9, seed=4)
    window = series.window(at(9, 1), MOST)
    assert asked(window) == (6, 9)
    proven = series.prove(rows(5, 6, 7, 8, 9), window, at(9, 1), at(9, 2))
    assert [(each.how, each.kline.open_time) for each in proven] == [
        (How.START, at(5)),
        (How.NEXT, at(6)),
        (How.NEXT, at(7)),
    ]


def test_a_seed_is_never_larger_than_one_call() -> None:
    assert asked(made(None, now=900, seed=498).window(at(900), 100)) == (801, 900)


def test_an_empty_stream_does_not_begin_with_a_candle_that_is_open_stale_or_uncertain() -> None:
    series = made(None)
    assert prove(series, rows(9), at(9, 30)) == []
    assert prove(series, rows(8), at(9, 2)) == []
    assert prove(series, [row(8, volume="0")], at(9, 9)) == []
    series.show(shown(8, volume="6"))
    assert prove(series, rows(8), at(9, 30)) == []
    assert prove(series, [], at(9, 31)) == []


def test_holes_of_the_beginning_are_filled_where_a_later_row_stands() -> None:
    assert prove(made(None), rows(3, 6), at(7, 3)) == [(3, "rest"), (4, "empty"), (5, "empty"), (6, "rest")]


def test_a_beginning_without_volume_is_empty() -> None:
    replied = [row(1, volume="0", open="7", high="7", low="7", close="7"), row(2)]
    assert prove(made(None), replied, at(3, 20)) == [(1, "empty"), (2, "rest")]


# Large holes.


def test_a_hole_is_filled_by_as_many_calls_as_it_takes_and_nothing_beyond_an_answer_is_taken_for_empty() -> None:
    series, now = made(0, now=1_200), at(1_200, 30)
    steps = []
    while filled := answer(series, range(1_201), now):
        assert {source for _, source in filled} == {"rest"}
        steps.append(len(filled))
    assert steps == [496, 496, 207]
    assert series.tail is not None
    assert series.tail.open_time == at(1_199)


def test_a_hole_larger_than_the_cap_is_jumped_over() -> None:
    series = made(0, cap=100, now=103)
    window = series.window(at(102, 10), MOST)
    assert (window.how, asked(window)[0]) == (How.JUMP, 3)
    proven = series.prove(rows(2, 3, 4, 5), window, at(102, 10), at(102, 11))
    assert [(each.how, cells(series, [each])[0]) for each in proven][:2] == [
        (How.JUMP, (2, "rest")),
        (How.NEXT, (3, "rest")),
    ]


def test_a_hole_as_large_as_the_cap_is_filled() -> None:
    window = made(0, cap=100, now=102).window(at(101, 10), MOST)
    assert (window.how, asked(window)) == (How.NEXT, (0, 101))


def test_a_jump_that_was_planned_is_forgotten_when_the_stream_turns_out_to_be_further() -> None:
    series = made(0, cap=100)
    planned = series.window(at(200, 10), MOST)
    assert planned.how is How.JUMP
    series.resume(row(198, source="empty", closed=1))
    assert series.prove(rows(102, 103, 190, 199), planned, at(200, 10), at(200, 11)) == []
    assert answer(series, [190, 199, 200], at(200, 20)) == [(199, "rest")]


@pytest.mark.parametrize("tail", [None, 0, 3, 90, 150])
@pytest.mark.parametrize("most", [3, 60, 498])
@pytest.mark.parametrize("source", ["rest", "empty"])
def test_no_window_holds_more_than_it_may_and_each_reaches_the_next_candle(
    tail: int | None, most: int, source: str
) -> None:
    series = made(None if tail is None else row(tail, source=source, closed=1), cap=120)
    for blind in range(12):
        window = series.window(at(200, 20), most)
        length = window.timeframe.milliseconds
        assert (window.last - window.first) // length + 1 <= most
        if window.how is How.NEXT and tail is not None:
            assert window.first <= at(tail)
            assert window.last > at(tail + 1)
        series.prove([], window, at(200, 20), at(200, 21 + blind))


def test_an_answer_to_what_was_asked_before_the_stream_was_read_anew_proves_nothing() -> None:
    series = made(100)
    window = series.window(at(105), MOST)
    series.known = False
    assert series.prove(rows(100, 101), window, at(105), at(105, 1)) == []
    series.resume(row(90, closed=1))
    assert series.prove(rows(100, 101, 104), window, at(105), at(105, 1)) == []
    assert answer(series, range(106), at(105, 20)) == [(period, "rest") for period in range(91, 105)]


# Mute topics.


def test_trades_that_the_socket_listened_to_does_not_show_make_a_topic_mute() -> None:
    for spoken in (False, True):
        series = made(0, since=1)
        prove(series, rows(0, 1, 2, 3), at(3, 5))
        if spoken:
            series.show(shown(3))
        assert series.mute() is not spoken


def test_quiet_periods_and_those_not_listened_to_are_not_mute() -> None:
    series = made(0, since=3)
    prove(series, rows(0, 1, 2), at(4, 30))
    assert not series.mute()
    series.listening(None)
    prove(series, rows(2, 3, 4), at(5, 30))
    assert not series.mute()


def test_a_new_connection_is_given_the_time_to_show_something() -> None:
    series = made(0, since=1)
    prove(series, rows(0, 1, 2, 3), at(3, 5))
    series.listening(None)
    assert not series.mute()


# What has ended, what stays mute.


def test_a_series_ends_with_the_period_in_which_its_contract_was_delisted() -> None:
    series = made(tail=row(0))
    series.end(at(2, 30))
    assert [kline.open_time for kline in proven(series, rows(0, 1, 2), at(9))] == [at(1), at(2)]
    assert series.due(at(500)) is None
    assert series.lag_ms(at(500)) == 0


def test_a_topic_that_stays_mute_is_told_ever_more_seldom_until_it_speaks() -> None:
    series = made(tail=row(0))
    series.listening(at(0))
    told = []
    for period in range(1, 40):
        proven(series, rows(period - 1, period), at(period + 1, 5))
        if series.mute():
            told.append(period)
    assert told == [2, 6, 14, 30]
    series.show(shown(40))
    proven(series, rows(39, 40), at(41, 5))
    for period in (41, 42):
        proven(series, rows(period - 1, period), at(period + 1, 5))
    assert series.mute()
