"""Market time: what the exchange's own clock shows."""

from __future__ import annotations

import time
from email.utils import formatdate


class MarketClock:
    """Stands still until `begin`, then runs `rate` times as fast as the host's clock, for good.

    It does not stop while the simulator is stopped: the market goes on during an outage.

    Attributes:
        rate: Market seconds per wall second.
        start: Market time at which it begins, Unix milliseconds.
    """

    def __init__(self, rate: float, start: int | None) -> None:
        """Set the clock.

        Args:
            rate: Market seconds per wall second.
            start: Market time in Unix milliseconds; None is the host's time now.
        """
        self.rate = rate
        self.start = time.time_ns() // 1_000_000 if start is None else start
        self._began: float | None = None

    def begin(self) -> None:
        """Let it run, if it does not yet."""
        if self._began is None:
            self._began = time.monotonic()

    def now(self) -> int:
        """Market time in Unix milliseconds."""
        if self._began is None:
            return self.start
        return self.start + int((time.monotonic() - self._began) * 1000 * self.rate)

    def http_date(self) -> str:
        """Market time as an HTTP `Date` header."""
        return formatdate(self.now() / 1000, usegmt=True)
