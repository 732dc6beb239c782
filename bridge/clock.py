"""The two clocks. Exchange time decides about candles and logins; monotonic time about pings, back-off and leases.

The host's date is asked for one thing only: the `received_at` that a record carries for people who measure latency.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def host_ms() -> int:
    """Return the host's date in UTC milliseconds, for `received_at` alone."""
    return time.time_ns() // 1_000_000


class ExchangeClock:
    """The exchange's time, as far as it has told us, carried forward by the monotonic clock.

    Everything the exchange says about its time (its time endpoint, a `Date` header, a frame's newest stamp) can only be
    late by its way to us, never early, so the greatest claim wins.
    """

    def __init__(self, monotonic: Callable[[], float], start_ms: int, rate: float = 1.0) -> None:
        """Begin at `start_ms` (UTC milliseconds); `rate` is how many exchange seconds pass in one of ours."""
        self._monotonic = monotonic
        self._rate = rate
        self._base_ms = float(start_ms)
        self._base_at = monotonic()
        self.synchronised = False
        self.doubted = True

    @property
    def rate(self) -> float:
        """Exchange seconds per monotonic second; other than 1 with a sped-up simulator only."""
        return self._rate

    def now_ms(self) -> int:
        """Return the exchange's time in UTC milliseconds."""
        return int(self._base_ms + (self._monotonic() - self._base_at) * 1000 * self._rate)

    def observe(self, claimed_ms: int) -> None:
        """Take the exchange's word that its time has reached `claimed_ms`."""
        if not self.synchronised or claimed_ms > self.now_ms():
            self._base_ms, self._base_at = float(claimed_ms), self._monotonic()
        self.synchronised = True

    def doubt(self) -> None:
        """Take note that the clock may be wrong: the exchange was away, and may come back with another time."""
        self.doubted = True

    def set(self, told_ms: int) -> None:
        """Take what the exchange's own time endpoint tells; a doubted clock is set back by it, too.

        One date too far in the future would otherwise stay in force for ever, and no login would be accepted any more.
        """
        if self.doubted:
            self.synchronised = False
        self.observe(told_ms)
        self.doubted = False

    def run_at(self, rate: float) -> None:
        """Let the exchange's seconds pass `rate` times as fast as ours from now on."""
        self._base_ms, self._base_at = float(self.now_ms()), self._monotonic()
        self._rate = rate
