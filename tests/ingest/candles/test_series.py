"""How a closed candle is proven: first each rule by itself, then all of them against a market that never lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.ingest.candles.closed import Closed, How, Window
from bridge.ingest.candles.idle import QUIET_MS
from bridge.ingest.candles.series import Series
from bridge.records import Kline, Source
from bridge.timeframes import Timeframe

M: Final = 60_000
S: Final = 1_000
# 2026-09-23 00:00 UTC, a Wednesday.
DAWN: Final = 1_790_121_600_000
MOST: Final = 498
TIMEOUT_MS: Final = 120_000
Cells = list[tuple[int, str]]


def row(period: int, timeframe: Timeframe = Timeframe.M1, **changes: Any) -> Kline:  # noqa: ANN401 - fields of a kline
    """REST's candle that opens so many periods after dawn; its close tells it from all others."""
    open_time = DAWN + period * timeframe.milliseconds
    made = Kline(
        symbol="BTCUSDT",
        timeframe=timeframe.value,
        open_time=open_time,
        close_time=timeframe.last_ms(open_time),
        open="10",
        high="99999",
        low="1",
        close=str(1_000 + period),
        volume="5",
        closed=0,
        source=Source.REST.value,
        received_at=0,
    )
    return msgspec.structs.replace(made, **changes)


def shown(period: int, **changes: Any) -> Kline:  # noqa: ANN401 - as above
    """What the socket shows of that candle."""
    return msgspec.structs.replace(row(period, source="ws"), **changes)


def rows(*periods: int, timeframe: Timeframe = Timeframe.M1) -> list[Kline]:
    return [row(period, timeframe) for period in periods]


def made(
    tail: int | Kline | None = 0,
    *,
    timeframe: Timeframe = Timeframe.M1,
    now: int = 1,
    cap: int = 1_440,
    seed: int = 498,
    since: int | None = None,
) -> Series:
    """A series whose stream ends with that period; `since` is the period at whose open the socket became active."""
    length = timeframe.milliseconds
    series = Series("BTCUSDT", timeframe, now_ms=DAWN + now * length, seed=seed, cap=cap, timeout_ms=TIMEOUT_MS)
    series.resume(row(tail, timeframe, closed=1) if isinstance(tail, int) else tail)
    if since is not None:
        series.listening(DAWN + since * length)
    return series


def at(period: int, seconds: float = 0, timeframe: Timeframe = Timeframe.M1) -> int:
    """So many seconds after the open of a period."""
    return DAWN + period * timeframe.milliseconds + int(seconds * 1000)


def prove(series: Series, replied: Sequence[Kline], sent_ms: int, now_ms: int | None = None, most: int = MOST) -> Cells:
    """Let the series ask and hear that; return the period and the source of what it proves."""
    window = series.window(sent_ms, most)
    return cells(series, series.prove(replied, window, sent_ms, sent_ms + 100 if now_ms is None else now_ms))


def answer(series: Series, market: Sequence[int], sent_ms: int, most: int = MOST) -> Cells:
    """The same, where REST answers as it should: the market traded in those periods of the series' own."""
    window = series.window(sent_ms, most)
    return cells(series, series.prove(honest(window, series, market), window, sent_ms, sent_ms + 100))


