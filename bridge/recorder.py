"""`bitmart-bridge record`: holds the exchange's sockets and keeps what comes, as it comes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from bridge.clock import ExchangeClock, host_ms
from bridge.errors import InvalidTopicError, RecordError
from bridge.exchanges.base import EVERY_SYMBOL, Channel
from bridge.ingest.rest import timekeeper
from bridge.ingest.rest.fetch import Rest
from bridge.ingest.rest.listing import Listing
from bridge.ingest.sockets.gate import Gate
from bridge.ingest.sockets.pools import pools
from bridge.ingest.sockets.tap import tapped
from bridge.store import client
from bridge.store.desired import Desired
from bridge.store.keys import Keys

if TYPE_CHECKING:
    from bridge.exchanges.base import Exchange, Topic
    from bridge.frames import FrameFiles
    from bridge.records import EventName, Record
    from bridge.settings import Settings

log = logging.getLogger(__name__)

_HANG_UP_S: Final = 3.0
_TELL_S: Final = 10.0


class Recorder:
    """Records the frames of some topics, or of those that are wanted in Redis, until told to stop."""

    def __init__(self, settings: Settings, exchange: Exchange, topics: Sequence[str]) -> None:
        """Record `topics`; none at all stands for what the desired set holds, followed as it changes.

        Raises:
            RecordError: a topic is none, or asks for an account without credentials.
        """
        self._settings = settings
        self._exchange = exchange
        self._files: FrameFiles | None = None
        self._topics = [_read(exchange, name) for name in topics]
        self._clock = ExchangeClock(time.monotonic, host_ms())
        self._rest = Rest(exchange.rest_uri, self._clock)
        gate = Gate(settings.connect_delay_ms / 1000)
        self._public, self._private = (
            pools(exchange=heard, clock=self._clock, settings=settings, sink=_Deaf(), gate=gate)[place]
            for place, heard in enumerate(tapped(exchange, partial(self._hear, side)) for side in ("public", "private"))
        )
        self._listing = Listing(
            self._rest,
            exchange,
            self._clock,
            refresh_s=settings.contracts_refresh_s,
            on_change=lambda: self._want(self._topics),
        )

    async def run(self, stop: asyncio.Event, files: FrameFiles, say: Callable[[str], None]) -> None:
        """Record into `files` until `stop` is set, and say now and then how much there is."""
        self._files = files
        parts = [
            self._public.run(),
            self._private.run(),
            timekeeper.keep(self._clock, self._rest, self._exchange),
            self._listing.run(),
            self._tell(files, say),
        ]
        if self._topics:
            self._want(self._topics)
        else:
            parts.append(self._follow())
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(part) for part in parts]
                await stop.wait()
                await self._hang_up()
                for task in tasks:
                    task.cancel()
        finally:
            await self._rest.aclose()

    def _hear(self, side: str, frame: bytes | str, at: int) -> None:
        if self._files is not None:
            self._files.take(side, frame, at)

    def _want(self, topics: Sequence[Topic]) -> None:
        self._listing.need(needed=any(topic.symbol == EVERY_SYMBOL for topic in topics))
        names = {name for topic in topics for name in self._named(topic)}
        private = {topic.name for topic in topics if topic.private}
        self._public.want(frozenset(names - private))
        self._private.want(frozenset(names & private))

    def _named(self, topic: Topic) -> Iterator[str]:
        if topic.symbol == EVERY_SYMBOL and topic.timeframe is not None:
            yield from (self._exchange.kline_topic(symbol, topic.timeframe) for symbol in self._listing.symbols)
        else:
            yield topic.name

    async def _follow(self) -> None:
        """Keep to the desired set; while Redis is away, to what it held last."""
        redis = client.commands(self._settings.redis_url)
        desired = Desired(redis, Keys(self._settings.bridge_prefix, self._settings.bitmart_account))
        said = ""
        try:
            while True:
                try:
                    self._topics = list(self._readable((await desired.read()).topics))
                    self._want(self._topics)
                except client.Unreachable as trouble:
                    if said != (said := client.described(trouble)):
                        log.warning("waiting for Redis: %s", said)
                await asyncio.sleep(self._settings.reconcile_interval_s)
        finally:
            await redis.aclose()

    def _readable(self, names: frozenset[str]) -> Iterator[Topic]:
        """Yield the topics among the wishes that this program can record; an ingester tells about the others."""
        for name in sorted(names):
            try:
                yield _read(self._exchange, name)
            except RecordError:
                continue

    async def _tell(self, files: FrameFiles, say: Callable[[str], None]) -> None:
        told = -1
        while True:
            await asyncio.sleep(_TELL_S)
            if told != (told := files.frames):
                say(f"{told} frames recorded, {sum(self._public.sizes + self._private.sizes)} topics held")
            elif trouble := self._public.trouble or self._private.trouble:
                say(f"nothing comes: {trouble}")

    async def _hang_up(self) -> None:
        self._public.want(frozenset())
        self._private.want(frozenset())
        try:
            async with asyncio.timeout(_HANG_UP_S):
                await self._public.emptied()
                await self._private.emptied()
        except TimeoutError:
            log.warning("the exchange did not answer our unsubscriptions in time")


class _Deaf:
    """A pool's sink for one who wants the frames alone."""

    def take(self, record: Record) -> None:
        """Let a record go."""

    def happened(self, event: EventName, subject: str, text: str) -> None:
        """Let an event go; whoever saw it has logged it."""

    def lost(self, *, private: bool, topics: Collection[str]) -> None:
        """Let the loss go; the connection comes back by itself."""

    def activated(self, topic: str) -> None:
        """Let it go."""

    def stirred(self) -> None:
        """Let it go."""


def _read(exchange: Exchange, name: str) -> Topic:
    try:
        topic = exchange.topic(name)
    except InvalidTopicError as wrong:
        raise RecordError(f"{name!r} is no topic: {wrong}") from None
    if topic.private and not exchange.has_credentials:
        raise RecordError(f"{name} needs credentials")
    if topic.channel is Channel.KLINE and topic.timeframe is None:
        raise RecordError(f"{name!r} names no timeframe")
    return topic
