"""The account: its orders, fills, positions and money."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from bridge.simulator.topics import ASSET, ORDER, POSITION
from bridge.simulator.trading import pushes
from bridge.simulator.trading.orders import (
    APPROVAL,
    BUY,
    CANCEL,
    FINISHED,
    MATCH,
    OPEN,
    SELL,
    SUBMIT,
    Fill,
    Order,
    OrderType,
)
from bridge.simulator.trading.plans import Plans
from bridge.simulator.trading.positions import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.simulator.faults import Faults
    from bridge.simulator.ledger import Ledger
    from bridge.simulator.market.market import Market
    from bridge.simulator.scenario import Scenario
    from bridge.simulator.trading.positions import PositionSide

FEE_CURRENCY = "USDT"

_MAKER_FEE, _TAKER_FEE = Decimal("0.0002"), Decimal("0.0006")
# Ids grow with the market's start, so that two runs of the simulator do not share any.
_ORDER_IDS, _ORDERS_PER_S = 3_000_000_000_000_000, 100_000
_TRADES_PER_S = 1_000
# Captured orders were updated a few milliseconds before they were created.
_EARLY_MS = 4


@dataclass(slots=True)
class Account:
    """One futures account with one position mode.

    What changes is told to whoever is subscribed, noted in the ledger, and visible over REST from then on.
    Times are market milliseconds; where `at` is left out it is now.

    Attributes:
        orders: All orders by id, oldest first.
        fills: All fills, oldest first.
        positions: By symbol and side, every position there ever was.
        plans: Its plan orders.
        balance: USDT, realised profit and fees included, unrealised profit not.
    """

    scenario: Scenario
    faults: Faults
    market: Market
    ledger: Ledger
    tell: Callable[[str, object], None]
    orders: dict[str, Order] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    positions: dict[tuple[str, PositionSide], Position] = field(default_factory=dict)
    plans: Plans = field(init=False)
    balance: Decimal = field(init=False)
    _open: dict[str, Order] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Pay in the scenario's balance."""
        self.balance = Decimal(self.scenario.balance)
        self.plans = Plans(self)

    @property
    def mode(self) -> str:
        """Its position mode: "hedge_mode" or "one_way_mode"."""
        return self.scenario.position_mode

    def submit(
        self,
        symbol: str,
        side: int,
        size: int,
        *,
        price: str | None = None,
        client_order_id: str = "",
        at: int | None = None,
        plan_order_id: str = "",
    ) -> str:
        """Submit an order and return its id. It is matched only by `fill` or `sweep`.

        A market order is pushed with state 1 (captured 2023-12), a limit order with state 2 (documented as open; with
        the fault `approval_first` state 1 comes before).

        Args:
            symbol: A contract that trades.
            side: 1 to 4, as the account's position mode reads it.
            size: Contracts.
            price: Limit price; None submits a market order.
            client_order_id: The client's own id.
            at: Market time.
            plan_order_id: The plan order that makes it.

        Raises:
            ValueError: The symbol is not traded, or side or size cannot be.
        """
        if not self.market.tradable(symbol) or side not in range(BUY, SELL + 1) or size <= 0:
            raise ValueError(f"cannot submit {size} contracts of {symbol!r} with side {side}")
        at = self._time(at)
        kind: OrderType = "market" if price is None else "limit"
        limit = self.last_price(symbol, at) if price is None else Decimal(price)
        order_id = self.next_id()
        order = Order(order_id, client_order_id, symbol, side, kind, limit, size, at, at - _EARLY_MS, APPROVAL)
        order.plan_order_id = plan_order_id
        self.orders[order_id] = self._open[order_id] = order
        if kind == "limit":
            if self.faults.approval_first:
                self._publish(order, SUBMIT, at)
            order.state = OPEN
        self._publish(order, SUBMIT, at)
        self._publish_balance()
        return order_id

    def next_id(self) -> str:
        """An id that no order has yet."""
        number = len(self.orders) + len(self.plans.orders) + 1
        return str(_ORDER_IDS + self.market.start // 1000 * _ORDERS_PER_S + number)

    def fill(self, order_id: str, size: int, price: str, *, at: int | None = None) -> Fill:
        """Match `size` contracts of an order; the last match finishes it.

        Args:
            order_id: An order that is not finished.
            size: Contracts, at most what remains, and for a closing order at most what is held.
            price: Price of the match.
            at: Market time.

        Raises:
            ValueError: No such open order, or it cannot be matched so far.
        """
        return self.sweep(order_id, [(size, price)], at=at)[0]

    def sweep(self, order_id: str, matches: Sequence[tuple[int, str]], *, at: int | None = None) -> list[Fill]:
        """Match an order several times at once; the matches arrive as several elements of one frame.

        Args:
            order_id: As for `fill`.
            matches: Sizes and prices.
            at: Market time.

        Raises:
            ValueError: As for `fill`; the matches before the impossible one have happened, untold.
        """
        at = self._time(at)
        order = self.open_order(order_id)
        position = self.position(order)
        fills, elements = [], []
        for size, price in matches:
            fills.append(self._match(order, position, size, Decimal(price), at))
            elements.append(pushes.order(order, MATCH, self))
            self.ledger.order(order, MATCH, at)
            self.ledger.fill(fills[-1])
        self.ledger.position(position, at)
        tidings = [(ORDER, elements), (POSITION, self._position_push(position))]
        for topic, data in reversed(tidings) if self.faults.position_first else tidings:
            self.tell(topic, data)
        self._publish_balance()
        return fills

    def cancel(self, order_id: str, *, at: int | None = None) -> None:
        """Cancel what remains of an order.

        Raises:
            ValueError: No such open order.
        """
        at = self._time(at)
        order = self.open_order(order_id)
        del self._open[order_id]
        order.state, order.update_time = FINISHED, at
        self._publish(order, CANCEL, at)
        self._publish_balance()

    def open_order(self, order_id: str) -> Order:
        """An order that is not finished.

        Raises:
            ValueError: There is no such order, or it is finished.
        """
        if order_id not in self._open:
            raise ValueError(f"there is no open order {order_id}")
        return self._open[order_id]

    def open_orders(self) -> list[Order]:
        """All orders that are not finished, oldest first."""
        return list(self._open.values())

    def open_positions(self) -> list[Position]:
        """All positions that hold something."""
        return [position for position in self.positions.values() if position.volume]

    def sides(self) -> tuple[PositionSide, ...]:
        """The sides a contract's position can have in the account's mode."""
        return ("both",) if self.mode == "one_way_mode" else ("long", "short")

    def position_of(self, symbol: str, side: PositionSide) -> Position:
        """A contract's position, opened or not."""
        coins = Decimal(self.market.contracts[symbol].size)
        return self.positions.get((symbol, side)) or Position(symbol, side, coins)

    def position(self, order: Order) -> Position:
        """The position an order changes; kept from now on."""
        side: PositionSide = "both"
        if self.mode == "hedge_mode":
            side = "long" if (order.direction > 0) != order.reduces else "short"
        return self.positions.setdefault((order.symbol, side), self.position_of(order.symbol, side))

    def closable(self, order: Order) -> int:
        """How many contracts an order could be matched for now."""
        if not order.reduces:
            return order.remaining
        held = -self.position(order).volume * order.direction
        return max(0, min(order.remaining, held))

    def deposit(self) -> Decimal:
        """USDT bound by positions."""
        values = (position.value(position.entry) for position in self.open_positions())
        return sum(values, Decimal(0)) / pushes.LEVERAGE

    def frozen(self) -> Decimal:
        """USDT bound by open orders."""
        orders = (order for order in self.open_orders() if not order.reduces)
        values = (order.remaining * order.price * Decimal(self.market.contracts[order.symbol].size) for order in orders)
        return sum(values, Decimal(0)) / pushes.LEVERAGE

    def last_price(self, symbol: str, at: int) -> Decimal:
        """The market's last price."""
        return Decimal(self.market.contracts[symbol].text(self.market.last_price(symbol, at)))

    def push_positions(self) -> None:
        """Tell all open positions, as the exchange does every 10 s (documented).

        That it tells all of them, and nothing while there is none, is our reading.
        """
        if self.open_positions():
            self.tell(POSITION, self._positions(self.open_positions()))

    def snapshot(self, topic: str) -> object:
        """What a topic would say on subscribing, if it said something (unknown on the wire)."""
        if topic == ORDER:
            plans = [pushes.plan(plan, SUBMIT, self) for plan in self.plans.waiting()]
            return [*(pushes.order(order, SUBMIT, self) for order in self.open_orders()), *plans]
        if topic == POSITION:
            return self._positions(self.open_positions())
        return pushes.asset(topic.removeprefix(ASSET), self)

    def _match(self, order: Order, position: Position, size: int, price: Decimal, at: int) -> Fill:
        if not 0 < size <= self.closable(order):
            raise ValueError(f"order {order.order_id} can be matched for {self.closable(order)} contracts, not {size}")
        realised = position.apply(size * order.direction, price, at)
        maker = order.kind == "limit"
        coins = Decimal(self.market.contracts[order.symbol].size)
        fee = price * size * coins * (_MAKER_FEE if maker else _TAKER_FEE)
        trade_id = self.market.start // 1000 * _TRADES_PER_S + len(self.fills) + 1
        fill = Fill(trade_id, order.order_id, order.symbol, order.side, price, size, fee, maker, realised, at)
        self.fills.append(fill)
        self.balance += realised - fee
        order.deal_size += size
        order.deal_value += price * size
        order.update_time, order.last_fill = at, fill
        if not order.remaining:
            order.state = FINISHED
            del self._open[order.order_id]
        return fill

    def _publish(self, order: Order, action: int, at: int) -> None:
        self.ledger.order(order, action, at)
        self.tell(ORDER, [pushes.order(order, action, self)])

    def _publish_balance(self) -> None:
        self.tell(f"{ASSET}{FEE_CURRENCY}", pushes.asset(FEE_CURRENCY, self))

    def _position_push(self, changed: Position) -> object:
        # Whether a push carries the changed position or all of them is unknown: our choice is the changed one.
        others = self.open_positions() if self.faults.position_full else []
        return self._positions([changed, *(other for other in others if other is not changed)])

    def _positions(self, positions: Sequence[Position]) -> object:
        if self.faults.position_data:
            return None if self.faults.position_data == "null" else []
        return [pushes.position(position, self) for position in positions]

    def _time(self, at: int | None) -> int:
        return self.market.clock.now() if at is None else at
