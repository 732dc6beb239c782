"""BitMart's numbers and words, and ours. What isn't listed becomes `unknown`; the raw code rides in the record."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from bridge.records import MarginMode, OrderEvent, OrderType, PositionMode, PositionSide, Side, Status

# docs: the order channel's `action`
EVENTS: Final = {
    1: OrderEvent.TRADE,
    2: OrderEvent.SUBMITTED,
    3: OrderEvent.CANCELED,
    4: OrderEvent.LIQUIDATION_CANCELED,
    5: OrderEvent.ADL_CANCELED,
    6: OrderEvent.PARTIAL_LIQUIDATION,
    7: OrderEvent.BANKRUPTCY,
    8: OrderEvent.ADL_PASSIVE,
    9: OrderEvent.ADL_ACTIVE,
}

# docs: `side` in hedge mode is buy_open_long, buy_close_short, sell_close_long, sell_open_short; in one-way mode buy,
# buy reduce-only, sell reduce-only, sell. Way and reduce-only are the same in both.
SIDES: Final = {1: Side.BUY, 2: Side.BUY, 3: Side.SELL, 4: Side.SELL}
REDUCE_ONLY: Final = {1: "0", 2: "1", 3: "1", 4: "0"}
HEDGE_POSITIONS: Final = {1: PositionSide.LONG, 2: PositionSide.SHORT, 3: PositionSide.LONG, 4: PositionSide.SHORT}

# The union of the socket's and REST's words (docs): plan_order and planorder, trailing_order and trailing are the same.
# The list of plan orders says plan (wire 2024-01).
ORDER_TYPES: Final = {
    "limit": OrderType.LIMIT,
    "market": OrderType.MARKET,
    "plan": OrderType.PLAN,
    "plan_order": OrderType.PLAN,
    "planorder": OrderType.PLAN,
    "trailing_order": OrderType.TRAILING,
    "trailing": OrderType.TRAILING,
    "take_profit": OrderType.TAKE_PROFIT,
    "stop_loss": OrderType.STOP_LOSS,
    "liquidate": OrderType.LIQUIDATION,
    "bankruptcy": OrderType.BANKRUPTCY,
    "adl": OrderType.ADL,
}

# They wait for a price and make another order when it comes.
WAITING: Final = (OrderType.PLAN, OrderType.TRAILING, OrderType.TAKE_PROFIT, OrderType.STOP_LOSS)

# Orders say the word, positions the number (wire).
MARGIN_MODES: Final[dict[str | int, MarginMode]] = {
    "isolated": MarginMode.ISOLATED,
    "cross": MarginMode.CROSS,
    1: MarginMode.ISOLATED,
    2: MarginMode.CROSS,
    "": MarginMode.ABSENT,
    0: MarginMode.ABSENT,
}
POSITION_MODES: Final = {
    "hedge_mode": PositionMode.HEDGE,
    "one_way_mode": PositionMode.ONE_WAY,
    "": PositionMode.ABSENT,
}
POSITION_TYPES: Final = {1: PositionSide.LONG, 2: PositionSide.SHORT}

_FINISHED: Final = 4
_UNDER_WAY: Final = {1: Status.ACCEPTED, 2: Status.OPEN}

# What Python, Redis' Lua and every reader take for the same number: no "1_0", " 1", "nan", nor digits of other scripts.
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?")
_LONGEST_NUMBER: Final = 64
# As all candles seen spell their four prices, each more than nothing, and their volume.
_PRICE: Final = r"(?=[0.]*[1-9])[0-9]{1,30}(?:\.[0-9]{1,30})?"
_VOLUME: Final = r"[0-9]{1,30}(?:\.[0-9]{1,30})?"
_CANDLE: Final = re.compile(rf"(?:{_PRICE} ){{4}}{_VOLUME}").fullmatch
_PLAIN: Final = "0123456789."


def status_of(state: int, size: str, filled: str) -> Status:
    """Tell how far an order has come, from its `state` and sizes; `action` is no help, it marks partial fills as deals.

    State 1 is seen on the wire for market orders just submitted, 2 is open, 4 is finished (docs). An order whose whole
    size has been dealt is filled, whatever its state says yet.

    Raises:
        ValueError: a size is no decimal number.
    """
    dealt, whole = decimal(filled or "0"), decimal(size or "0")
    if 0 < whole <= dealt:
        return Status.FILLED
    if state == _FINISHED:
        return Status.CANCELED
    if state not in _UNDER_WAY:
        return Status.UNKNOWN
    return Status.PARTIALLY_FILLED if dealt else _UNDER_WAY[state]


def made_another(kind: OrderType, status: Status, filled: str, event: OrderEvent) -> bool:
    """Tell whether an order that waited for a price ended because it came, and not because it was cancelled.

    Unknown: no capture shows the end of one. That submitting or trading ends it for its price is our choice.
    """
    told = event in (OrderEvent.SUBMITTED, OrderEvent.TRADE)
    return told and kind in WAITING and status is Status.CANCELED and not decimal(filled or "0")


def price_of(kind: OrderType, price: str, execution_price: str) -> str:
    """Return an order's price: of one that waits for another price, what it will be executed at, if that is a number.

    `price` is "0" there and `execution_price` may be a word for the market's price (docs).
    """
    wanted = present(execution_price) if kind in WAITING else ""
    return wanted if _NUMBER.fullmatch(wanted) and decimal(wanted) else present(price)


def position_side(side: int, mode: PositionMode) -> PositionSide:
    """Tell which position an order is about; without the account's mode that cannot be known, and is left empty."""
    if mode is PositionMode.HEDGE:
        return HEDGE_POSITIONS.get(side, PositionSide.UNKNOWN)
    return PositionSide.BOTH if mode is PositionMode.ONE_WAY else PositionSide.ABSENT


def decimal(text: str) -> Decimal:
    """Read a decimal number.

    Raises:
        ValueError: `text` is none.
    """
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        raise ValueError(f"{text[:20]!r} is no decimal number")
    return Decimal(text)


def are_candle(open_: str, high: str, low: str, close: str, volume: str) -> bool:
    """Tell, by one look at all five, whether they are the plain numbers of a candle; others may be numbers, too."""
    return _CANDLE(f"{open_} {high} {low} {close} {volume}") is not None


def are_plain(price: str, volume: str) -> bool:
    """Tell the same of two alone, those that change most often: quicker, and rather too often that they are not.

    Raises:
        ValueError: one is no number.
    """
    known = volume.isdecimal() and volume.isascii() and not price.strip(_PLAIN)
    return known and len(price) + len(volume) <= _LONGEST_NUMBER and float(price) > 0


def cost(fee: str) -> str:
    """Turn the socket's fee, negative for a cost (docs), into ours, positive for a cost, digit for digit."""
    if not fee or not fee.strip("0."):
        return fee
    return fee[1:] if fee.startswith("-") else f"-{fee.removeprefix('+')}"


def present(text: str) -> str:
    """Return `text`, or the empty string for the `-` that stands for absent in order frames (docs)."""
    return "" if text == "-" else text
