"""The shapes of the private data frames."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from bridge.simulator.trading.orders import MATCH, plain

if TYPE_CHECKING:
    from bridge.simulator.sockets.delivery import Frame
    from bridge.simulator.trading.account import Account
    from bridge.simulator.trading.orders import Fill, Order
    from bridge.simulator.trading.plans import Plan
    from bridge.simulator.trading.positions import Position

LEVERAGE = 10
_CROSS = 2


def order(order: Order, action: int, account: Account) -> Frame:
    """One element of a `futures/order` frame.

    Submitting was captured (2023-12). No fill and no cancel was ever captured: there the members are the documented
    ones, `state` is 2 until nothing remains and 4 then, and `last_trade` is set on matches only.
    """
    members: Frame = {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "price": plain(order.price),
        "size": str(order.size),
        "symbol": order.symbol,
        "state": order.state,
        "side": order.side,
        "type": order.kind,
        "leverage": str(LEVERAGE),
        "open_type": "cross",
        "deal_avg_price": order.average_price,
        "deal_size": str(order.deal_size),
        "create_time": order.create_time,
        "update_time": order.update_time,
        "plan_order_id": order.plan_order_id,
        "last_trade": _last_trade(order.last_fill) if action == MATCH and order.last_fill else None,
    }
    if not account.faults.old_private_shape:
        # Documented since 2024; "-" stands for "none" in the documented sample.
        members |= {
            "trigger_price": "-",
            "trigger_price_type": "-",
            "execution_price": "-",
            "activation_price_type": "-",
            "activation_price": "-",
            "callback_rate": "-",
            "position_mode": account.mode,
        }
    return {"action": action, "order": members}


def plan(plan: Plan, action: int, account: Account) -> Frame:
    """One element of a `futures/order` frame that tells a plan order (documented; none was ever captured).

    Its types are not those of REST's list. `price` is "0" as in the documented row of the order history.
    """
    execution = "market" if plan.price is None else plain(plan.price)
    members: Frame = {
        "order_id": plan.order_id,
        "client_order_id": plan.client_order_id,
        "price": "0",
        "size": str(plan.size),
        "symbol": plan.symbol,
        "state": plan.state,
        "side": plan.side,
        "type": "plan_order" if plan.kind == "plan" else plan.kind,
        "leverage": str(LEVERAGE),
        "open_type": "cross",
        "deal_avg_price": "0",
        "deal_size": "0",
        "create_time": plan.create_time,
        "update_time": plan.update_time,
        "plan_order_id": "",
        "last_trade": None,
    }
    if not account.faults.old_private_shape:
        members |= {
            "trigger_price": plain(plan.trigger),
            "trigger_price_type": "last_price",
            "execution_price": execution,
            "activation_price_type": "-",
            "activation_price": "-",
            "callback_rate": "-",
            "position_mode": account.mode,
        }
    return {"action": action, "order": members}


def position(position: Position, account: Account) -> Frame:
    """One element of a `futures/position` frame (captured 2023-12; position_mode documented since 2025).

    The sign of a one-way short is unknown: our choice is none, `position_type` tells it.
    """
    signed = account.mode == "one_way_mode" and account.faults.one_way_signed
    members: Frame = {
        "symbol": position.symbol,
        "hold_volume": str(position.volume if signed else abs(position.volume)),
        "position_type": position.type,
        "open_type": _CROSS,
        "frozen_volume": str(frozen_volume(position, account)),
        "close_volume": str(position.closed),
        "hold_avg_price": plain(position.entry),
        "close_avg_price": plain(position.closed_average),
        "open_avg_price": plain(position.entry),
        "liquidate_price": "0",
        "create_time": position.opened_at,
        "update_time": position.updated_at,
    }
    return members if account.faults.old_private_shape else members | {"position_mode": account.mode}


def asset(currency: str, account: Account) -> Frame:
    """The `data` of a `futures/asset:<CCY>` frame (captured 2023-12). Only USDT ever holds anything."""
    deposit, frozen, available = funds(currency, account)
    return {
        "currency": currency,
        "available_balance": plain(available),
        "position_deposit": plain(deposit),
        "frozen_balance": plain(frozen),
    }


def funds(currency: str, account: Account) -> tuple[Decimal, Decimal, Decimal]:
    """Position deposit, frozen and available balance of a currency."""
    if currency != "USDT":
        return Decimal(0), Decimal(0), Decimal(0)
    deposit, frozen = account.deposit(), account.frozen()
    return deposit, frozen, account.balance - deposit - frozen


def frozen_volume(position: Position, account: Account) -> int:
    """Contracts of a position that open closing orders will take."""
    orders = (order for order in account.open_orders() if order.reduces and order.symbol == position.symbol)
    return sum(order.remaining for order in orders if account.position(order) is position)


def _last_trade(fill: Fill) -> Frame:
    """Documented; the fee is negative for a cost, as in the documented sample."""
    return {
        "lastTradeID": fill.trade_id,
        "fillQty": str(fill.size),
        "fillPrice": plain(fill.price),
        "fee": plain(-fill.fee),
        "feeCcy": "USDT",
    }
