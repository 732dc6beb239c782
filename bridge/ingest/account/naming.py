"""Whether the socket and REST call one execution by the same number, and which is which if they don't. Pure.

Nobody has seen both: the documentation shows a `lastTradeID` on the socket and a `trade_id` over REST, and never says
that they are the same number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import StrEnum

from bridge.records import Fill


class Naming(StrEnum):
    """How REST names the executions of an order that the socket told."""

    SAME = "same"
    OTHER = "other"
    UNSURE = "unsure"


def naming(told: Iterable[Fill], listed: Sequence[Fill], filled: Decimal) -> Naming:
    """Compare what the socket told of one order with REST's list of its executions.

    Args:
        told: executions published from the socket.
        listed: REST's list, as far back as REST tells.
        filled: how much the order has traded; while the list sums up to less, what it lacks may be on its way.
    """
    ids = {fill.trade_id for fill in listed}
    if all(fill.trade_id in ids for fill in told):
        return Naming.SAME
    complete = filled > 0 and sum((Decimal(fill.size) for fill in listed), Decimal(0)) >= filled
    return Naming.OTHER if complete else Naming.UNSURE


def twins(told: Sequence[Fill], listed: Sequence[Fill]) -> list[Fill]:
    """Return those of `listed` that are executions in `told` under another number: of one order, price and size.

    Where several could be meant, those nearest in time are.
    """
    pairs = sorted(
        (abs(one.traded_at - other.traded_at), here, there)
        for here, one in enumerate(told)
        for there, other in enumerate(listed)
        if _figures(one) == _figures(other)
    )
    matched: dict[int, int] = {}
    for _, here, there in pairs:
        if here not in matched and there not in matched.values():
            matched[here] = there
    return [listed[there] for there in sorted(matched.values())]


def _figures(fill: Fill) -> tuple[str, str, Decimal, Decimal]:
    return fill.symbol, fill.order_id, Decimal(fill.price), Decimal(fill.size)
