"""Contracts that do not trade: their own word on that, and how far it reaches."""

from __future__ import annotations

from bridge.ingest.candles.closed import How
from bridge.ingest.candles.idle import QUIET_MS
from bridge.timeframes import Timeframe
from tests.ingest.candles.samples import answer, at, cells, made, shown


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
