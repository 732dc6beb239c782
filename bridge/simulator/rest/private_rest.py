"""The private REST endpoints: orders, trades, positions and balances of the account."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING

from bridge.simulator.replies import RefusalError, ok
from bridge.simulator.topics import CURRENCIES
from bridge.simulator.trading.orders import FINISHED, plain
from bridge.simulator.trading.plan_rows import listed, told
from bridge.simulator.trading.plans import Plan
from bridge.simulator.trading.pushes import LEVERAGE, funds

if TYPE_CHECKING:
    from bridge.simulator.replies import Reply
    from bridge.simulator.rest.public_rest import Query
    from bridge.simulator.sockets.delivery import Frame
    from bridge.simulator.trading.account import Account
    from bridge.simulator.trading.orders import Fill, Order
    from bridge.simulator.trading.positions import Position

_DAY_S = 86_400
_MOST_OPEN, _MOST_ROWS = 100, 200
# How far apart the numbers of REST and of the socket are when they differ.
_OTHER_IDS = 500_000_000_000_000
_DEFAULT_S, _LONGEST_S = 7 * _DAY_S, 90 * _DAY_S


@dataclass(slots=True)
class PrivateRest:
    """Answers the private requests from the account. Rows come newest first (unknown on the wire: our choice)."""

    account: Account

    async def open_orders(self, query: Query) -> Reply:
        """Orders that are not finished: at most 100, without a way to the next ones (documented)."""
        limit = query.get("limit", str(_MOST_OPEN))
        if not limit.isdecimal() or not 0 < int(limit) <= _MOST_OPEN:
            raise RefusalError(400, 40007, "Parse parameter error")
        wanted = [
            order
            for order in reversed(self.account.open_orders())
            if query.get("symbol", order.symbol) == order.symbol
            and query.get("type", order.kind) == order.kind
            and (query.get("order_state", "all") == "all" or order.deal_size)
        ]
        return ok([self._open_order(order) for order in wanted[: int(limit)]])

    async def order(self, query: Query) -> Reply:
        """One order, whatever its state."""
        order_id = query.get("order_id", "")
        plan = self.account.plans.orders.get(order_id) if self.account.faults.plan_by_name else None
        if plan is not None and plan.symbol == query.get("symbol"):
            return ok(told(plan, self.account.mode))
        order = self.account.orders.get(order_id)
        if order is None or order.symbol != query.get("symbol"):
            raise RefusalError(400, 40035, "Order Not Exist")
        return ok(self._order_row(order) | {"account": "futures"})

    async def history(self, query: Query) -> Reply:
        """Finished orders of one symbol: the newest 200 of a window that defaults to seven days (documented)."""
        symbol = query.get("symbol")
        if not symbol:
            raise RefusalError(400, 40007, "Parse parameter error")
        start, end = self._window(query)
        plans = {} if self.account.faults.plan_untold else self.account.plans.orders
        every: list[Order | Plan] = [*self.account.orders.values(), *plans.values()]
        rows = [
            order
            for order in every
            if order.state == FINISHED
            and order.symbol == symbol
            and start <= order.create_time <= end
            and _matches(order, query)
        ]
        rows.sort(key=lambda order: order.create_time, reverse=True)
        return ok([self._history_row(order) for order in islice(rows, _MOST_ROWS)])

    async def trades(self, query: Query) -> Reply:
        """Fills: the newest 200 of a window that defaults to seven days (documented)."""
        start, end = self._window(query)
        rows = (
            fill
            for fill in reversed(self.account.fills)
            if query.get("symbol", fill.symbol) == fill.symbol
            and start <= fill.at <= end
            and _matches(self.account.orders[fill.order_id], query)
        )
        shift = _OTHER_IDS if self.account.faults.rest_trade_ids else 0
        return ok([_trade_row(fill, shift) for fill in islice(rows, _MOST_ROWS)])

    async def positions(self, query: Query) -> Reply:
        """Open positions, or every side of one symbol, held or not (documented)."""
        symbol = query.get("symbol")
        if symbol is None:
            return ok([self._position_row(position) for position in self.account.open_positions()])
        if symbol not in self.account.market.contracts:
            raise RefusalError(400, 40034, "Symbol Not Exist")
        sides = self.account.sides()
        return ok([self._position_row(self.account.position_of(symbol, side)) for side in sides])

    async def plan_orders(self, query: Query) -> Reply:
        """Plan orders that wait: at most 100, without a way to the next ones (documented)."""
        plans = [p for p in reversed(self.account.plans.waiting()) if query.get("symbol", p.symbol) == p.symbol]
        return ok([listed(plan, self.account.mode) for plan in plans[:_MOST_OPEN]])

    async def assets(self, _: Query) -> Reply:
        """Balances."""
        return ok([self._asset(currency) for currency in CURRENCIES])

    async def position_mode(self, _: Query) -> Reply:
        """The account's mode."""
        return ok({"position_mode": self.account.mode})

    def _window(self, query: Query) -> tuple[int, int]:
        """The wanted window in milliseconds; its whole last second belongs to it."""
        now = self.account.market.clock.now() // 1000
        end = _seconds(query, "end_time", now)
        start = _seconds(query, "start_time", end - _DEFAULT_S)
        if start > end or end - start > _LONGEST_S:
            raise RefusalError(400, 40039, "Invalid timestamp")
        return start * 1000, end * 1000 + 999

    def _order_row(self, order: Order) -> Frame:
        return {
            "order_id": order.order_id,
            "client_order_id": order.client_order_id,
            "price": plain(order.price),
            "size": str(order.size),
            "symbol": order.symbol,
            "state": order.state,
            "side": order.side,
            "type": order.kind,
            "position_mode": self.account.mode,
            "leverage": str(LEVERAGE),
            "open_type": "cross",
            "deal_avg_price": order.average_price,
            "deal_size": str(order.deal_size),
            "create_time": order.create_time,
            "update_time": order.update_time,
        }

    def _open_order(self, order: Order) -> Frame:
        return self._order_row(order) | _presets()

    def _history_row(self, order: Order | Plan) -> Frame:
        if isinstance(order, Plan):
            return told(order, self.account.mode)
        triggers: Frame = {
            "trigger_price": "0",
            "execution_price": "0",
            "account": "futures",
            "activation_price_type": 0,
            "activation_price": "0",
            "callback_rate": "0",
        }
        return self._order_row(order) | triggers | _presets()

    def _position_row(self, position: Position) -> Frame:
        """A row as documented. `position_amount` is signed in one-way mode only."""
        now = self.account.market.clock.now()
        mark = self.account.last_price(position.symbol, now)
        held = bool(position.volume)
        entry = position.entry if held else Decimal(0)
        deposit = position.value(entry) / LEVERAGE
        amount = position.volume if position.side == "both" else abs(position.volume)
        return {
            "symbol": position.symbol,
            "leverage": str(LEVERAGE),
            "timestamp": now,
            "current_fee": plain(position.value(entry) * Decimal("0.0006")),
            "open_timestamp": position.opened_at if held else 0,
            "current_value": plain(position.value(mark)),
            "mark_price": plain(mark),
            "position_value": plain(position.value(entry)),
            "position_cross": plain(deposit),
            "maintenance_margin": plain(deposit / 2),
            "close_vol": str(position.closed if held else 0),
            "close_avg_price": plain(position.closed_average if held else Decimal(0)),
            "open_avg_price": plain(entry),
            "entry_price": plain(entry),
            "current_amount": str(abs(position.volume)),
            "position_amount": str(amount),
            "realized_value": plain(position.realised if held else Decimal(0)),
            "mark_value": plain(position.value(mark)),
            "account": "futures",
            "open_type": "cross",
            "position_side": position.side,
            "unrealized_pnl": plain(position.profit(mark)),
            "liquidation_price": "0",
            "max_notional_value": "500000",
            "initial_margin": plain(deposit),
        }

    def _asset(self, currency: str) -> Frame:
        deposit, frozen, available = funds(currency, self.account)
        now = self.account.market.clock.now()
        unrealised = Decimal(0)
        if currency == "USDT":
            for position in self.account.open_positions():
                unrealised += position.profit(self.account.last_price(position.symbol, now))
        return {
            "currency": currency,
            "position_deposit": plain(deposit),
            "frozen_balance": plain(frozen),
            "available_balance": plain(available),
            "equity": plain(deposit + frozen + available + unrealised),
            "unrealized": plain(unrealised),
        }


def _trade_row(fill: Fill, shift: int) -> Frame:
    """A row as documented: trade_id is the string of the number on the WebSocket, paid_fees positive for a cost."""
    return {
        "order_id": fill.order_id,
        "trade_id": str(fill.trade_id + shift),
        "symbol": fill.symbol,
        "side": fill.side,
        "price": plain(fill.price),
        "vol": str(fill.size),
        "exec_type": "Maker" if fill.maker else "Taker",
        "profit": fill.realised > 0,
        "realised_profit": plain(fill.realised),
        "paid_fees": plain(fill.fee),
        "account": "futures",
        "create_time": fill.at,
    }


def _presets() -> Frame:
    return {
        "preset_take_profit_price_type": 0,
        "preset_stop_loss_price_type": 0,
        "preset_take_profit_price": "",
        "preset_stop_loss_price": "",
    }


def _matches(order: Order | Plan, query: Query) -> bool:
    """Whether a query that names an order means this one."""
    ids = (query.get("order_id", order.order_id), query.get("client_order_id", order.client_order_id))
    return ids == (order.order_id, order.client_order_id)


def _seconds(query: Query, name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal():
        raise RefusalError(400, 40039, "Invalid timestamp")
    return int(text)
