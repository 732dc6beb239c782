"""How the account trades when nobody tells it to: forever, and the same way every time."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import TYPE_CHECKING

from bridge.simulator.market.contracts import Life
from bridge.simulator.trading.orders import BUY, BUY_CLOSE, FINISHED, SELL, SELL_CLOSE, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.simulator.trading.account import Account
    from bridge.simulator.trading.orders import Order
    from bridge.simulator.trading.positions import Position

_MOST_SYMBOLS = 4
_MOST_HELD = 40  # contracts of one position, after which it is closed
_CLOSING_SHARE = 0.4


@dataclass(slots=True)
class Script:
    """Submits an order every now and then, and lets it be filled, partly filled or cancelled within seconds.

    Each contract has at most one such order at a time. The dice are the seed's, so equal scenarios trade alike.
    """

    account: Account
    interval_ms: float
    dice: Random
    symbols: list[str] = field(init=False)
    _busy: set[str] = field(default_factory=set)
    _steps: list[tuple[int, int, Callable[[int], None]]] = field(default_factory=list)
    _planned: int = 0

    def __post_init__(self) -> None:
        """Choose the liveliest contracts."""
        contracts = self.account.market.contracts.values()
        lively = [contract.symbol for contract in contracts if contract.life is Life.ACTIVE]
        self.symbols = lively[:_MOST_SYMBOLS]

    def begin(self, at: int) -> None:
        """Start trading at a market time."""
        if self.symbols:
            self._plan(at, self._trade)

    def advance(self, now: int) -> None:
        """Do all that is due at market time `now`, each step at its own time."""
        while self._steps and self._steps[0][0] <= now:
            at, _, step = heappop(self._steps)
            step(at)

    def _plan(self, at: int, step: Callable[[int], None]) -> None:
        self._planned += 1
        heappush(self._steps, (at, self._planned, step))

    def _trade(self, at: int) -> None:
        self._plan(at + int(self.interval_ms * self.dice.uniform(0.6, 1.4)), self._trade)
        symbol, luck, kind = self.dice.choice(self.symbols), self.dice.random(), self.dice.random()
        if symbol in self._busy:
            return
        side, size = self._wish(symbol, luck)
        (self._market if kind < 0.35 else self._limit)(symbol, side, size, at)  # noqa: PLR2004 - a share of the orders

    def _wish(self, symbol: str, luck: float) -> tuple[int, int]:
        """Side and size of the next order: close something now and then, else open."""
        held = [position for position in self.account.open_positions() if position.symbol == symbol]
        size = self.dice.randint(2, 12)
        for position in held:
            if abs(position.volume) >= _MOST_HELD or luck < _CLOSING_SHARE:
                return self._closing(position, luck, size)
        return (BUY if self.dice.random() < 0.5 else SELL), size  # noqa: PLR2004 - a coin

    def _closing(self, position: Position, luck: float, size: int) -> tuple[int, int]:
        """Mostly close it all; sometimes a part; in one-way mode now and then turn it around."""
        closing, opposite = (SELL_CLOSE, SELL) if position.volume > 0 else (BUY_CLOSE, BUY)
        if position.side == "both" and luck < _CLOSING_SHARE / 4:
            return opposite, abs(position.volume) + size
        return closing, abs(position.volume) if luck < _CLOSING_SHARE / 2 else min(size, abs(position.volume))

    def _market(self, symbol: str, side: int, size: int, at: int) -> None:
        order_id = self.account.submit(symbol, side, size, client_order_id=self._client_id(), at=at)
        self._busy.add(symbol)
        order = self.account.orders[order_id]
        self._plan(at + self.dice.randint(40, 200), lambda now: self._sweep(order, now))

    def _sweep(self, order: Order, at: int) -> None:
        """Fill a market order at once: small ones in one match, larger ones in two."""
        self._busy.discard(order.symbol)
        size = self.account.closable(order)
        if order.state == FINISHED or not size:
            self._cancel(order, at)
            return
        price = plain(self.account.last_price(order.symbol, at))
        half = size // 2
        sizes = [half, size - half] if half > 1 else [size]
        self.account.sweep(order.order_id, [(part, price) for part in sizes], at=at)
        if order.state != FINISHED:
            self.account.cancel(order.order_id, at=at)

    def _limit(self, symbol: str, side: int, size: int, at: int) -> None:
        contract = self.account.market.contracts[symbol]
        away = self.dice.randint(1, 20) * (-1 if side in (BUY, BUY_CLOSE) else 1)
        price = contract.text(self.account.market.last_price(symbol, at) + away)
        order_id = self.account.submit(symbol, side, size, price=price, client_order_id=self._client_id(), at=at)
        self._busy.add(symbol)
        order = self.account.orders[order_id]
        fills = self.dice.choice((0, 1, 1, 2, 3))
        finish = self.dice.random() < 0.7  # noqa: PLR2004 - a share of the orders
        for _ in range(fills):
            at += self.dice.randint(800, 4000)
            self._plan(at, lambda now: self._fill_part(order, now))
        self._plan(at + self.dice.randint(800, 4000), lambda now: self._end(order, now, finish=finish and fills > 0))

    def _fill_part(self, order: Order, at: int) -> None:
        size = min(self.account.closable(order), order.remaining - 1)
        if order.state != FINISHED and size > 0:
            part = self.dice.randint(1, max(1, size // 2))
            self.account.fill(order.order_id, part, plain(order.price), at=at)

    def _end(self, order: Order, at: int, *, finish: bool) -> None:
        self._busy.discard(order.symbol)
        if order.state == FINISHED:
            return
        if finish and self.account.closable(order) == order.remaining:
            self.account.fill(order.order_id, order.remaining, plain(order.price), at=at)
        else:
            self._cancel(order, at)

    def _cancel(self, order: Order, at: int) -> None:
        if order.state != FINISHED:
            self.account.cancel(order.order_id, at=at)

    def _client_id(self) -> str:
        """Some orders have a client's id, some have none."""
        return f"SIM{self.dice.randrange(10**8):08}" if self.dice.random() < 0.5 else ""  # noqa: PLR2004 - a coin
