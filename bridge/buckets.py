"""A histogram that costs a look and two additions: counts of values by size, to be read when somebody looks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from math import inf
from typing import Final

# Latencies, in seconds: from what a loop on one machine takes to what a person would notice, and beyond.
LATENCIES: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
# Entries in a flush, up to the most that a setting allows.
SIZES: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0)


class Buckets:
    """Counts values by the smallest bound that they do not exceed."""

    __slots__ = ("_above", "_bounds", "_counts", "_place", "_upto", "sum")

    def __init__(self, bounds: Sequence[float] = LATENCIES) -> None:
        """Begin empty, with these bounds in rising order; what exceeds the last has a place of its own."""
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        # Where the value before was counted, and what is counted there as well: the next is mostly much like it.
        self._place = 0
        self._above, self._upto = -inf, self._bounds[0]
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        if not self._above < value <= self._upto:
            self._find(value)
        self._counts[self._place] += 1
        self.sum += value

    def _find(self, value: float) -> None:
        self._place = bisect_left(self._bounds, value)
        self._above, self._upto = (-inf, *self._bounds, inf)[self._place : self._place + 2]

    @property
    def count(self) -> int:
        """How many values were counted."""
        return sum(self._counts)

    def cumulative(self) -> Iterator[tuple[str, float]]:
        """Yield each bound and how many values do not exceed it, `+Inf` last: Prometheus' own way to tell it."""
        bounds = [*map(repr, map(float, self._bounds)), "+Inf"]
        yield from zip(bounds, map(float, accumulate(self._counts)), strict=True)
