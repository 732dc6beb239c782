"""Every execution of the account once: from the socket at once, from REST what the socket did not tell.

An order that has traded more than its executions add up to is asked for. Where REST turns out to name executions
otherwise than the socket, those of REST alone count from then on, at every ingester of the account.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from bridge.errors import RestError
from bridge.ingest.account.naming import Naming, naming, twins
from bridge.ingest.account.shortfall import Shortfall
from bridge.log import Sampled
from bridge.records import EventName, Fill, Order, Source
from bridge.store.client import Unreachable, described

if TYPE_CHECKING:
    from bridge.clock import ExchangeClock
    from bridge.ingest.account.folding import Folding
    from bridge.ingest.account.statement import Statement
    from bridge.store.published import Published

log = logging.getLogger(__name__)

_LOOK_S: Final = 0.1


class Executions:
    """Publishes what REST knows of executions.

    Attributes:
        floor: nothing older is published; 0 while nobody can tell yet.
        by_rest: whether REST alone counts.
    """

    def __init__(
        self,
        *,
        statement: Statement,
        folding: Folding,
        published: Published,
        clock: ExchangeClock,
        happened: Callable[[EventName, str, str], None],
    ) -> None:
        """Join what is read (`statement`, `published`) with where it goes (`folding`, `happened`)."""
        self._statement = statement
        self._folding = folding
        self._published = published
        self._clock = clock
        self._happened = happened
        self._shortfall = Shortfall()
        self._odd = Sampled(log)
        self._asking = asyncio.Lock()
        self.floor = 0
        self.by_rest = False

    def heard(self, record: Order | Fill) -> None:
        """Take note of what the socket told."""
        if isinstance(record, Order):
            self._shortfall.order(record)
        elif not self.by_rest:
            self._shortfall.fill(record)

    async def run(self) -> None:
        """Ask, for ever, for the executions of orders that have traded more than we know of."""
        while True:
            await asyncio.sleep(_LOOK_S)
            if self.floor:
                async with self._asking:
                    for order_id, traded in self._due():
                        await self._try(order_id, traded)

    async def fold(self, listed: Iterable[Fill], orders: Collection[Order]) -> None:
        """Fold in the executions of a window, and all of the orders that lack some.

        Args:
            listed: REST's executions.
            orders: what REST says of their orders, and of others.
        """
        told = await self._published.told()
        async with self._asking:
            fills: dict[str, list[Fill]] = defaultdict(list)
            for fill in listed:
                if fill.traded_at >= self.floor:
                    fills[fill.order_id].append(fill)
            doubtful = {order_id for order_id, some in fills.items() if _doubtful(told.get(order_id, []), some)}
            doubtful |= self._folding.held.keys()
            traded = {order.order_id: Decimal(order.filled_size or "0") for order in orders}
            # Nothing is awaited from here to where those are known that lack some: else they would be asked for
            # elsewhere, and what was read called complete before that.
            for order in orders:
                self._shortfall.order(order)
            self._add(fill for order_id, some in fills.items() if order_id not in doubtful for fill in some)
            due = self._due()
            for order_id in sorted(doubtful):
                await self._settle(order_id, told.get(order_id, []), traded.get(order_id, Decimal(0)))
                self._folding.held.pop(order_id, None)
            for order_id, size in due:
                if order_id not in doubtful:
                    await self._complete(order_id, size)

    async def _try(self, order_id: str, traded: Decimal) -> None:
        try:
            await self._complete(order_id, traded)
        except RestError as trouble:
            self._odd.warning("executions of order %s cannot be read: %s", order_id, trouble)
        except Unreachable as trouble:
            self._odd.warning("executions of order %s cannot be told: %s", order_id, described(trouble))

    def _due(self) -> list[tuple[str, Decimal]]:
        due = self._shortfall.due(asyncio.get_running_loop().time())
        return [(order_id, self._shortfall.filled(order_id)) for order_id in due]

    async def _complete(self, order_id: str, traded: Decimal) -> None:
        await self._settle(order_id, (await self._published.told()).get(order_id, []), traded)

    async def _settle(self, order_id: str, told: list[Fill], filled: Decimal) -> None:
        """Fold in one order's executions, after a look at how REST names those that the socket told."""
        listed = await self._statement.trades_of(order_id, self._clock.now_ms())
        shown = [fill for fill in told if fill.source == Source.WS]
        named = naming(shown, listed, filled)
        if named is Naming.UNSURE:
            raise RestError(f"not all executions of order {order_id} are listed yet")
        if named is Naming.OTHER:
            await self._believe_rest(order_id)
            seen = await self._published.seen(listed)
            told_by_rest = {fill.trade_id for fill in told if fill.source != Source.WS}
            # Who was seen without having been told is one that the socket told, and was found before.
            found = [fill for fill in listed if fill.trade_id in seen - told_by_rest]
            rest = [fill for fill in shown if fill not in twins(found, shown)]
            await self._published.see(twins(rest, [fill for fill in listed if fill.trade_id not in seen]))
        elif shown:
            await self._published.agreed(order_id)
        self._add(listed)

    async def _believe_rest(self, order_id: str) -> None:
        first = await self._published.believe_rest()
        self.by_rest = True
        if first:
            self._happened(
                EventName.CONTRADICTION,
                f"order {order_id}",
                "REST and the socket give its executions different trade ids: fills are published from REST alone now",
            )

    def _add(self, fills: Iterable[Fill]) -> None:
        # Rows come in no known order; the ids of executions grow.
        for fill in sorted(fills, key=lambda fill: (fill.traded_at, len(fill.trade_id), fill.trade_id)):
            self._shortfall.fill(fill)
            if fill.traded_at >= self.floor:
                self._folding.add(fill)


def _doubtful(told: list[Fill], listed: list[Fill]) -> bool:
    """Tell whether REST lists something new of an order while it lacks something that the socket told."""
    ids = {fill.trade_id for fill in listed}
    lacking = any(fill.source == Source.WS and fill.trade_id not in ids for fill in told)
    return lacking and bool(ids - {fill.trade_id for fill in told})
