"""The guard that refuses old records."""

from __future__ import annotations

import pytest

from bridge.consumer import Freshness, Kline, Record, StaleDataError, Unknown, age_ms, decode
from bridge.consumer.freshness import now_ms
from tests.consumer.test_decoding import MARKER, entry
from tests.store.support import FILL, KLINE, MINUTE_MS, OPEN_TIME, ORDER, changed

END = OPEN_TIME + MINUTE_MS


def read(fields: dict[str, str]) -> Record:
    return decode(fields)


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (read(entry(KLINE, closed="1", received_at=str(END + 9_000))), END),
        (read(entry(KLINE, received_at=str(END - 30_000))), END - 30_000),
        (read(entry(KLINE, received_at=str(END + 30_000))), END),
        (read(entry(ORDER, updated_at=str(END), received_at=str(END + 50))), END),
        (read(entry(ORDER, updated_at="", received_at=str(END + 50))), END + 50),
        (read(entry(FILL, traded_at=str(END + 70), received_at=str(END + 50))), END + 50),
        (read(entry(changed(MARKER, received_at=END))), END),
        (Unknown("order", "2", "a version"), 0),
    ],
)
def test_age_counts_from_the_last_moment_in_which_it_was_surely_true(record: Record, told: int) -> None:
    assert age_ms(record, END + 60_000) == END + 60_000 - told


def test_old_records_are_refused_and_fresh_ones_are_not() -> None:
    kline = read(entry(KLINE, closed="1"))
    guard = Freshness(5, clock=lambda: END + 5_000)
    guard.check(kline)
    assert list(filter(guard.accepts, [kline])) == [kline]
    late = Freshness(5, clock=lambda: END + 5_001)
    assert not late.accepts(kline)
    with pytest.raises(StaleDataError, match=r"this kline is 5.0 s old, more than 5 s") as refusal:
        late.check(kline)
    assert refusal.value.age_ms == 5_001


def test_by_itself_it_looks_at_this_hosts_clock() -> None:
    fresh = read(entry(changed(MARKER, received_at=now_ms())))
    Freshness(60).check(fresh)
    assert isinstance(kline := read(entry(KLINE)), Kline)
    assert not Freshness(60).accepts(kline)
