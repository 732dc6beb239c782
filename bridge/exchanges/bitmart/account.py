"""BitMart's private REST reads: an account's orders, trades and positions (docs; no capture of the live service).

They are KEYED: the API key in a header, no signature. Windows are in seconds, at most 90 days and 200 rows, and rows
come in no order that anybody documents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, TypeVar

import msgspec

from bridge.errors import RestError, UnknownSymbolError
from bridge.exchanges.base import Call, Credentials
from bridge.exchanges.bitmart import codes
from bridge.exchanges.bitmart.rest import data_of
from bridge.exchanges.bitmart.wire import Stamp
from bridge.records import (
    Fill,
    MarginMode,
    Order,
    OrderEvent,
    OrderType,
    Position,
    PositionMode,
    PositionSide,
    Side,
    Source,
    Status,
)

T = TypeVar("T")
R = TypeVar("R")

MOST_ROWS: Final = 200
MOST_OPEN: Final = 100
# Calls of a path in 2 s: 50 and 6 are allowed for a key (docs), a little less is planned.
OFTEN: Final = 40
_SELDOM: Final = 5
_UNKNOWN_ORDER: Final = (40035, 40037)
_NO_ORDER: Final = ("", "0", "-")
_SIDES: Final = {"long": PositionSide.LONG, "short": PositionSide.SHORT}
_EVENTS: Final = {
    Status.ACCEPTED: OrderEvent.SUBMITTED,
    Status.OPEN: OrderEvent.SUBMITTED,
    Status.PARTIALLY_FILLED: OrderEvent.TRADE,
    Status.FILLED: OrderEvent.TRADE,
    Status.CANCELED: OrderEvent.CANCELED,
    Status.TRIGGERED: OrderEvent.TRIGGERED,
}


class OrderRow(msgspec.Struct, gc=False):
    """One order; a published copy of a live reply quotes its numbers."""

    order_id: int | str
    symbol: str
    size: str
    state: int
    side: int
    client_order_id: str = ""
    price: str = ""
    type: str = ""
    leverage: str = ""
    open_type: str = ""
    deal_avg_price: str = ""
    deal_size: str = ""
    create_time: int = 0
    update_time: Stamp = 0
    position_mode: str = ""
    execution_price: str = ""
    executive_order_id: int | str = ""


class TradeRow(msgspec.Struct, gc=False):
    """One execution; `paid_fees` is positive for a cost."""

    order_id: int | str
    trade_id: int | str
    symbol: str
    side: int
    price: str
    vol: str
    paid_fees: str = ""
    create_time: Stamp = 0


class PositionRow(msgspec.Struct, gc=False):
    """One position; `position_amount` is signed in one-way mode. `timestamp` is the reply's, not the position's."""

    symbol: str
    position_side: str
    position_amount: str
    open_type: str = ""
    entry_price: str = ""
    open_avg_price: str = ""
    close_avg_price: str = ""
    close_vol: str = ""
    liquidation_price: str = ""
    open_timestamp: int = 0


def open_orders_call(credentials: Credentials, symbol: str = "") -> Call[list[Order]]:
    """Ask for the orders that are not finished: at most 100, of one symbol or of all."""
    return call("get-open-orders", OFTEN, credentials, rows_of(symbol, _order, OrderRow), symbol=symbol)


def order_call(credentials: Credentials, symbol: str, order_id: str) -> Call[Order | None]:
    """Ask for one order, whatever its state; `None` if BitMart does not know it."""
    return call("order", OFTEN, credentials, _one_order, symbol=symbol, order_id=order_id)


def history_call(
    credentials: Credentials, symbol: str, start_ms: int, end_ms: int, order_id: str = ""
) -> Call[list[Order]]:
    """Ask for one symbol's finished orders of a window, or for one of them: at most 200."""
    window = {"start_time": str(start_ms // 1000), "end_time": str(end_ms // 1000), "order_id": order_id}
    return call("order-history", _SELDOM, credentials, rows_of(symbol, _order, OrderRow), symbol=symbol, **window)


def trades_call(credentials: Credentials, start_ms: int, end_ms: int, order_id: str = "") -> Call[list[Fill]]:
    """Ask for the executions of a window, of one order or of all: at most 200."""
    window = {"start_time": str(start_ms // 1000), "end_time": str(end_ms // 1000)}
    return call("trades", _SELDOM, credentials, partial(each, _fill, TradeRow), order_id=order_id, **window)


def positions_call(credentials: Credentials, symbol: str = "") -> Call[list[Position]]:
    """Ask for the open positions, or for every slot of one symbol, flat ones included."""
    return call("position-v2", _SELDOM, credentials, rows_of(symbol, _position, PositionRow), symbol=symbol)


def call(path: str, per_2s: int, credentials: Credentials, read: Callable[[int, bytes], T], **params: str) -> Call[T]:
    """Describe a private call; parameters that are empty are left out."""

    def reply(status: int, _headers: Mapping[str, str], body: bytes) -> T:
        return read(status, body)

    given = {name: value for name, value in params.items() if value}
    return Call(f"/contract/private/{path}", per_2s, reply, given, {"X-BM-KEY": credentials.key.reveal()})


def rows_of(symbol: str, record: Callable[[T], R], shape: type[T]) -> Callable[[int, bytes], list[R]]:
    """Return what reads a reply about one symbol, or about all (""); one that is gone has nothing to tell."""

    def read(status: int, body: bytes) -> list[R]:
        try:
            return each(record, shape, status, body)
        except UnknownSymbolError:
            if symbol:
                return []
            raise

    return read


def each(record: Callable[[T], R], shape: type[T], status: int, body: bytes) -> list[R]:
    """Read a reply of rows, each by `record`; raises `RestError` if one of them cannot be true."""
    # BitMart writes null for the empty sides of a book (wire), so no rows at all may look like that too.
    rows: list[T] | None = data_of(status, body, list[shape] | None, quoted=True)  # type: ignore[valid-type, arg-type]  # made for msgspec
    try:
        return [record(row) for row in rows or ()]
    except ValueError as wrong:
        raise RestError(f"HTTP {status} with an unreadable row: {wrong}", status=status) from None


def _one_order(status: int, body: bytes) -> Order | None:
    try:
        return _order(data_of(status, body, OrderRow, quoted=True))
    except RestError as refused:
        if refused.code in _UNKNOWN_ORDER:
            return None
        raise
    except ValueError as wrong:
        raise RestError(f"HTTP {status} with an unreadable order: {wrong}", status=status) from None


def _order(row: OrderRow) -> Order:
    mode = codes.POSITION_MODES.get(row.position_mode, PositionMode.UNKNOWN)
    size, filled = codes.present(row.size), codes.present(row.deal_size) or "0"
    kind, status = codes.ORDER_TYPES.get(row.type, OrderType.UNKNOWN), codes.status_of(row.state, size, filled)
    if status is Status.CANCELED and str(row.executive_order_id) not in _NO_ORDER and kind in codes.WAITING:
        status = Status.TRIGGERED
    return Order(
        symbol=row.symbol,
        order_id=str(row.order_id),
        client_order_id=row.client_order_id,
        event=_EVENTS.get(status, OrderEvent.UNKNOWN),
        status=status,
        side=codes.SIDES.get(row.side, Side.UNKNOWN),
        position_side=codes.position_side(row.side, mode),
        reduce_only=codes.REDUCE_ONLY.get(row.side, ""),
        order_type=kind,
        price=codes.price_of(kind, row.price, row.execution_price),
        size=size,
        filled_size=filled,
        average_price=codes.present(row.deal_avg_price),
        leverage=row.leverage,
        margin_mode=codes.MARGIN_MODES.get(row.open_type, MarginMode.UNKNOWN),
        position_mode=mode,
        plan_order_id="",
        created_at=row.create_time,
        updated_at=row.update_time,
        action="",
        state=str(row.state),
        side_code=str(row.side),
        source=Source.REST.value,
        received_at=0,
    )


def _fill(row: TradeRow) -> Fill:
    codes.decimal(row.vol)
    codes.decimal(row.price)
    return Fill(
        symbol=row.symbol,
        order_id=str(row.order_id),
        client_order_id="",
        trade_id=str(row.trade_id),
        side=codes.SIDES.get(row.side, Side.UNKNOWN),
        price=row.price,
        size=row.vol,
        fee=row.paid_fees,
        fee_currency="",
        traded_at=row.create_time,
        source=Source.REST.value,
        received_at=0,
    )


def _position(row: PositionRow) -> Position:
    one_way = row.position_side == "both"
    side = PositionSide.SHORT if codes.decimal(row.position_amount) < 0 else PositionSide.LONG
    return Position(
        symbol=row.symbol,
        side=side if one_way else _SIDES.get(row.position_side, PositionSide.UNKNOWN),
        size=row.position_amount.lstrip("-+"),
        average_price=row.entry_price,
        liquidation_price=row.liquidation_price,
        frozen_size="",
        closed_size=row.close_vol,
        open_average_price=row.open_avg_price,
        close_average_price=row.close_avg_price,
        margin_mode=codes.MARGIN_MODES.get(row.open_type, MarginMode.UNKNOWN),
        position_mode=PositionMode.ONE_WAY if one_way else PositionMode.HEDGE,
        created_at=row.open_timestamp,
        updated_at=0,
        source=Source.REST.value,
        received_at=0,
    )
