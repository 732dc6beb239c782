"""Orders and their fills."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

OrderType = Literal["limit", "market"]

# `state` of an order (documented).
APPROVAL, OPEN, FINISHED = 1, 2, 4
# `action` of an order push (documented).
MATCH, SUBMIT, CANCEL = 1, 2, 3
# `side` in hedge mode: buy_open_long, buy_close_short, sell_close_long, sell_open_short; in one-way mode: buy,
# buy reduce-only, sell reduce-only, sell (documented).
BUY, BUY_CLOSE, SELL_CLOSE, SELL = 1, 2, 3, 4

# Averages were captured with 18 decimals ("72.082857142857142857").
_AVERAGE = Decimal(1).scaleb(-18)


def plain(number: Decimal) -> str:
    """A decimal as on the wire: no exponent, no trailing zeros, no negative zero."""
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def average(value: Decimal, size: int) -> Decimal:
    """`value` per contract, with 18 decimals; 0 of nothing."""
    return (value / size).quantize(_AVERAGE, ROUND_HALF_UP) if size else Decimal(0)


@dataclass(frozen=True, slots=True)
class Fill:
    """One match of an order.

    Attributes:
        trade_id: A number on the WebSocket, a string over REST.
        order_id: Whose match.
        symbol: The contract.
        side: The order's side, 1 to 4.
        price: Price of the match.
        size: Contracts matched.
        fee: USDT paid, positive for a cost.
        maker: Whether the order rested on the book.
        realised: USDT won by what the match closed, fees not deducted.
        at: Market time, Unix milliseconds.
    """

    trade_id: int
    order_id: str
    symbol: str
    side: int
    price: Decimal
    size: int
    fee: Decimal
    maker: bool
    realised: Decimal
    at: int


@dataclass(slots=True)
class Order:
    """One order.

    Attributes:
        order_id: Digits, as a string everywhere but in the reply to submitting.
        client_order_id: Empty if none was given.
        symbol: The contract.
        side: 1 to 4; what it means depends on the position mode.
        kind: "limit" or "market".
        price: Limit price; for a market order the price when it was submitted, as captured.
        size: Contracts ordered.
        create_time: Market time, Unix milliseconds.
        update_time: The same, of the last change; a few ms before `create_time` on submitting, as captured.
        state: 1 approval, 2 open, 4 finished.
        deal_size: Contracts matched.
        deal_value: Sum of price times size of the matches.
        last_fill: The last match.
        plan_order_id: The plan order that made it; empty if none did.
    """

    order_id: str
    client_order_id: str
    symbol: str
    side: int
    kind: OrderType
    price: Decimal
    size: int
    create_time: int
    update_time: int
    state: int
    deal_size: int = 0
    deal_value: Decimal = field(default_factory=Decimal)
    last_fill: Fill | None = None
    plan_order_id: str = ""

    @property
    def remaining(self) -> int:
        """Contracts not matched yet."""
        return self.size - self.deal_size

    @property
    def direction(self) -> int:
        """1 for a buy, -1 for a sell."""
        return 1 if self.side in (BUY, BUY_CLOSE) else -1

    @property
    def reduces(self) -> bool:
        """Whether it may only close."""
        return self.side in (BUY_CLOSE, SELL_CLOSE)

    @property
    def average_price(self) -> str:
        """Average price of the matches as on the wire; "0" before the first."""
        return plain(average(self.deal_value, self.deal_size))
