"""The account read whole: whatever the exchange's limits cut off, and wherever its windows end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.exchanges.base import Call
from bridge.ingest.account.statement import Statement
from bridge.ingest.rest.fetch import Rest
from bridge.records import EventName
from tests.exchanges.bitmart.test_account import SOMEBODY, TRADE_ROW, body
from tests.ingest.rig import START

_MOST = 200
_FIRST = START // 1000
# Whether a window's first and last second belong to it: no source says so, but one of them has to.
_BOUNDS: dict[str, Callable[[int, int, int], bool]] = {
    "both": lambda start, second, end: start <= second <= end,
    "first": lambda start, second, end: start <= second < end,
    "last": lambda start, second, end: start < second <= end,
}


class Listed:
    """An exchange's list of executions: the newest of a window, as many as a reply holds."""

    def __init__(self, times: Sequence[int], bounds: str) -> None:
        """List executions of these milliseconds, numbered in this order."""
        self._times = times
        self._within = _BOUNDS[bounds]
        self.calls = 0

    async def ask(self, call: Call[Any]) -> Any:  # noqa: ANN401 - what the call's reader makes of it
        """Answer a call."""
        self.calls += 1
        start, end = int(call.params["start_time"]), int(call.params["end_time"])
        assert start < end, "the end must be after the start (docs)"
        assert end - start <= 90 * 86_400, "at most 90 days (docs)"
        rows = [
            TRADE_ROW | {"trade_id": str(number), "create_time": at}
            for number, at in enumerate(self._times)
            if self._within(start, at // 1000, end)
        ]
        return call.read(200, {}, body(sorted(rows, key=lambda row: -row["create_time"])[:_MOST]))


def read(listed: Listed, seconds: int) -> tuple[set[str], list[tuple[EventName, str]]]:
    """All that is found in so many seconds, and what was told."""
    told: list[tuple[EventName, str]] = []
    statement = Statement(SOMEBODY, cast("Rest", listed), lambda event, subject, _: told.append((event, subject)))
    found = asyncio.run(statement.trades(START - 1000, START + (seconds + 1) * 1000))
    return {fill.trade_id for fill in found}, told


@settings(max_examples=60, deadline=None)
@given(
    crowds=st.lists(st.tuples(st.integers(0, 900), st.integers(1, 199)), max_size=12, unique_by=lambda crowd: crowd[0]),
    apart=st.integers(2, 5),
    bounds=st.sampled_from(sorted(_BOUNDS)),
    ms=st.integers(0, 999),
)
def test_wherever_windows_end_all_is_found_where_no_two_seconds_hold_more_than_a_reply(
    crowds: list[tuple[int, int]], apart: int, bounds: str, ms: int
) -> None:
    # Many at the very same millisecond, in seconds that do not touch.
    times = [START + second * apart * 1000 + ms for second, count in crowds for _ in range(count)]
    found, told = read(Listed(times, bounds), 900 * apart)
    assert found == {str(number) for number in range(len(times))}
    assert told == []


@settings(max_examples=30, deadline=None)
@given(second=st.integers(0, 3_600), crowd=st.integers(200, 260), others=st.lists(st.integers(0, 3_600), max_size=50))
def test_more_in_one_second_than_a_reply_holds_is_told_and_everything_else_found(
    second: int, crowd: int, others: list[int]
) -> None:
    apart = [other for other in others if abs(other - second) > 1]
    times = [START + other * 1000 for other in apart] + [START + second * 1000] * crowd
    found, told = read(Listed(times, "both"), 3_600)
    assert found >= {str(number) for number in range(len(apart))}
    assert len(found) == len(apart) + _MOST
    assert {event for event, _ in told} == {EventName.INCOMPLETE}
    assert len(told) == len(set(told))


def test_the_farthest_that_is_read_is_within_what_the_exchange_answers() -> None:
    listed = Listed([START], "both")
    statement = Statement(SOMEBODY, cast("Rest", listed), lambda *_: None)
    assert len(asyncio.run(statement.trades_of("7", START + 500))) == 1
    assert listed.calls == 1
