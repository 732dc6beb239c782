"""Plan orders: they wait for a price, and make another order when it comes."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from bridge.simulator.topics import ORDER
from bridge.simulator.trading import pushes
from bridge.simulator.trading.orders import APPROVAL, BUY, CANCEL, FINISHED, MATCH, SELL, SUBMIT

if TYPE_CHECKING:
    from bridge.simulator.trading.account import Account

PlanType = Literal["plan", "take_profit", "stop_loss"]


@dataclass(slots=True)
class Plan:
    """One plan order.

    Attributes:
        order_id: Digits, of the same numbers as those of other orders (our choice).
        client_order_id: Empty if none was given.
        symbol: The contract.
        side: 1 to 4; what it means depends on the position mode.
        kind: "plan", "take_profit" or "stop_loss".
        trigger: The price it waits for.
        price: Limit price of the order it makes; None for a market order.
        size: Contracts.
        create_time: Market time, Unix milliseconds.
        update_time: The same, of the last change.
        state: 1 approval (captured over REST), 4 finished.
        executed: The id of the order it made; empty before, and if it was cancelled.
    """

    order_id: str
    client_order_id: str
    symbol: str
    side: int
    kind: PlanType
    trigger: Decimal
    price: Decimal | None
    size: int
    create_time: int
    update_time: int
    state: int = APPROVAL
    executed: str = ""


@dataclass(slots=True)
class Plans:
    """An account's plan orders. None comes true by itself: `trigger` is what a price would do.

    Attributes:
        account: Whose.
        orders: All of them by id, oldest first.
    """

    account: Account
    orders: dict[str, Plan] = field(default_factory=dict)

    def submit(
        self,
        symbol: str,
        side: int,
        size: int,
        trigger: str,
        *,
        price: str | None = None,
        kind: PlanType = "plan",
        at: int | None = None,
    ) -> str:
        """Submit a plan order and return its id.

        Raises:
            ValueError: The symbol is not traded, or side or size cannot be.
        """
        account = self.account
        if not account.market.tradable(symbol) or side not in range(BUY, SELL + 1) or size <= 0:
            raise ValueError(f"cannot plan {size} contracts of {symbol!r} with side {side}")
        at = account.market.clock.now() if at is None else at
        limit = None if price is None else Decimal(price)
        order_id = account.next_id()
        self.orders[order_id] = Plan(order_id, "", symbol, side, kind, Decimal(trigger), limit, size, at, at)
        self._tell(self.orders[order_id], SUBMIT)
        return order_id

    def trigger(self, order_id: str, *, at: int | None = None) -> str:
        """Let a plan order's price come; return the id of the order that it makes.

        The client's id of that order begins with PLAN_, as in the documented sample of the order history.

        Raises:
            ValueError: There is no such plan order, or it is finished.
        """
        plan = self._waiting(order_id)
        self._finish(plan, at)
        plan.executed = self.account.submit(
            plan.symbol,
            plan.side,
            plan.size,
            price=None if plan.price is None else str(plan.price),
            client_order_id=f"PLAN_{order_id}",
            at=plan.update_time,
            plan_order_id=order_id,
        )
        self._tell(plan, CANCEL if self.account.faults.plan_ends_canceled else MATCH)
        return plan.executed

    def cancel(self, order_id: str, *, at: int | None = None) -> None:
        """Cancel a plan order.

        Raises:
            ValueError: As for `trigger`.
        """
        plan = self._waiting(order_id)
        self._finish(plan, at)
        self._tell(plan, CANCEL)

    def waiting(self) -> list[Plan]:
        """Those that are not finished, oldest first."""
        return [plan for plan in self.orders.values() if plan.state != FINISHED]

    def _waiting(self, order_id: str) -> Plan:
        plan = self.orders.get(order_id)
        if plan is None or plan.state == FINISHED:
            raise ValueError(f"no plan order {order_id} waits")
        return plan

    def _finish(self, plan: Plan, at: int | None) -> None:
        plan.state = FINISHED
        plan.update_time = self.account.market.clock.now() if at is None else at

    def _tell(self, plan: Plan, action: int) -> None:
        if not self.account.faults.plan_silent:
            self.account.tell(ORDER, [pushes.plan(plan, action, self.account)])
