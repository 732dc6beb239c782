"""Candles as numbers: prices in ticks, volumes in contracts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Candle(NamedTuple):
    """What was traded in some stretch of time. A stretch without a trade has no candle (None).

    Attributes:
        open: First price, in ticks.
        high: Highest price, in ticks.
        low: Lowest price, in ticks.
        close: Last price, in ticks.
        volume: Contracts traded.
    """

    open: int
    high: int
    low: int
    close: int
    volume: int


def joined(parts: Iterable[Candle | None]) -> Candle | None:
    """The candle of consecutive stretches, given oldest first."""
    traded = [part for part in parts if part is not None]
    if not traded:
        return None
    opens, highs, lows, closes, volumes = zip(*traded, strict=True)
    return Candle(opens[0], max(highs), min(lows), closes[-1], sum(volumes))
