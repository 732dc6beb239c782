"""The rows by which REST tells plan orders: in their own list, and in the order history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.simulator.trading import pushes
from bridge.simulator.trading.orders import plain

if TYPE_CHECKING:
    from bridge.simulator.sockets.delivery import Frame
    from bridge.simulator.trading.plans import Plan


def listed(plan: Plan, mode: str) -> Frame:
    """A row as captured in 2024-01, and the members documented since; a market order's price is our choice."""
    return {
        "order_id": plan.order_id,
        "client_order_id": plan.client_order_id,
        "executive_price": "0" if plan.price is None else plain(plan.price),
        "trigger_price": plain(plan.trigger),
        "size": str(plan.size),
        "symbol": plan.symbol,
        "state": plan.state,
        "side": plan.side,
        "mode": 1,
        "position_mode": mode,
        "price_way": 1,
        "price_type": 1,
        "plan_category": 1,
        "type": plan.kind,
        "leverage": str(pushes.LEVERAGE),
        "open_type": "cross",
        "create_time": plan.create_time,
        "update_time": plan.update_time,
    }


def told(plan: Plan, mode: str) -> Frame:
    """A plan order in the order history: documented members, none captured."""
    return {
        "order_id": plan.order_id,
        "client_order_id": plan.client_order_id,
        "price": "0",
        "trigger_price": plain(plan.trigger),
        "execution_price": "Market" if plan.price is None else plain(plan.price),
        "size": str(plan.size),
        "symbol": plan.symbol,
        "state": plan.state,
        "side": plan.side,
        "type": "planorder",
        "account": "futures",
        "position_mode": mode,
        "leverage": str(pushes.LEVERAGE),
        "open_type": "cross",
        "deal_avg_price": "0",
        "deal_size": "0",
        "create_time": plan.create_time,
        "update_time": plan.update_time,
        "executive_order_id": plan.executed,
    }