def honest(window: Window, series: Series, market: Sequence[int]) -> list[Kline]:
    own, length = series.timeframe.milliseconds, window.timeframe.milliseconds
    opens = sorted({(at(0) + period * own) // length * length for period in market})
    return [
        row(0, window.timeframe, open_time=opened, close=str(1_000 + (opened - DAWN) // own))
        for opened in opens
        if window.first - length <= opened <= window.last
    ]


def cells(series: Series, closed: Sequence[Closed]) -> Cells:
    length = series.timeframe.milliseconds
    return [((each.kline.open_time - DAWN) // length, each.kline.source) for each in closed]


def asked(window: Window) -> tuple[int, int]:
    length = window.timeframe.milliseconds
    return (window.first - DAWN) // length, (window.last - DAWN) // length


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


# Periods without a trade.


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


# Contracts that do not trade.


def test_a_contract_that_does_not_trade_needs_no_call() -> None:
    series = made(0)
    assert cells(series, series.idle("77", at(4, 9.9), 0)) == [(1, "empty"), (2, "empty")]
    assert cells(series, series.idle("77", at(4, 10), 0)) == [(3, "empty")]
    assert series.tail is not None
    assert (series.tail.close, series.tail.volume) == ("1000", "0")
    assert series.due(at(6, 30)) is None, "the next word is waited for"
    assert series.due(at(8)) is not None, "but not for ever"
    series.show(shown(4))
    assert series.due(at(5, 4)) is not None


def test_that_word_reaches_as_far_back_as_it_says_and_no_further() -> None:
    length = Timeframe.H4.milliseconds
    series = made(0, timeframe=Timeframe.H4)
    told = at(9, 60, Timeframe.H4)
    assert series.idle("77", told, 0) == [], "something may have traded in the hours before"
    assert series.due(told) is not None
    assert answer(series, [0, 2], told) == [(p, "rest" if p == 2 else "empty") for p in range(1, 9)]
    series = made(3, timeframe=Timeframe.H4)
    assert told - QUIET_MS < at(4, 0, Timeframe.H4)
    assert cells(series, series.idle("77", told, 0)) == [(p, "empty") for p in range(4, 9)]
    assert told - at(9, 0, Timeframe.H4) < length


def test_a_day_is_not_called_empty_by_the_word_on_the_last_24_hours_unless_it_was_said_all_along() -> None:
    for timeframe, words in ((Timeframe.D1, 2), (Timeframe.W1, 8)):
        series = made(None, timeframe=timeframe)
        assert series.idle("77", at(2, 30, timeframe), 0) == []
        series = made(0, timeframe=timeframe)
        said = at(1, 3_600, timeframe)
        for _ in range(words):
            assert series.idle("77", said, 0) == []
            said += QUIET_MS
        assert cells(series, series.idle("77", at(2, 10, timeframe), 0)) == [(1, "empty")]
        series = made(0, timeframe=timeframe)
        series.idle("77", at(1, 3_600, timeframe), 0)
        assert series.idle("77", at(3, 10, timeframe), 0) == [], "between these words a trade may hide"


def test_a_contract_that_does_not_trade_begins_with_its_last_price_where_periods_begin() -> None:
    series = made(None, timeframe=Timeframe.H1)
    (closed,) = series.idle("77.5", at(5, 9, Timeframe.H1), 0)
    assert (closed.how, cells(series, [closed])) == (How.START, [(3, "empty")])
    assert (closed.kline.open, closed.kline.close, closed.kline.volume) == ("77.5", "77.5", "0")
    for price, phase in (("", 0), ("0", 0), ("0.00", 0), ("77", None)):
        assert made(None).idle(price, at(5, 30), phase) == []


def test_a_contract_that_does_not_trade_jumps_over_too_large_a_hole() -> None:
    series = made(0, cap=100)
    (closed, *_) = series.idle("77", at(150, 10), None)
    assert (closed.how, cells(series, [closed]), closed.kline.close) == (How.JUMP, [(149, "empty")], "77")


def test_what_the_socket_showed_outweighs_the_contracts_word() -> None:
    series = made(0)
    series.show(shown(3))
    assert series.idle("77", at(5, 30), 0) == []


def test_a_word_of_unknown_time_says_nothing() -> None:
    assert made(None).idle("77", 0, 0) == []
    assert made(0).idle("77", 0, 0) == []


# REST away, REST wrong.


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


# When to ask.


def test_a_series_is_due_when_its_next_candle_can_be_proven() -> None:
    series = made(0)
    assert (series.due(at(2, 9.9)), series.due(at(2, 10))) == (None, at(2, 30))
    series.show(shown(1))
    assert (series.due(at(2, 2.9)), series.due(at(2, 3))) == (None, at(2, 30))


@pytest.mark.parametrize(
    ("timeframe", "allowed_s"),
    [("1m", 30), ("5m", 30), ("15m", 90), ("30m", 180), ("1h", 300), ("4h", 300), ("1d", 300), ("1w", 300)],
)
def test_the_deadline_is_a_tenth_of_the_length_within_bounds(timeframe: str, allowed_s: int) -> None:
    frame = Timeframe(timeframe)
    assert made(0, timeframe=frame).due(at(3, 0, frame)) == at(2, allowed_s, frame)


def test_of_many_series_the_one_waiting_longest_is_first_whatever_its_length() -> None:
    minutes = [made(59 - missing, now=60) for missing in (1, 3, 2)]
    hour = made(-1, timeframe=Timeframe.H1)
    fresh = made(None, now=60)
    dues = [series.due(at(61)) for series in (*minutes, hour, fresh)]
    assert dues == [at(60, 30), at(58, 30), at(59, 30), at(65), at(60, 30)]


def test_a_fruitless_call_is_repeated_ever_later_and_a_fruitful_one_at_once() -> None:
    series, now = made(0), at(2, 10)
    waits = []
    for _ in range(8):
        prove(series, [], now, now)
        asked_at = now
        while series.due(now) is None:
            now += S
        waits.append((now - asked_at) // S)
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60]
    assert prove(series, rows(0, 1), now, now)[0] == (1, "rest")
    now = at(9)
    assert series.due(now) is not None
    series.failed(now, 0)
    assert (series.due(now + 1_999), series.due(now + 2_000) is None) == (None, False)


def test_how_long_the_oldest_candle_waits_is_told() -> None:
    series = made(0)
    assert (series.lag_ms(at(1, 59)), series.lag_ms(at(2, 5)), series.lag_ms(at(7))) == (0, 5 * S, 5 * M)
    assert made(None).lag_ms(at(7)) == 0


# All of it at once, against a market that never lies.


@dataclass
class Market:
    """Trades, each with its moment, price, size and whether the socket shows the candle it made."""

    timeframe: Timeframe
    trades: list[tuple[int, int, int, bool]]

    def candle(self, opened: int, length: int, moment: int) -> tuple[str, str, str, str, str] | None:
        inside = [
            (price, size) for when, price, size, _ in self.trades if opened <= when < opened + length and when <= moment
        ]
        if not inside:
            return None
        prices = [price for price, _ in inside]
        figures = (prices[0], max(prices), min(prices), prices[-1], sum(size for _, size in inside))
        return tuple(map(str, figures))  # type: ignore[return-value]  # five of five

    def close_before(self, opened: int, moment: int) -> str | None:
        before = [price for when, price, _, _ in self.trades if when < opened and when <= moment]
        return str(before[-1]) if before else None

    def kline(self, opened: int, moment: int, timeframe: Timeframe | None = None) -> Kline | None:
        frame = timeframe or self.timeframe
        found = self.candle(opened, frame.milliseconds, moment)
        if found is None:
            return None
        names = dict(zip(("open", "high", "low", "close", "volume"), found, strict=True))
        return row(0, frame, open_time=opened, close_time=frame.last_ms(opened), **names)

    def truth(self, opened: int) -> tuple[str, ...]:
        found = self.candle(opened, self.timeframe.milliseconds, opened + self.timeframe.milliseconds)
        if found is not None:
            return found
        close = self.close_before(opened, opened)
        assert close is not None
        return (close, close, close, close, "0")


@dataclass
class Play:
    """One series through a market, a socket that withholds, a REST that is late, interruptions and restarts."""

    market: Market
    most: int
    cap: int
    flat_rows: bool
    late_ms: int
    now: int = DAWN
    written: list[Closed] = field(default_factory=list)
    connected: bool = False
    series: Series = field(init=False)
    finals: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with an empty stream."""
        self.begin()

    @property
    def length(self) -> int:
        return self.market.timeframe.milliseconds

    def begin(self) -> None:
        self.series = Series(
            "BTCUSDT",
            self.market.timeframe,
            now_ms=self.now,
            seed=self.most,
            cap=self.cap,
            timeout_ms=TIMEOUT_MS,
        )
        self.finals = {}
        self.hang_up()
        self.resume()

    def resume(self) -> None:
        self.series.resume(self.written[-1].kline if self.written else None)

    def hang_up(self) -> None:
        self.connected = False
        self.series.listening(None)

    def listen(self) -> None:
        self.connected = True
        self.series.listening(self.now)

    def go(self, milliseconds: int) -> None:
        """Let time pass, and the socket show what it shows."""
        until = self.now + milliseconds
        for when, _, _, visible in self.market.trades:
            if self.now < when <= until and visible and self.connected:
                opened = when - when % self.length
                kline = self.market.kline(opened, when)
                assert kline is not None
                self.series.show(msgspec.structs.replace(kline, source="ws"))
                self.finals[opened] = when
        self.now = until

    def take(self, closed: Sequence[Closed]) -> None:
        for each in closed:
            if self.written:
                step = each.kline.open_time - self.written[-1].kline.open_time
                assert (step == self.length) or (each.how is How.JUMP and step > self.length)
                assert each.how is not How.START
            else:
                assert each.how is How.START
            assert each.kline.closed == 1
            assert each.kline.open_time + self.length <= self.now
            figures = (each.kline.open, each.kline.high, each.kline.low, each.kline.close, each.kline.volume)
            assert figures == self.market.truth(each.kline.open_time)
            assert each.kline.source == ("rest" if Decimal(each.kline.volume) else "empty")
            self.written.append(each)

    def honest_moment(self, late_ms: int) -> int:
        """The youngest moment not younger than wished for that REST may answer from, as far as we may rely on it."""
        moment = self.now - late_ms
        for when, _, _, _ in self.market.trades:
            opened = when - when % self.length
            if not moment < when <= self.now - 3 * S or opened + self.length > self.now - 3 * S:
                continue
            shown_last = self.finals.get(opened, 0) >= self.last_trade(opened)
            absent = late_ms <= 9 * S and self.market.candle(opened, self.length, moment) is None
            if not shown_last and not absent:
                return self.now - min(late_ms, 3 * S)
        return moment

    def last_trade(self, opened: int) -> int:
        return max(when for when, _, _, _ in self.market.trades if opened <= when < opened + self.length)

    def reply(self, window: Window, moment: int) -> list[Kline]:
        frame = window.timeframe
        length = frame.milliseconds
        first = -(-(window.first - length) // length) * length
        replied = []
        for opened in range(max(first, DAWN // length * length), min(window.last, moment) + 1, length):
            kline = self.market.kline(opened, moment, frame)
            close = self.market.close_before(opened, moment)
            if kline is None and self.flat_rows and close is not None:
                kline = row(0, frame, open_time=opened, open=close, high=close, low=close, close=close, volume="0")
            if kline is not None:
                replied.append(kline)
        return replied

    def ask(self, kind: str, late_ms: int, latency_ms: int) -> None:
        if self.series.due(self.now) is None:
            return
        sent = self.now
        window = self.series.window(sent, self.most)
        assert (window.last - window.first) // window.timeframe.milliseconds + 1 <= self.most
        replied = self.reply(window, self.honest_moment(min(late_ms, self.late_ms)))
        self.go(latency_ms)
        if kind == "resumed":
            self.series.known = False
            self.resume()
        if kind == "error":
            self.take(self.series.failed(self.now, 0))
        else:
            self.take(self.series.prove([] if kind == "nothing" else replied, window, sent, self.now))

    def word(self, late_ms: int) -> None:
        """The contract's word, if it is that nothing was traded in 24 hours."""
        moment = self.now - min(late_ms, 9 * S)
        if not [when for when, _, _, _ in self.market.trades if moment - 86_400_000 < when <= moment]:
            price = self.market.close_before(moment, moment) or "0"
            self.take(self.series.idle(price, self.now, 0))


Step = tuple[Literal["go", "ask", "end", "hang up", "listen", "restart", "word"], int, str, int, int]
FRAMES = st.sampled_from([Timeframe.M1, Timeframe.M5, Timeframe.H4, Timeframe.D1])
LATE = st.sampled_from([0, 2 * S, 3 * S, 9 * S, 40 * S, 100 * S])
KINDS = st.sampled_from(["answer"] * 6 + ["error", "nothing", "resumed"])
LATENCIES = st.sampled_from([0, 50, 5 * S])
# After the end of a period: around each of the moments that matter.
OFFSETS = st.sampled_from([1, 2_999, 3 * S, 4 * S, 9_999, 10 * S, 12 * S, 59_999, 60 * S, 75 * S])


@st.composite
def markets(draw: st.DrawFn) -> Market:
    """A market whose first period trades; in the others there is nothing, or one to three trades."""
    timeframe = draw(FRAMES)
    length = timeframe.milliseconds
    trades = []
    seen = st.sampled_from([True, True, True, False])
    gaps = draw(st.lists(st.sampled_from([0, 0, 1, 1, 2, 9, 40]), min_size=1, max_size=12))
    period = 0
    for gap in gaps:
        places = draw(
            st.lists(st.sampled_from([0, 1, S, length // 2, length - 2 * S, length - 1]), min_size=1, max_size=3)
        )
        trades += [
            (DAWN + period * length + place, draw(st.integers(1, 9)), draw(st.integers(1, 5)), draw(seen))
            for place in sorted(set(places))
        ]
        period += 1 + gap
    return Market(timeframe, trades)


def steps(length: int) -> st.SearchStrategy[list[Step]]:
    times = st.sampled_from([1, 900, 3 * S, 7 * S, 20 * S, length // 3, length, 5 * length, 12 * length])
    nothing, none = st.just(""), st.just(0)
    step: list[st.SearchStrategy[Step]] = [
        st.tuples(st.just("go"), times, nothing, none, none),
        st.tuples(st.just("ask"), LATE, KINDS, LATENCIES, none),
        st.tuples(st.just("end"), LATE, KINDS, LATENCIES, OFFSETS),
        st.tuples(st.just("end"), LATE, KINDS, LATENCIES, OFFSETS),
        st.tuples(st.sampled_from(["hang up", "listen", "restart", "word", "word"]), LATE, nothing, none, none),
    ]
    return st.lists(st.one_of(step), min_size=5, max_size=50)


@st.composite
def plays(draw: st.DrawFn) -> tuple[Play, list[Step]]:
    market = draw(markets())
    small = draw(st.booleans())
    play = Play(
        market,
        most=draw(st.sampled_from([9, 12, 40])),
        cap=11 if small else 10**6,
        flat_rows=draw(st.booleans()),
        late_ms=3 * S if small else 100 * S,
    )
    if draw(st.booleans()):
        play.listen()
    return play, draw(steps(play.length))


def act(play: Play, step: Step) -> None:
    match step:
        case "go", milliseconds, _, _, _:
            play.go(milliseconds)
        case "ask", late_ms, kind, latency_ms, _:
            play.ask(kind, late_ms, latency_ms)
        case "end", late_ms, kind, latency_ms, offset_ms:
            play.go(play.length - play.now % play.length + offset_ms)
            play.ask(kind, late_ms, latency_ms)
        case "hang up", _, _, _, _:
            play.hang_up()
        case "listen", _, _, _, _:
            play.listen()
        case "restart", _, _, _, _:
            play.begin()
        case "word", late_ms, _, _, _:
            play.word(late_ms)


def endings(play: Play, goal: int) -> Iterator[None]:
    """Let time pass until the candle of `goal` is written, or long enough."""
    play.go(max(0, goal - play.now))
    for _ in range(300):
        if play.written and play.written[-1].kline.open_time >= goal:
            return
        play.go(play.length // 7)
        yield


@settings(max_examples=120)
@given(plays())
def test_what_is_written_is_the_truth_without_a_hole_and_in_the_end_complete(scene: tuple[Play, list[Step]]) -> None:
    play, script = scene
    for step in script:
        act(play, step)
    goal = max(play.now, play.market.trades[-1][0]) // play.length * play.length
    for _ in endings(play, goal):
        play.ask("answer", 0, 50)
        play.word(0)
    assert play.written
    assert play.written[-1].kline.open_time >= goal


def test_a_trade_late_in_a_long_candle_is_found_by_ever_shorter_ones() -> None:
    """A quarter of an hour that traded, its trade in a minute that one reply from its beginning doesn't reach."""
    trades = [(DAWN, 1, 1, True), (DAWN + 41 * 60 * S, 1, 1, True)]
    play = Play(Market(Timeframe.M1, trades), most=9, cap=10**6, flat_rows=False, late_ms=0)
    for minute in range(13, 17):
        play.go(DAWN + minute * 60 * S + 1 - play.now)
        play.ask("answer", 0, 0)
    play.begin()
    for minute, kind in ((17, "answer"), (18, "nothing")):
        play.go(DAWN + minute * 60 * S + 1 - play.now)
        play.ask(kind, 0, 0)
    goal = DAWN + 41 * 60 * S
    for _ in endings(play, goal):
        play.ask("answer", 0, 50)
    assert play.written[-1].kline.open_time == goal


# What cannot be read, what has ended, what stays mute.


def unreadable(period: int) -> Kline:
    """REST's row of that period, of which only the time can be read."""
    return row(period, open="", high="", low="", close="", volume="", source=Source.LOST.value)


def replied(series: Series, rows: Sequence[Kline], now_ms: int) -> list[Kline]:
    """What a reply proves."""
    window = series.window(now_ms, MOST)
    return [closed.kline for closed in series.prove(rows, window, now_ms, now_ms)]


def test_a_row_that_cannot_be_read_leaves_its_period_unproven_and_not_absent() -> None:
    series = made(tail=row(0))
    reply = [row(0), row(1), unreadable(2), row(3)]
    assert [kline.open_time for kline in replied(series, reply, at(6))] == [at(1)]
    assert [kline.source for kline in replied(series, rows(1, 2, 3), at(6, 5))] == ["rest", "rest", "empty"]


def test_a_row_unreadable_for_too_long_is_lost_and_that_is_told() -> None:
    series = made(tail=row(0))
    reply = [row(0), unreadable(1), row(2)]
    assert replied(series, reply, at(4)) == []
    lost, following, *_ = replied(series, reply, at(4) + TIMEOUT_MS)
    assert (lost.source, lost.open_time, lost.close, lost.volume) == ("lost", at(1), "", "")
    assert following.open_time == at(2)
    assert series.contradictions == [f"REST's row of {at(1)} cannot be read"]


def test_an_empty_period_after_a_lost_one_has_the_last_known_close() -> None:
    series = made(tail=row(0))
    reply = [row(0), unreadable(1), row(3)]
    replied(series, reply, at(6))
    lost, after, *_ = replied(series, reply, at(6) + TIMEOUT_MS)
    assert (lost.close, after.source, after.close) == ("", "empty", row(0).close)


def test_a_series_ends_with_the_period_in_which_its_contract_was_delisted() -> None:
    series = made(tail=row(0))
    series.end(at(2, 30))
    assert [kline.open_time for kline in replied(series, rows(0, 1, 2), at(9))] == [at(1), at(2)]
    assert series.due(at(500)) is None
    assert series.lag_ms(at(500)) == 0


def test_a_topic_that_stays_mute_is_told_ever_more_seldom_until_it_speaks() -> None:
    series = made(tail=row(0))
    series.listening(at(0))
    told = []
    for period in range(1, 40):
        replied(series, rows(period - 1, period), at(period + 1, 5))
        if series.mute():
            told.append(period)
    assert told == [2, 6, 14, 30]
    series.show(shown(40))
    replied(series, rows(39, 40), at(41, 5))
    for period in (41, 42):
        replied(series, rows(period - 1, period), at(period + 1, 5))
    assert series.mute()
