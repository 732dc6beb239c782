"""What an account does now and then on contracts that it hardly ever trades, and with orders that wait for a price.

Such orders come and go within seconds. If nobody listens, no list of the whole account shows them.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from bridge.simulator.trading.account import Account
from bridge.simulator.trading.orders import BUY

_EVERY_MS: Final = (20_000, 60_000)
_LASTS_MS: Final = (500, 30_000)


class Strangers:
    """Submits an order on any contract, and a while later cancels it, fills it or lets its price come."""

    def __init__(self, account: Account, symbols: list[str], dice: Random, now: int) -> None:
        """Begin at market time `now`."""
        self._account = account
        self._symbols = symbols
        self._dice = dice
        self._next = now
        self._ends: list[tuple[int, Callable[[], object]]] = []

    def advance(self, now: int) -> None:
        """Do what is due at market time `now`."""
        due = [end for at, end in self._ends if at <= now]
        self._ends = [(at, end) for at, end in self._ends if at > now]
        for end in due:
            end()
        if now >= self._next and self._symbols:
            self._next = now + self._dice.randint(*_EVERY_MS)
            self._begin(now)

    def _begin(self, now: int) -> None:
        account, symbol = self._account, self._dice.choice(self._symbols)
        end = self._dice.choice((self._waiting, self._resting))(account, symbol)
        self._ends.append((now + self._dice.randint(*_LASTS_MS), end))

    def _resting(self, account: Account, symbol: str) -> Callable[[], object]:
        order_id = account.submit(symbol, BUY, 3, price="1")
        size = self._dice.choice((0, 0, 1, 3))

        def end() -> None:
            if size:
                account.fill(order_id, size, "1")
            if size < 3:
                account.cancel(order_id)

        return end

    def _waiting(self, account: Account, symbol: str) -> Callable[[], object]:
        plan = account.plans.submit(symbol, BUY, 2, "1", price=self._dice.choice((None, "1")))
        if self._dice.choice((True, False)):
            return lambda: account.plans.cancel(plan)
        return lambda: account.fill(account.plans.trigger(plan), 2, "1")
