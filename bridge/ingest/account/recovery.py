"""Makes the account's streams complete after whatever was missed.

The socket tells changes only, and replays nothing. So after each login, once the topics are acknowledged, and then now
and again, the account is read by REST and folded in through the same scripts as everything else: they append what is
new and leave the rest. Then a marker says that the streams are complete.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from bridge import together
from bridge.clock import ExchangeClock, host_ms
from bridge.errors import RestError, StoreError
from bridge.exchanges.base import Exchange
from bridge.ingest.account.executions import Executions
from bridge.ingest.account.folding import Folding
from bridge.ingest.account.statement import OVERLAP_MS, REACH_MS, SECOND_MS, Statement, member_of
from bridge.ingest.account.sweep import Sweep
from bridge.log import Sampled
from bridge.records import EventName, Fill, Order, Position, PositionMode, PositionSide, Record, Resync, Source
from bridge.store.client import Unreachable, described
from bridge.timeframes import DAY_MS

if TYPE_CHECKING:
    from bridge.ingest.rest.fetch import Rest
    from bridge.settings import Settings
    from bridge.store.account import Account, Known
    from bridge.store.published import Published
    from bridge.store.writing.appends import Append, Appends

log = logging.getLogger(__name__)

_RETRY_S: Final = 2.0
_LOOK_S: Final = 0.1
_GATHER_S: Final = 0.5
_FORGOTTEN_AT_ONCE: Final = 1_000
_MODES: Final = (PositionMode.HEDGE, PositionMode.ONE_WAY)


class Recovery:
    """Reads the account and folds it in."""

    def __init__(
        self,
        *,
        exchange: Exchange,
        rest: Rest,
        clock: ExchangeClock,
        account: Account,
        published: Published,
        appends: Appends,
        settings: Settings,
        write: Callable[[Append], None],
        happened: Callable[[EventName, str, str], None],
    ) -> None:
        """Join what is asked (`rest`, `account`, `published`) with where it goes (`write`, `happened`)."""
        self._exchange = exchange
        self._statement = Statement(exchange, rest, happened)
        self._folding = Folding(appends, write)
        self._published = published
        self._executions = Executions(
            statement=self._statement, folding=self._folding, published=published, clock=clock, happened=happened
        )
        self._sweep = Sweep(
            statement=self._statement,
            folding=Folding(appends, write),
            account=account,
            clock=clock,
            happened=happened,
        )
        self._clock = clock
        self._account = account
        self._appends = appends
        self._settings = settings
        self._write = write
        self._happened = happened
        self._wanted: frozenset[str] = frozenset()
        self._active: frozenset[str] = frozenset()
        self._reason = ""
        self._asked = asyncio.Event()
        self._told: set[str] = set()
        self._began = 0
        self._floor = self._floor_before = 0
        self._odd = Sampled(log)
        self.syncs = 0

    def follow(self, topics: frozenset[str]) -> None:
        """Keep complete what these topics carry, each from the moment on when it is active."""
        self._wanted = topics
        self._active &= topics
        if self._exchange.order_topic not in topics:
            self._sweep.stop()

    def activated(self, topic: str) -> None:
        """Take note that a topic is active."""
        if topic in self._wanted:
            self._active |= {topic}
            self._began = self._began or self._clock.now_ms()
            self.need("login")

    def lost(self) -> None:
        """Take note that the socket is gone: nothing is complete before the next login."""
        if self._began:
            self._sweep.unbroken = False
        self._active = frozenset()
        self._asked.clear()

    def need(self, reason: str) -> None:
        """Ask for a complete read, for a reason that the marker will tell; without a login there is nothing to keep."""
        self._sweep.unbroken = self._sweep.unbroken and reason == "login"
        if self._active:
            self._reason = reason
            self._asked.set()

    async def store_lost(self) -> None:
        """Have all of it read again: what was not published before our floor is no reason not to publish it after.

        Raises redis-py's `RedisError` when Redis is out of reach.
        """
        self._sweep.stop()
        # The floor taken over last may be that of a newcomer who met the emptied store first, and knew no lower one.
        self._executions.floor = self._floor = self._floor_before or self._floor
        if self._floor:
            await self._account.lower(self._floor)
        self.need("store lost")

    def heard(self, record: Record) -> None:
        """Take note of what the socket told."""
        if isinstance(record, Order | Fill):
            self._executions.heard(record)
        elif isinstance(record, Position):
            # A frame without a mode may mean the slot of one-way mode.
            both = {f"{record.symbol}:{PositionSide.BOTH}"} if record.position_mode not in _MODES else set()
            self._told |= {member_of(record)} | both

    async def run(self) -> None:
        """Recover for ever: when asked, and every `PRIVATE_SYNC_S` while something is listened to."""
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._executions.run())
            parts.create_task(self._remember())
            parts.create_task(self._sweep.run())
            while True:
                reason = await self._next_reason()
                if self._active and not await self._try(reason):
                    await asyncio.sleep(_RETRY_S)
                    self._reason = self._reason or reason or "retry"
                    self._asked.set()

    async def _remember(self) -> None:
        """Learn the floor before the first read, too: the store may forget it while the exchange is away.

        And learn from the other ingesters whose executions count, and that one of them remembers more than the store.
        """
        while True:
            try:
                floor = await self._account.floor()
                if not self._floor:
                    self._executions.floor = self._floor = floor
                elif 0 < floor < self._floor:
                    self._sweep.stop()
                    self.need("store lost")
                if not self._executions.by_rest and await self._published.by_rest():
                    self._executions.by_rest = True
                    self.need("trade ids")
            except Unreachable as trouble:
                self._odd.warning("the account's rules cannot be read: %s", described(trouble))
            await asyncio.sleep(_RETRY_S)

    async def _next_reason(self) -> str:
        """Wait until somebody asks, and return why; nothing for the regular read."""
        try:
            async with asyncio.timeout(self._settings.private_sync_s):
                await self._asked.wait()
        except TimeoutError:
            return ""
        if self._active != self._wanted:
            # The answer for the other topic may be on its way; one that is refused keeps nothing from the rest.
            await asyncio.sleep(_GATHER_S)
        self._asked.clear()
        reason, self._reason = self._reason, ""
        return reason

    async def _try(self, reason: str) -> bool:
        trouble = ""
        self._sweep.calm.clear()
        try:
            await self._sync(reason)
        except (RestError, StoreError) as failure:
            trouble = str(failure)
        except Unreachable as failure:
            trouble = described(failure)
        finally:
            self._sweep.calm.set()
        if trouble:
            self._odd.warning("the account is not in step yet: %s", trouble)
        return not trouble

    async def _sync(self, reason: str) -> None:
        """Read, fold, mark."""
        topics = self._active
        orders, positions = self._exchange.order_topic in topics, self._exchange.position_topic in topics
        now = self._clock.now_ms()
        # What happens from the first login on is published. A store that lost its floor gets back ours.
        known = await self._account.known(self._floor or self._began - int(self._settings.private_lookback_s * 1000))
        if known.floor > self._floor:
            self._floor_before = self._floor
        self._executions.floor = self._floor = known.floor
        self._folding.found = 0
        since = max(self._floor, known.synced_at - OVERLAP_MS, now - REACH_MS)
        # The exchange is asked for whole seconds; the one that is still going on belongs to them.
        window = since // SECOND_MS * SECOND_MS, (now // SECOND_MS + 1) * SECOND_MS
        parts = [self._sync_orders(known, *window)] if orders else []
        await together.all_of([*parts, self._sync_positions(known)] if positions else parts)
        await self._folding.settled()
        if self._folding.held:
            raise StoreError("more executions are told than the orders have traded")
        if self._asked.is_set() or not self._active:
            # The socket was lost meanwhile, even if it is back: whatever came since is not in what was read.
            return
        # Positions have no history: to read them alone must not shorten what is read of the orders later.
        at = now if orders else known.synced_at
        # What is still to be looked for at other symbols must not be refused for its age when it is found.
        floor = max(self._floor, min(known.synced_at, known.swept_at) - DAY_MS)
        if not await self._account.synced(at, floor, known.synced_at, known.floor):
            raise StoreError("Redis lost what it held while the account was read")
        await self._account.forget(_FORGOTTEN_AT_ONCE)
        self.syncs += 1
        if reason or self._folding.found:
            self._mark(reason or "found", orders=orders, positions=positions)
        if orders:
            await self._sweep.after(known, reason, (window[0], at), self._began)

    def _mark(self, reason: str, *, orders: bool, positions: bool) -> None:
        account = self._settings.bitmart_account
        marker = Resync(account, reason, Source.BRIDGE.value, host_ms())
        for append in self._appends.markers(marker, orders=orders, positions=positions):
            self._write(append)
        self._happened(EventName.RESYNCED, account, f"{reason}: {self._folding.found} entries were missing")

    async def _sync_orders(self, known: Known, since: int, now: int) -> None:
        unfinished = await self._statement.open_orders(known.symbols)
        fills = await self._fills(known, since, now)
        seen = {order.order_id: order for order in unfinished}
        symbols = {order.symbol for order in unfinished} | {fill.symbol for fill in fills}
        symbols |= known.symbols
        # Windows may go by when an order was made. Which were open before the first reading nobody knows.
        start = since if known.synced_at else max(since - DAY_MS, now - REACH_MS)
        for symbol in sorted(symbols):
            for order in await self._statement.history(symbol, start, now):
                if order.order_id in known.orders or not 0 < order.updated_at < self._floor:
                    seen[order.order_id] = order
        # What is known as open and listed nowhere, and what traded without being listed, has to be asked for by name.
        missing = {**known.orders, **self._folding.held, **{fill.order_id: fill.symbol for fill in fills}}
        for order_id in sorted(missing.keys() - seen.keys()):
            asked = await self._statement.order(missing[order_id], order_id, self._clock.now_ms())
            if asked is not None:
                seen[order_id] = asked
        for order in sorted(seen.values(), key=lambda order: order.updated_at):
            self._folding.add(order)
        await self._executions.fold(fills, seen.values())

    async def _fills(self, known: Known, since: int, now: int) -> list[Fill]:
        """Read the executions from the newest one known on: a reply without any proves nothing."""
        anchored = known.filled_at > now - DAY_MS
        # Well before it: the socket stamps an execution with its order's time, which need not be its own.
        start = min(since, (known.filled_at - OVERLAP_MS) // SECOND_MS * SECOND_MS) if anchored else since
        listed = await self._statement.trades(start, now)
        if anchored and not listed:
            raise RestError("no execution is listed, not even those that are known")
        return [fill for fill in listed if fill.traded_at >= self._floor]

    async def _sync_positions(self, known: Known) -> None:
        """Fold in the positions that two reads agree on and no frame came for: a frame is newer than a read."""
        self._told.clear()
        first, second = [await self._statement.positions(known.positions) for _ in range(2)]
        sizes, later = ({member_of(one): Decimal(one.size) for one in read} for read in (first, second))
        for position in second:
            member = member_of(position)
            if sizes.get(member) == later[member] and member not in self._told:
                self._folding.add(position)
        # What moved between both reads has a frame that tells it; if none came, nobody knows yet.
        moved = {member for member in sizes | later if sizes.get(member, 0) != later.get(member, 0)}
        lacking = known.positions & (sizes.keys() ^ later.keys())
        if unknown := (moved | lacking) - self._told:
            raise RestError(f"two readings of {min(unknown)} differ")
