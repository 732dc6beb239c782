"""Everybody who looks on: who gets which mailbox, filled by what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from bridge.control.answers import RefusedError
from bridge.control.live.feed import Feed
from bridge.control.live.frames import Entry, frame
from bridge.control.live.mailbox import Mailbox
from bridge.control.live.watch import Watch
from bridge.store import streams
from bridge.store.keys import Keys

if TYPE_CHECKING:
    from bridge.control.backend import Backend
    from bridge.settings import Settings
    from bridge.store.streams import Streams

# Each costs a socket and a mailbox. A page that is open uses two.
MOST_MAILBOXES: Final = 64
_RECENT: Final = 100
_CANDLES: Final = 500


class Live:
    """The mailboxes of all pages. What reads may raise redis-py's `RedisError` when Redis is out of reach."""

    def __init__(self, backend: Backend, keys: Keys, reading: Streams) -> None:
        """Show what `backend` knows, and the streams of `keys`."""
        self._keys = keys
        self._streams = reading
        self._watch = Watch(backend)
        self._feeds: dict[str, Feed] = {}
        self._mailboxes: set[Mailbox] = set()
        self._ended = False

    async def bridge(self) -> Mailbox:
        """Return a mailbox for all but candles: state, topics, orders, fills, events.

        Raises:
            RefusedError: too many look on.
        """
        mailbox = self._admitted()
        try:
            # Orders that are open may be older than any entry that is sent of their stream.
            for order in await self._streams.open_orders(self._keys):
                mailbox.put(frame("order", Entry("", order)))
            await self._join(mailbox, "order", self._keys.orders, _RECENT)
            await self._join(mailbox, "fill", self._keys.fills, _RECENT)
            await self._join(mailbox, "event", self._keys.events, _RECENT)
            self._watch.join(mailbox)
        except BaseException:
            await self.leave(mailbox)
            raise
        return mailbox

    async def candles(self, symbol: str, timeframe: str) -> Mailbox:
        """Return a mailbox for one symbol's candles: those proven, and each change of the one under way.

        Raises:
            RefusedError: too many look on.
        """
        mailbox = self._admitted()
        try:
            await self._join(mailbox, "closed", self._keys.closed_klines(symbol, timeframe), _CANDLES)
            await self._join(mailbox, "kline", self._keys.klines(symbol, timeframe), _RECENT)
        except BaseException:
            await self.leave(mailbox)
            raise
        return mailbox

    async def leave(self, mailbox: Mailbox) -> None:
        """Fill this mailbox no more."""
        self._mailboxes.discard(mailbox)
        mailbox.close()
        await self._watch.leave(mailbox)
        for stream, feed in list(self._feeds.items()):
            await feed.leave(mailbox)
            if feed.deserted and self._feeds.get(stream) is feed:
                del self._feeds[stream]

    def end(self) -> None:
        """Close all mailboxes, and give out no more: an answer that goes on would hold up the server's end."""
        self._ended = True
        for mailbox in self._mailboxes:
            mailbox.close()

    async def drain(self) -> None:
        """End, and wait for all that reads."""
        self.end()
        await asyncio.gather(*(self.leave(mailbox) for mailbox in list(self._mailboxes)))

    def _admitted(self) -> Mailbox:
        if self._ended:
            raise RefusedError(503, "the control API is ending")
        if len(self._mailboxes) >= MOST_MAILBOXES:
            raise RefusedError(503, f"{MOST_MAILBOXES} streams of status pages are open already: close some of them")
        mailbox = Mailbox()
        self._mailboxes.add(mailbox)
        return mailbox

    async def _join(self, mailbox: Mailbox, event: str, stream: str, backlog: int) -> None:
        feed = self._feeds.get(stream)
        if feed is None:
            feed = self._feeds[stream] = Feed(event, stream, self._streams)
        await feed.join(mailbox, backlog)


@asynccontextmanager
async def opened(settings: Settings, backend: Backend) -> AsyncIterator[Live]:
    """Open clients of our own for as long as the block lasts; Redis itself need not be there yet."""
    async with streams.opened(settings.redis_url) as reading:
        live = Live(backend, Keys(settings.bridge_prefix, settings.bitmart_account), reading)
        try:
            yield live
        finally:
            await live.drain()
