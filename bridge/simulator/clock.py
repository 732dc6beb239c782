"""Market time: what the exchange's own clock shows."""

from __future__ import annotations

import time
from email.utils import formatdate


class MarketClock:
    """Runs `rate` times as fast as the host's clock, from its first start and for good.

    It does not stop while the simulator is stopped: the market goes on during an outage.
    """

    def __init__(self, rate: float, start: int | None) -> None:
        """Keep the pace; nothing runs yet.

        Args:
            rate: Market seconds per wall second.
            start: Market time at the first start, Unix milliseconds; None is the host's time then.
        """
        self.rate = rate
        self._start = start
        self._began: float | None = None

    def begin(self) -> int:
        """Start the clock if it is not running yet, and return the market time at which it started."""
        if self._start is None:
            self._start = time.time_ns() // 1_000_000
        if self._began is None:
            self._began = time.monotonic()
        return self._start

    def now(self) -> int:
        """Market time in Unix milliseconds."""
        start = self.begin()
        began = time.monotonic() if self._began is None else self._began
        return start + int((time.monotonic() - began) * 1000 * self.rate)

    def http_date(self) -> str:
        """Market time as an HTTP `Date` header."""
        return formatdate(self.now() / 1000, usegmt=True)
