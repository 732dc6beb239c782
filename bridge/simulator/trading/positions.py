"""What the account holds of a contract, and how a fill changes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from bridge.simulator.trading.orders import average

PositionSide = Literal["long", "short", "both"]

LONG, SHORT = 1, 2


@dataclass(slots=True)
class Position:
    """One position: a side of a contract in hedge mode, the whole contract ("both") in one-way mode.

    Attributes:
        symbol: The contract.
        side: "long" or "short" in hedge mode, "both" in one-way mode.
        coins: Coins per contract.
        volume: Contracts held, negative for a short.
        entry: Average price of what is held, or of what was held last.
        closed: Contracts closed since the position was opened from zero.
        closed_value: Sum of price times size of those.
        realised: USDT won since the position was opened from zero, fees not deducted.
        opened_at: Market time at which it was last opened from zero, Unix milliseconds; 0 before.
        updated_at: Market time of its last change.
        type: 1 while it is, or last was, a long; 2 for a short.
    """

    symbol: str
    side: PositionSide
    coins: Decimal
    volume: int = 0
    entry: Decimal = field(default_factory=Decimal)
    closed: int = 0
    closed_value: Decimal = field(default_factory=Decimal)
    realised: Decimal = field(default_factory=Decimal)
    opened_at: int = 0
    updated_at: int = 0
    type: int = LONG

    @property
    def closed_average(self) -> Decimal:
        """Average price of what was closed."""
        return average(self.closed_value, self.closed)

    def value(self, price: Decimal) -> Decimal:
        """USDT that what is held is worth at a price, never negative."""
        return abs(self.volume) * price * self.coins

    def profit(self, price: Decimal) -> Decimal:
        """USDT that closing everything at a price would win."""
        return (price - self.entry) * self.volume * self.coins

    def apply(self, change: int, price: Decimal, at: int) -> Decimal:
        """Buy (positive) or sell (negative) contracts, and return the USDT this realised.

        Selling more than a one-way position holds turns it around.
        """
        realised = Decimal(0)
        closing = min(abs(change), abs(self.volume)) if change * self.volume < 0 else 0
        if closing:
            realised = self._close(closing, price)
            change += closing if change < 0 else -closing
        if change:
            self._open(change, price, at)
        self.updated_at = at
        return realised

    def _close(self, size: int, price: Decimal) -> Decimal:
        sign = 1 if self.volume > 0 else -1
        realised = (price - self.entry) * size * sign * self.coins
        self.volume -= size * sign
        self.closed += size
        self.closed_value += price * size
        self.realised += realised
        return realised

    def _open(self, change: int, price: Decimal, at: int) -> None:
        if not self.volume:
            self.entry = self.closed_value = self.realised = Decimal(0)
            self.closed, self.opened_at = 0, at
            self.type = LONG if change > 0 else SHORT
        cost = self.entry * abs(self.volume) + price * abs(change)
        self.volume += change
        self.entry = average(cost, abs(self.volume))
