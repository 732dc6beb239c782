"""The account as the exchange states it over REST, read whole: what its limits cut off is asked for, or told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from bridge.exchanges.base import Exchange
from bridge.records import EventName, Fill, Order, Position, slot_of
from bridge.timeframes import DAY_MS

if TYPE_CHECKING:
    from bridge.ingest.fetch import Rest

R = TypeVar("R", Order, Fill)

# The farthest back that the exchange answers, less a little.
REACH_MS: Final = 90 * DAY_MS - 3_600_000
SECOND_MS: Final = 1_000


class Statement:
    """Asks for orders, executions and positions. Every method raises `RestError` for what cannot be read."""

    def __init__(self, exchange: Exchange, rest: Rest, happened: Callable[[EventName, str, str], None]) -> None:
        """Ask `exchange` by `rest`; `happened` takes what no question brings out."""
        self._exchange = exchange
        self._rest = rest
        self._happened = happened
        self._crowded: set[int] = set()

    async def open_orders(self, symbols: set[str]) -> list[Order]:
        """Return the unfinished orders; where there are too many for one reply, those of these symbols at least."""
        listed = await self._rest.ask(self._exchange.open_orders_call())
        if len(listed) < self._exchange.most_open_orders:
            return listed
        # There is no second page: ask symbol by symbol.
        found = {order.order_id: order for order in listed}
        for symbol in sorted({order.symbol for order in listed} | symbols):
            page = await self._rest.ask(self._exchange.open_orders_call(symbol))
            found |= {order.order_id: order for order in page}
            if len(page) >= self._exchange.most_open_orders:
                self._happened(EventName.INCOMPLETE, symbol, "more open orders than the exchange lists")
        return list(found.values())

    async def order(self, symbol: str, order_id: str) -> Order | None:
        """Return one order, whatever its state; `None` if the exchange does not know it."""
        return await self._rest.ask(self._exchange.order_call(symbol, order_id))

    async def history(self, symbol: str, start: int, end: int) -> list[Order]:
        """Return one symbol's finished orders of a window of whole seconds."""

        async def read(start: int, end: int) -> list[Order]:
            return await self._rest.ask(self._exchange.history_call(symbol, start, end))

        return [order async for order in self._windows(read, start, end)]

    async def trades(self, start: int, end: int) -> list[Fill]:
        """Return the executions of a window of whole seconds."""
        return [fill async for fill in self._windows(self._trades, start, end)]

    async def trades_of(self, order_id: str, now_ms: int) -> list[Fill]:
        """Return one order's executions, as far back as the exchange tells."""
        end = (now_ms // SECOND_MS + 1) * SECOND_MS
        read = partial(self._trades, order_id=order_id)
        return [fill async for fill in self._windows(read, end - REACH_MS, end)]

    async def positions(self, known: frozenset[str]) -> list[Position]:
        """Return the open positions, and every slot of a symbol of which a known one (`symbol:slot`) is not listed."""
        listed = await self._rest.ask(self._exchange.positions_call())
        # That one is not listed is no proof: only the answer for its own symbol says that a position is flat.
        unlisted = known - {member_of(position) for position in listed}
        for symbol in sorted({member.rpartition(":")[0] for member in unlisted}):
            slots = await self._rest.ask(self._exchange.positions_call(symbol))
            listed += slots
        return listed

    async def _trades(self, start: int, end: int, order_id: str = "") -> list[Fill]:
        return await self._rest.ask(self._exchange.trades_call(start, end, order_id))

    async def _windows(
        self, read: Callable[[int, int], Awaitable[Sequence[R]]], start: int, end: int
    ) -> AsyncIterator[R]:
        """Read a window of whole seconds; one that is full may hold more than it shows, and is halved."""
        rows = await read(start, end)
        if len(rows) < self._exchange.most_rows:
            for row in rows:
                yield row
        elif end - start <= SECOND_MS:
            if start not in self._crowded:
                self._crowded.add(start)
                self._happened(EventName.INCOMPLETE, str(start), "more rows in one second than the exchange lists")
            for row in rows:
                yield row
        else:
            middle = (start + end) // 2 // SECOND_MS * SECOND_MS
            for half in ((start, middle), (middle, end)):
                async for row in self._windows(read, *half):
                    yield row


def member_of(position: Position) -> str:
    """Return `<symbol>:<slot>`, which names a position among all of an account's."""
    return f"{position.symbol}:{slot_of(position)}"
