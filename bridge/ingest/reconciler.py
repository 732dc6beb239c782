"""From wishes to connections: reads the whole desired set, and tells the connections what of it falls to us.

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
from bridge.ingest.members.names import Names
from bridge.store.client import Unreachable, described
from bridge.store.desired import Desired, Wishes

if TYPE_CHECKING:
    from bridge.ingest.members.membership import Membership
    from bridge.ingest.members.sharing import Sharing
    from bridge.ingest.rest.listing import Listing
    from bridge.ingest.sockets.pool import Pool

log = logging.getLogger(__name__)

NO_CREDENTIALS: Final = "no credentials: set BITMART_API_KEY, BITMART_API_SECRET and BITMART_API_MEMO at an ingester"
# How often the others are asked about what we hold for them.
_LOOK_S: Final = 0.2


class Reconciler:
    """Brings the connections to what is wished."""

    def __init__(
        self,
        *,
        desired: Desired,
        exchange: Exchange,
        membership: Membership,
        public: Pool,
        private: Pool,
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
        self._membership = membership
        self._public = public
        self._private = private
        self._listing = listing
        self._interval_s = interval_s
        self._on_applied = on_applied
        self._on_lost = on_lost
        self._wishes = Wishes(frozenset(), 0, paused=False)
        self._lost = False
        self._owners: dict[str, list[str]] = {}
        self._nudged = asyncio.Event()
        self.names = Names(exchange)
        self.revision = 0
        self.paused = False
        self.applied = False
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
            await self._until_next()

    async def _until_next(self) -> None:
        """Wait for a nudge or the time of the regular pass; meanwhile let go of what others have come to hold."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._interval_s
        while (left_s := deadline - loop.time()) > 0:
            under_way = any(len(share.handover) for share in self._shares)
            try:
                async with asyncio.timeout(min(left_s, _LOOK_S) if under_way else left_s):
                    await self._nudged.wait()
                    return
            except TimeoutError:
                await self._let_go()

    async def _let_go(self) -> None:
        try:
            released = [await share.look() for share in self._shares]
        except Unreachable as trouble:
            self._note(described(trouble))
            return
        if any(released):
            self._serve()

    async def reconcile(self) -> None:
        """Read the wishes once and apply them; a store that lost them gets them back first."""
        wishes = await self._desired.read()
        another = bool(self._wishes.life) and wishes.life != self._wishes.life
        if wishes.revision < self.revision or another or self._lost:
            # Revisions never go back: this is not the store that we know. What it lacks is a loss, not a wish.
            self._lost = True
            log.error("the store has lost what it held: restoring %d owners' wishes", len(self._owners))
            await self._desired.restore(self._owners, self._wishes.topics, paused=self._wishes.paused)
            wishes = await self._desired.read()
            await self._on_lost()
            self._lost = False
        if wishes.revision != self._wishes.revision:
            self._owners = await self._desired.by_owner()
        self._wishes = wishes
        await self.apply(wishes)
        if not wishes.life:
            await self._desired.mark()

    async def apply(self, wishes: Wishes) -> None:
        """Tell the connections what to hold so that `wishes` come true, as far as they fall to us."""
        await self.names.learn(wishes.topics)
        topics = set() if wishes.paused else set(self._readable(wishes.topics))
        self._expand({topic for topic in topics if topic.symbol == EVERY_SYMBOL})
        named = {topic.name for topic in topics if not topic.private and topic.symbol != EVERY_SYMBOL}
        public = frozenset(named.union(*self.wildcards.values()))
        await self.names.learn(public)
        self.names.forget_all_but(public | wishes.topics | self._public.wanted)
        self._listing.need(needed=any(not topic.private for topic in topics))
        await self._membership.public.divide(public)
        await self._membership.private.divide(frozenset(topic.name for topic in topics if topic.private))
        self.revision, self.paused, self.applied = wishes.revision, wishes.paused, True
        self._serve()

    def ours(self, topics: frozenset[str]) -> frozenset[str]:
        """Return which of some public topics fall to us."""
        return topics & self._membership.public.target

    @property
    def _shares(self) -> tuple[Sharing, Sharing]:
        return (self._membership.public, self._membership.private)

    def _serve(self) -> None:
        self._public.want(self._membership.public.serving)
        self._private.want(self._membership.private.serving)
        self._on_applied()

    def _readable(self, names: Iterable[str]) -> Iterator[Topic]:
        credentials = any(card.credentials for card in self._membership.roster.cards.values())
        rejected: dict[str, str] = {}
        for name in names:
            try:
                topic = self.names.topic(name)
            except InvalidTopicError as wrong:
                rejected[name] = str(wrong)
                continue
            if topic.private and not credentials:
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
