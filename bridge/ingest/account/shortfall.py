"""Which orders have traded more than the executions we know of. Pure.

A socket frame tells its last match only, so several matches at once show one execution and a larger filled size.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from bridge.records import Fill, Order, Status

_FIRST_WAIT_S: Final = 1.0
# What the exchange has not listed by then it will hardly ever list, and an order of many matches takes many calls.
_LONGEST_WAIT_S: Final = 3600.0


@dataclass(slots=True)
class _Known:
    symbol: str
    filled: Decimal = Decimal(0)
    finished: bool = False
    fills: dict[str, Decimal] = field(default_factory=dict)
    not_before: float = 0.0
    wait_s: float = _FIRST_WAIT_S

    @property
    def short(self) -> bool:
        return sum(self.fills.values(), Decimal(0)) < self.filled


class Shortfall:
    """Keeps count of orders under way, and of those that lack executions."""

    def __init__(self) -> None:
        """Begin knowing of no order."""
        self._orders: dict[str, _Known] = {}

    def order(self, order: Order) -> None:
        """Take note of how far an order has come."""
        known = self._orders.setdefault(order.order_id, _Known(order.symbol))
        known.filled = max(known.filled, Decimal(order.filled_size or "0"))
        known.finished = known.finished or order.status in (Status.FILLED, Status.CANCELED)
        self._drop_settled(order.order_id)

    def fill(self, fill: Fill) -> None:
        """Take note of an execution."""
        known = self._orders.get(fill.order_id)
        if known is not None:
            known.fills[fill.trade_id] = Decimal(fill.size)
            self._drop_settled(fill.order_id)

    def due(self, now: float) -> list[str]:
        """Return the ids of the orders that lack executions and are to be asked for at monotonic time `now`.

        Whoever is returned is not due again before a while, ever longer: the exchange may be slow to list a match.
        """
        due = [order_id for order_id, known in self._orders.items() if known.short and known.not_before <= now]
        for order_id in due:
            known = self._orders[order_id]
            known.not_before, known.wait_s = now + known.wait_s, min(known.wait_s * 2, _LONGEST_WAIT_S)
        return due

    def filled(self, order_id: str) -> Decimal:
        """Return how much an order has traded, 0 if it is not known."""
        known = self._orders.get(order_id)
        return known.filled if known else Decimal(0)

    def _drop_settled(self, order_id: str) -> None:
        known = self._orders[order_id]
        if known.finished and not known.short:
            del self._orders[order_id]
