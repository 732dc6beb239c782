"""BitMart's orders that wait for a price: plan orders, and those that take profit or stop losses.

They have a list of their own (wire 2024-01: one plan order; docs) and no list of those that are over but the order
history, where they are called `planorder` and name the order they made (docs). That the socket tells them, too, by
types of their own, is documented; no capture shows one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bridge.exchanges.bitmart import account, codes
from bridge.exchanges.bitmart.account import call, rows_of
from bridge.exchanges.bitmart.wire import Stamp
from bridge.records import MarginMode, Order, OrderEvent, OrderType, PositionMode, Side, Source, Status

if TYPE_CHECKING:
    from bridge.exchanges.base import Call, Credentials


class PlanRow(msgspec.Struct, gc=False):
    """One order that waits for a price (wire 2024-01 and docs).

    It may have no size of its own, where it closes a whole position. `state` was 1 on the wire; the documentation's own
    samples show 4 and "active".
    """

    order_id: int | str
    symbol: str
    side: int
    state: int | str = ""
    size: str = ""
    client_order_id: str = ""
    executive_price: str = ""
    type: str = ""
    leverage: str = ""
    open_type: str = ""
    create_time: int = 0
    update_time: Stamp = 0
    position_mode: str = ""


def plan_orders_call(credentials: Credentials, symbol: str = "") -> Call[list[Order]]:
    """Ask for the orders that wait for a price, plan orders and those that take profit or stop losses: at most 100."""
    return call("current-plan-order", account.OFTEN, credentials, rows_of(symbol, _plan, PlanRow), symbol=symbol)


def _plan(row: PlanRow) -> Order:
    # Whatever its state says: what is listed here waits, and what does not is not listed.
    mode = codes.POSITION_MODES.get(row.position_mode, PositionMode.UNKNOWN)
    kind = codes.ORDER_TYPES.get(row.type, OrderType.UNKNOWN)
    # One published sample tells the type of the order it will make.
    kind = OrderType.PLAN if kind in (OrderType.LIMIT, OrderType.MARKET) else kind
    size = codes.present(row.size)
    codes.decimal(size or "0")
    return Order(
        symbol=row.symbol,
        order_id=str(row.order_id),
        client_order_id=row.client_order_id,
        event=OrderEvent.SUBMITTED,
        status=Status.ACCEPTED if str(row.state) == "1" else Status.OPEN,
        side=codes.SIDES.get(row.side, Side.UNKNOWN),
        position_side=codes.position_side(row.side, mode),
        reduce_only=codes.REDUCE_ONLY.get(row.side, ""),
        order_type=kind,
        price=codes.price_of(kind, "", row.executive_price),
        size=size,
        filled_size="0",
        average_price="",
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
