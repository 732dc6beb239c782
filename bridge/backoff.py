"""How long to wait before the next try."""

from __future__ import annotations

from collections.abc import Callable, Iterator


class Backoff:
    """Exponential waits with full jitter: each is drawn from zero up to a ceiling that doubles until it is capped.

    Full jitter spreads the reconnects of many ingesters that lost the same exchange at the same moment.
    """

    def __init__(self, first_s: float, cap_s: float, draw: Callable[[], float]) -> None:
        """Start with a ceiling of `first_s` seconds that grows up to `cap_s`; `draw` gives a number in [0, 1)."""
        self._first_s = first_s
        self._cap_s = max(first_s, cap_s)
        self._draw = draw
        self._ceiling_s = self._first_s

    def next(self) -> float:
        """Return the seconds to wait now, and double the ceiling for the time after."""
        wait_s = self._draw() * self._ceiling_s
        self._ceiling_s = min(self._ceiling_s * 2, self._cap_s)
        return wait_s

    def reset(self) -> None:
        """Begin again with the first ceiling: the last try held."""
        self._ceiling_s = self._first_s


def growing_waits() -> Iterator[float]:
    """Yield waits in seconds for asking again and again: from 2 ms, half as long again each time, up to 50 ms."""
    wait_s = 0.002
    while True:
        yield wait_s
        wait_s = min(wait_s * 1.5, 0.05)
