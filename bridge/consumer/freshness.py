"""How old a record is, and a guard that refuses to act on old ones."""

from __future__ import annotations

import time
from collections.abc import Callable

from bridge.consumer.errors import StaleDataError
from bridge.consumer.records import Fill, Kline, Order, Position, Record, Unknown


def now_ms() -> int:
    """Return this host's time, in UTC milliseconds."""
    return time.time_ns() // 1_000_000


def age_ms(record: Record, now: int) -> int:
    """Return how long before `now` a record was true, in milliseconds; what can't be read is as old as time.

    A closed candle counts from its period's end. A live one from its reception, or from that end when that is earlier:
    a period that is over says nothing of the present. All else counts from the exchange's time, or from its reception
    when that is earlier.
    """
    match record:
        case Kline():
            end = record.close_time + 1
            told = end if record.closed else min(end, record.received_at)
        case Order() | Position():
            told = min(record.updated_at or record.received_at, record.received_at)
        case Fill():
            told = min(record.traded_at or record.received_at, record.received_at)
        case Unknown():
            told = 0
        case _:
            told = record.received_at
    return now - told


class Freshness:
    """Refuses what is older than a bound.

    The age is counted by this host's clock: keep it in step, as the bridge's and the exchange's are.
    """

    def __init__(self, within_s: float, *, clock: Callable[[], int] = now_ms) -> None:
        """Accept what is at most so many seconds old, by a clock that gives UTC milliseconds."""
        self._within_ms = int(within_s * 1000)
        self._clock = clock

    def accepts(self, record: Record) -> bool:
        """Tell whether a record is fresh, for filtering."""
        return age_ms(record, self._clock()) <= self._within_ms

    def check(self, record: Record) -> None:
        """Return if a record is fresh.

        Raises:
            StaleDataError: it isn't.
        """
        age = age_ms(record, self._clock())
        if age > self._within_ms:
            kind = type(record).__name__.lower()
            raise StaleDataError(f"this {kind} is {age / 1000:.1f} s old, more than {self._within_ms / 1000:g} s", age)
