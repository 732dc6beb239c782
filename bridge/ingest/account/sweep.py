"""Looks through the symbols of which nothing is known for orders that came and went while nobody listened.

The exchange lists what is open and what was executed for all symbols at once, but orders that are over symbol by symbol
alone. Those of known symbols are read before the marker. All others follow here, one call after the other and never in
the way of a regular reading: within three minutes for the whole market, at the pace that the exchange allows.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from bridge.clock import ExchangeClock
from bridge.errors import RestError, StoreError
from bridge.ingest.account.folding import Folding
from bridge.ingest.account.statement import OVERLAP_MS, REACH_MS, SECOND_MS, Statement
from bridge.log import Sampled
from bridge.records import EventName, Order
from bridge.store.client import Unreachable, described
from bridge.timeframes import DAY_MS

if TYPE_CHECKING:
    from bridge.store.account import Account, Known

log = logging.getLogger(__name__)

_RETRY_S: Final = 2.0
_REFUSED: Final = 400


class Sweep:
    """Reads symbol after symbol, the one first that was not read for longest.

    Attributes:
        calm: set while no regular reading of the account goes on.
        unbroken: whether nothing was missed since the first login.
    """

    def __init__(
        self,
        *,
        statement: Statement,
        folding: Folding,
        account: Account,
        clock: ExchangeClock,
        happened: Callable[[EventName, str, str], None],
    ) -> None:
        """Join what is asked (`statement`) with where it goes (`folding`, `account`, `happened`)."""
        self._statement = statement
        self._folding = folding
        self._account = account
        self._clock = clock
        self._happened = happened
        self._read_until: dict[str, int] = {}
        self._kept = self._until = self._floor = self._ours = self._filled_at = 0
        self._looked = 0
        self._work = asyncio.Event()
        self._odd = Sampled(log)
        self._cut: frozenset[str] = frozenset()
        self.unbroken = True
        self.calm = asyncio.Event()
        self.calm.set()

    @property
    def _since(self) -> int:
        """Until when, according to the store, every symbol was read."""
        return self._kept or self._floor

    @property
    def pending(self) -> bool:
        """Whether symbols are still to be read."""
        return self._work.is_set()

    async def after(self, known: Known, reason: str, window: tuple[int, int], began: int) -> None:
        """After a regular reading, read the other symbols if there was an outage; if there was none, none was missed.

        Args:
            known: what was known when that reading began.
            reason: why it was made; nothing for one that comes now and again.
            window: from when until when it read the orders of known symbols.
            began: when we were logged in first; before that nothing is promised.

        Raises redis-py's `RedisError` when Redis is out of reach.
        """
        first = self.unbroken and not known.swept_at and known.floor >= began
        # Only who kept last how far all symbols are read knows what was missed since.
        missed = bool(reason or known.swept_at != self._ours) and not first
        cut_anew = self._statement.cut - self._cut
        self._cut = self._statement.cut
        since, until = window
        if missed or cut_anew:
            self.begin(known, until)
            self.took(known.symbols, since, until)
        elif not self.pending and await self._account.swept(until, known.swept_at, known.floor):
            self._ours = until

    def begin(self, known: Known, until: int) -> None:
        """Read what all symbols lack up to `until`, from where the store says that they were read before."""
        if not known.synced_at or known.swept_at < self._kept:
            # The store has lost what it was given: all of it has to be read again.
            self._read_until.clear()
        self._kept, self._floor, self._filled_at = known.swept_at, known.floor, known.filled_at
        self._until = max(self._until, until)
        self._work.set()

    def took(self, symbols: Iterable[str], since: int, until: int) -> None:
        """Take note that a regular reading covered these symbols' orders of that time."""
        for symbol in symbols:
            if since <= self._read_until.get(symbol, self._since):
                self._read_until[symbol] = max(until, self._read_until.get(symbol, 0))

    def stop(self) -> None:
        """Leave the rest to whoever goes on from what the store says; what was read need not be there any more."""
        self._work.clear()
        self._read_until.clear()
        self._kept = self._until = self._ours = 0

    async def run(self) -> None:
        """Sweep for ever: whenever there is something to read."""
        while True:
            await self._work.wait()
            trouble = ""
            try:
                await self._through()
            except (RestError, StoreError) as failed:
                trouble = str(failed)
            except Unreachable as failed:
                trouble = described(failed)
            if trouble:
                self._odd.warning("not all symbols are looked through yet: %s", trouble)
                await asyncio.sleep(_RETRY_S)

    async def _through(self) -> None:
        """Read every symbol that was not, and keep that."""
        kept, until, floor = self._kept, self._until, self._floor
        symbols = await self._statement.contracts(self._since)
        while late := [symbol for symbol in symbols if self._read_until.get(symbol, 0) < until]:
            await self.calm.wait()
            if (self._kept, self._floor) != (kept, floor) or not self.pending:
                return
            await self._look(min(late, key=lambda symbol: (self._read_until.get(symbol, 0), symbol)))
        await self._folding.settled()
        if not await self._account.swept(until, kept, floor):
            raise StoreError("Redis lost what it held while the symbols were looked through")
        if (self._kept, self._floor) != (kept, floor):
            return
        self._kept = self._ours = until
        if self._until == until:
            self._work.clear()
        found = self._folding.found
        self._happened(EventName.SWEPT, f"{self._looked} symbols", f"{found} changes of orders were missing")
        self._looked = self._folding.found = 0

    async def _look(self, symbol: str) -> None:
        now = self._clock.now_ms()
        try:
            orders = await self._statement.open_orders_of(symbol)
            over = await self._over(symbol, now)
        except RestError as refused:
            if refused.status != _REFUSED:
                raise
            # The exchange will hardly change its mind about this symbol, and the others wait.
            self._happened(EventName.INCOMPLETE, symbol, f"its orders cannot be read: {refused}")
        else:
            # What is open is told whatever its age.
            recent = [order for order in over if not 0 < order.updated_at < self._floor]
            for order in sorted([*recent, *orders], key=lambda order: order.updated_at):
                self._folding.add(order)
        self._read_until[symbol] = now
        self._looked += 1

    async def _over(self, symbol: str, now: int) -> list[Order]:
        before = self._read_until.get(symbol, self._since)
        # A store that knows of no reading knows of no open orders: one that ended since may be older than its floor.
        least = self._floor if self._kept else self._floor - DAY_MS
        start = max(least, before - (OVERLAP_MS if self._kept else DAY_MS), now - REACH_MS) // SECOND_MS * SECOND_MS
        end = (now // SECOND_MS + 1) * SECOND_MS
        if self._filled_at > now - DAY_MS:
            return await self._statement.history_beside(self._filled_at, symbol, start, end)
        return await self._statement.history(symbol, start, end)
