"""Rows that cannot be read: neither proof nor absence."""

from __future__ import annotations

from bridge.records import Kline, Source
from tests.ingest.candles.samples import TIMEOUT_MS, at, made, proven, row, rows


def unreadable(period: int) -> Kline:
    """REST's row of that period, of which only the time can be read."""
    return row(period, open="", high="", low="", close="", volume="", source=Source.LOST.value)


def test_a_row_that_cannot_be_read_leaves_its_period_unproven_and_not_absent() -> None:
    series = made(tail=row(0))
    reply = [row(0), row(1), unreadable(2), row(3)]
    assert [kline.open_time for kline in proven(series, reply, at(6))] == [at(1)]
    assert [kline.source for kline in proven(series, rows(1, 2, 3), at(6, 5))] == ["rest", "rest", "empty"]


def test_a_row_unreadable_for_too_long_is_lost_and_that_is_told() -> None:
    series = made(tail=row(0))
    reply = [row(0), unreadable(1), row(2)]
    assert proven(series, reply, at(4)) == []
    lost, following, *_ = proven(series, reply, at(4) + TIMEOUT_MS)
    assert (lost.source, lost.open_time, lost.close, lost.volume) == ("lost", at(1), "", "")
    assert following.open_time == at(2)
    assert series.contradictions == [f"REST's row of {at(1)} cannot be read"]


def test_an_empty_period_after_a_lost_one_has_the_last_known_close() -> None:
    series = made(tail=row(0))
    reply = [row(0), unreadable(1), row(3)]
    proven(series, reply, at(6))
    lost, after, *_ = proven(series, reply, at(6) + TIMEOUT_MS)
    assert (lost.close, after.source, after.close) == ("", "empty", row(0).close)
