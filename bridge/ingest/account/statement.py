"""The account as the exchange states it over REST, read whole: what its limits cut off is asked for, or told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from bridge.errors import RestError
from bridge.exchanges.base import EVERY_SYMBOL, Exchange
from bridge.records import EventName, Fill, Order, Position, slot_of
from bridge.timeframes import DAY_MS

if TYPE_CHECKING:
    from bridge.exchanges.base import Call
    from bridge.ingest.rest.fetch import Rest

R = TypeVar("R", Order, Fill)

# The farthest back that the exchange answers, less a little.
REACH_MS: Final = 90 * DAY_MS - 3_600_000
SECOND_MS: Final = 1_000
# How much two readings have in common; the socket stamps an execution with its order's time, which need not be its own.
OVERLAP_MS: Final = 120_000


class Statement:
    """Asks for orders, executions and positions. Every method raises `RestError` for what cannot be read.

    Attributes:
        cut: which lists of open orders, of all symbols together, were longer than a reply when they were read last.
    """

    def __init__(self, exchange: Exchange, rest: Rest, happened: Callable[[EventName, str, str], None]) -> None:
        """Ask `exchange` by `rest`; `happened` takes what no question brings out."""
        self._exchange = exchange
        self._rest = rest
        self._happened = happened
        self._crowded: set[tuple[str, int]] = set()
        self._full: set[tuple[str, str]] = set()
        self.cut: frozenset[str] = frozenset()

    async def open_orders(self, symbols: set[str]) -> list[Order]:
        """Return the unfinished orders; where there are too many for one reply, those of these symbols at least."""
        lists = self._open_lists()
        found = [order for name in lists for order in await self._unfinished(name, symbols)]
        cut = frozenset(name for name in lists if self._is_full(name, EVERY_SYMBOL))
        for name in sorted(cut - self.cut):
            self._happened(
                EventName.INCOMPLETE, name, "the list is full: symbols that are not known are asked for one by one"
            )
        self.cut = cut
        return found

    async def open_orders_of(self, symbol: str) -> list[Order]:
        """Return one symbol's unfinished orders, from those lists that were cut."""
        lists = self._open_lists()
        return [order for name in sorted(self.cut) for order in await self._page(name, lists[name], symbol)]

    async def order(self, symbol: str, order_id: str, now_ms: int) -> Order | None:
        """Return one order, whatever its state; `None` if the exchange does not know it."""
        found = await self._rest.ask(self._exchange.order_call(symbol, order_id))
        if found is None:
            # Orders that wait for a price need not be found there (docs), but among those that are over.
            end = (now_ms // SECOND_MS + 1) * SECOND_MS
            listed = await self._rest.ask(self._exchange.history_call(symbol, end - REACH_MS, end, order_id))
            found = next((order for order in listed if order.order_id == order_id), None)
        return found

    async def contracts(self, since_ms: int) -> frozenset[str]:
        """Return the symbols that can have been traded since then."""
        contracts = await self._rest.ask(self._exchange.contracts_call())
        if not contracts:
            raise RestError("the list of contracts came empty")
        return frozenset(each.symbol for each in contracts if each.trading or each.delisted_ms > since_ms)

    async def history(self, symbol: str, start: int, end: int) -> list[Order]:
        """Return one symbol's finished orders of a window of whole seconds."""

        async def read(start: int, end: int) -> list[Order]:
            return await self._rest.ask(self._exchange.history_call(symbol, start, end))

        return [order async for order in self._windows(f"{symbol} orders", read, start, end)]

    async def history_beside(self, traded_at: int, symbol: str, start: int, end: int) -> list[Order]:
        """Return the same, and believe an empty list only beside that of an execution known to be made at `traded_at`.

        Both leave at the same moment: what empties all lists is then seen, however short it lasts.
        """
        known = traded_at - OVERLAP_MS
        orders = self._exchange.history_call(symbol, start, end)
        fills = self._exchange.trades_call(known // SECOND_MS * SECOND_MS, end)
        await self._rest.turn(orders)
        await self._rest.turn(fills)
        rows, beside = await asyncio.gather(self._rest.send(orders), self._rest.send(fills))
        if not rows and not beside:
            raise RestError("no execution is listed, not even those that are known")
        return rows if len(rows) < self._exchange.most_rows else await self.history(symbol, start, end)

    async def trades(self, start: int, end: int) -> list[Fill]:
        """Return the executions of a window of whole seconds."""
        return [fill async for fill in self._windows("trades", self._trades, start, end)]

    async def trades_of(self, order_id: str, now_ms: int) -> list[Fill]:
        """Return one order's executions, as far back as the exchange tells."""
        end = (now_ms // SECOND_MS + 1) * SECOND_MS
        read = partial(self._trades, order_id=order_id)
        return [fill async for fill in self._windows("trades", read, end - REACH_MS, end)]

    async def positions(self, known: frozenset[str]) -> list[Position]:
        """Return the open positions, and every slot of a symbol of which a known one (`symbol:slot`) is not listed."""
        listed = await self._rest.ask(self._exchange.positions_call())
        # That one is not listed is no proof: only the answer for its own symbol says that a position is flat.
        unlisted = known - {member_of(position) for position in listed}
        for symbol in sorted({member.rpartition(":")[0] for member in unlisted}):
            slots = await self._rest.ask(self._exchange.positions_call(symbol))
            listed += slots
        return listed

    def _open_lists(self) -> dict[str, Callable[[str], Call[list[Order]]]]:
        return {"open orders": self._exchange.open_orders_call, "plan orders": self._exchange.plan_orders_call}

    async def _unfinished(self, name: str, symbols: set[str]) -> list[Order]:
        call = self._open_lists()[name]
        listed = await self._page(name, call, EVERY_SYMBOL)
        if not self._is_full(name, EVERY_SYMBOL):
            return listed
        # There is no second page: ask symbol by symbol.
        found = {order.order_id: order for order in listed}
        for symbol in sorted({order.symbol for order in listed} | symbols):
            found |= {order.order_id: order for order in await self._page(name, call, symbol)}
        return list(found.values())

    async def _page(self, name: str, call: Callable[[str], Call[list[Order]]], symbol: str) -> list[Order]:
        """Read what one reply holds; that one symbol's is full is told once, until it is not."""
        page = await self._rest.ask(call("" if symbol == EVERY_SYMBOL else symbol))
        full, told = len(page) >= self._exchange.most_open_orders, self._is_full(name, symbol)
        if full and not told and symbol != EVERY_SYMBOL:
            self._happened(EventName.INCOMPLETE, symbol, f"more {name} than the exchange lists")
        (self._full.add if full else self._full.discard)((name, symbol))
        return page

    def _is_full(self, name: str, symbol: str) -> bool:
        return (name, symbol) in self._full

    async def _trades(self, start: int, end: int, order_id: str = "") -> list[Fill]:
        return await self._rest.ask(self._exchange.trades_call(start, end, order_id))

    async def _windows(
        self, name: str, read: Callable[[int, int], Awaitable[Sequence[R]]], start: int, end: int
    ) -> AsyncIterator[R]:
        """Read a window of whole seconds; one that is full may hold more than it shows, and is halved."""
        rows = await read(start, end)
        if len(rows) < self._exchange.most_rows:
            for row in rows:
                yield row
        elif end - start <= SECOND_MS:
            if (name, start) not in self._crowded:
                self._crowded.add((name, start))
                self._happened(
                    EventName.INCOMPLETE, f"{name} at {start}", "more rows in one second than the exchange lists"
                )
            for row in rows:
                yield row
        else:
            middle = (start + end) // 2 // SECOND_MS * SECOND_MS
            for half in ((start, middle), (middle, end)):
                async for row in self._windows(name, read, *half):
                    yield row


def member_of(position: Position) -> str:
    """Return `<symbol>:<slot>`, which names a position among all of an account's."""
    return f"{position.symbol}:{slot_of(position)}"
