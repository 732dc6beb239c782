"""The contract's own word that nothing was traded for 24 hours, and what follows from it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bridge.ingest.candles.closed import Closed, How, empty
from bridge.ingest.candles.written import Written
from bridge.timeframes import HOUR_MS

# How far back the word "nothing in 24 hours" is trusted: nobody says how exactly these are counted.
QUIET_MS: Final = 23 * HOUR_MS
# While that word is this young, its next repetition is waited for and REST is spared.
_YOUNG_MS: Final = 180_000


class Idle:
    """Since when, and until when, a contract is known not to have traded.

    Attributes:
        since: the beginning of that time.
    """

    def __init__(self, cap: int) -> None:
        """Know of no such time; a hole of more than `cap` candles is jumped over."""
        self.since = 0
        self._until = 0
        self._cap = cap

    def told(self, told_ms: int) -> None:
        """Take note of the word as of `told_ms`."""
        if told_ms - QUIET_MS > self._until:
            self.since = told_ms - QUIET_MS
        self._until = told_ms

    def lasts(self, opened: int, now_ms: int) -> bool:
        """Tell whether the word holds for a period that opened then, and is still young."""
        return self.since <= opened and now_ms - self._until < _YOUNG_MS

    def closed(self, written: Written, over_ms: int, last_price: str, phase_ms: int | None) -> Iterator[Closed]:
        """Yield the empty candles of the periods that ended by `over_ms`."""
        tail, length = written.tail, written.timeframe.milliseconds
        if tail is None or self._until - tail.open_time > (self._cap + 1) * length:
            phase = tail.open_time if tail else phase_ms
            if phase is None or not last_price.strip("0."):
                return
            opened = written.over_at(over_ms, phase)
            if opened < self.since:
                return
            begun = empty(written.symbol, written.timeframe, opened, last_price)
            yield written.add(begun, How.JUMP if tail else How.START)
        while self.since <= written.next_open and written.next_end <= over_ms:
            yield written.add(written.empty())
