"""From wishes to connections: reads the whole desired set and tells each connection what to hold.

Woken by a nudge, and every few seconds anyway, so that a lost nudge, a hand-made `SADD` and a restart of anything need
no code of their own. While Redis is away the last known wishes stay in force and the sockets stay open.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from bridge.errors import InvalidTopicError
from bridge.exchanges.base import EVERY_SYMBOL, Exchange, Topic
from bridge.store.client import Unreachable, described
from bridge.store.desired import Desired, Wishes

if TYPE_CHECKING:
    from bridge.ingest.connection import Connection
    from bridge.ingest.listing import Listing

log = logging.getLogger(__name__)

NO_CREDENTIALS: Final = "no credentials: set BITMART_API_KEY, BITMART_API_SECRET and BITMART_API_MEMO at an ingester"


class Reconciler:
    """Brings the connections to what is wished."""

    def __init__(
        self,
        *,
        desired: Desired,
        exchange: Exchange,
        public: Connection,
        private: Connection,
        listing: Listing,
        interval_s: float,
        on_applied: Callable[[], None],
        on_lost: Callable[[], Awaitable[None]],
    ) -> None:
        """Read `desired` every `interval_s` seconds or when nudged.

        `on_applied` is called after each pass, `on_lost` when the store turned out to have lost what it held.
        """
        self._desired = desired
        self._exchange = exchange
        self._public = public
        self._private = private
        self._listing = listing
        self._interval_s = interval_s
        self._on_applied = on_applied
        self._on_lost = on_lost
        self._wishes = Wishes(frozenset(), 0, paused=False)
        self._owners: dict[str, list[str]] = {}
        self._nudged = asyncio.Event()
        self.revision = 0
        self.paused = False
        self.rejected: dict[str, str] = {}
        self.wildcards: dict[str, frozenset[str]] = {}
        self.trouble = ""

    def nudge(self) -> None:
        """Make the next pass come at once."""
        self._nudged.set()

    async def run(self) -> None:
        """Reconcile for ever."""
        while True:
            self._nudged.clear()
            try:
                await self.reconcile()
                self.trouble = ""
            except Unreachable as trouble:
                self._note(described(trouble))
            try:
                async with asyncio.timeout(self._interval_s):
                    await self._nudged.wait()
            except TimeoutError:
                continue

    async def reconcile(self) -> None:
        """Read the wishes once and apply them; a store that lost them gets them back first."""
        wishes = await self._desired.read()
        if wishes.revision < self.revision:
            # Revisions never go back: this is not the store that we know. What it lacks is a loss, not a wish.
            log.error("the store has lost what it held: restoring %d owners' wishes", len(self._owners))
            await self._desired.restore(self._owners, self._wishes.topics, paused=self._wishes.paused)
            wishes = await self._desired.read()
            await self._on_lost()
        if wishes.revision != self._wishes.revision:
            self._owners = await self._desired.by_owner()
        self._wishes = wishes
        self.apply(wishes)

    def apply(self, wishes: Wishes) -> None:
        """Tell the connections what to hold so that `wishes` come true."""
        topics = set() if wishes.paused else set(self._readable(wishes.topics))
        self._expand({topic for topic in topics if topic.symbol == EVERY_SYMBOL})
        names = {topic.name for topic in topics if not topic.private and topic.symbol != EVERY_SYMBOL}
        self._listing.need(needed=any(not topic.private for topic in topics))
        self._public.want(frozenset(names.union(*self.wildcards.values())))
        self._private.want(frozenset(topic.name for topic in topics if topic.private))
        self.revision, self.paused = wishes.revision, wishes.paused
        self._on_applied()

    def _readable(self, names: Iterable[str]) -> Iterator[Topic]:
        rejected: dict[str, str] = {}
        for name in names:
            try:
                topic = self._exchange.topic(name)
            except InvalidTopicError as wrong:
                rejected[name] = str(wrong)
                continue
            if topic.private and not self._exchange.has_credentials:
                rejected[name] = NO_CREDENTIALS
            else:
                yield topic
        for name in rejected.keys() - self.rejected.keys():
            log.warning("wish %s cannot be served: %s", ascii(name[:100]), rejected[name])
        self.rejected = rejected

    def _expand(self, wild: set[Topic]) -> None:
        self.wildcards = {
            topic.name: frozenset(
                self._exchange.kline_topic(symbol, topic.timeframe)
                for symbol in self._listing.symbols
                if topic.timeframe is not None
            )
            for topic in wild
        }

    def _note(self, trouble: str) -> None:
        if trouble != self.trouble:
            log.warning("the wishes cannot be read, the last known stay in force: %s", trouble)
        self.trouble = trouble
