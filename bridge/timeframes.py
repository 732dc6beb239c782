"""The nine timeframes, spelled one way everywhere outside an exchange's wire."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from bridge.errors import UnknownTimeframeError

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS


class Timeframe(StrEnum):
    """A candle's length. The value is its spelling in keys, entries and the API: `1m`, `1h`, `1d`."""

    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H2 = "2h"
    H4 = "4h"
    D1 = "1d"
    W1 = "1w"

    @property
    def milliseconds(self) -> int:
        """The length of one period in milliseconds."""
        return _LENGTH_MS[self]

    def floor(self, time_ms: int) -> int:
        """Return the start of the period that holds `time_ms` (both UTC milliseconds).

        Days and weeks are floored to the hour only: no source says on which day or at which hour an exchange begins
        them, so the exchange's own start is kept and just its stray seconds are taken off.
        """
        return time_ms - time_ms % (HOUR_MS if self in _ANCHORED else _LENGTH_MS[self])

    def last_ms(self, open_time: int) -> int:
        """Return the last millisecond of the period that opens at `open_time`."""
        return open_time + _LENGTH_MS[self] - 1

    @classmethod
    def parse(cls, text: str) -> Timeframe:
        """Read a timeframe as people write it: `1m`, `1h` or `1H`, `1d` or `1D`, `1w` or `1W`.

        Raises:
            UnknownTimeframeError: nothing of the nine is meant. `1M` is refused too: elsewhere it means a month.
        """
        spelled = text if text.endswith(("m", "M")) else text.lower()
        try:
            return cls(spelled)
        except ValueError:
            known = " ".join(cls)
            raise UnknownTimeframeError(f"unknown timeframe {text[:20]!r}: expected one of {known}") from None


_LENGTH_MS: Final = {
    Timeframe.M1: MINUTE_MS,
    Timeframe.M5: 5 * MINUTE_MS,
    Timeframe.M15: 15 * MINUTE_MS,
    Timeframe.M30: 30 * MINUTE_MS,
    Timeframe.H1: HOUR_MS,
    Timeframe.H2: 2 * HOUR_MS,
    Timeframe.H4: 4 * HOUR_MS,
    Timeframe.D1: DAY_MS,
    Timeframe.W1: 7 * DAY_MS,
}
_ANCHORED: Final = frozenset({Timeframe.D1, Timeframe.W1})
