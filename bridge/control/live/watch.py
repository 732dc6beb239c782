"""Everything that is state and no stream, looked at once a second for all pages; what changed is told to all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from msgspec import Struct

from bridge import __version__
from bridge.clock import host_ms
from bridge.control import status
from bridge.control.answers import Number
from bridge.control.backend import Backend, Snapshot
from bridge.control.live.frames import frame
from bridge.control.live.mailbox import Mailbox
from bridge.control.progress import Progress
from bridge.errors import InvalidTopicError
from bridge.store.client import Unreachable, described
from bridge.store.reader import Fields
from bridge.timeframes import Timeframe

log = logging.getLogger(__name__)

INTERVAL_S: Final = 1.0


class Overview(Struct, frozen=True, kw_only=True):
    """How all is but the topics; `now` is this host's time in UTC milliseconds, by which ages are told."""

    now: int
    version: str
    exchange: str
    environment: str
    paused: bool
    revision: int
    has_credentials: bool
    timeframes: list[str]
    ingesters: list[dict[str, str | Number | bool]]
    positions: list[Fields]


class TopicView(Struct, frozen=True, kw_only=True):
    """One topic: what it is of, and how far it has come. Times are UTC milliseconds, 0 before the first."""

    channel: str
    symbol: str
    timeframe: str
    state: str
    reason: str
    since: int
    data_at: int
    wanted: bool


class Topics(Struct, frozen=True, kw_only=True):
    """The topics that changed, and those that are gone; `whole` says that there are no others."""

    whole: bool
    changed: Mapping[str, TopicView]
    gone: list[str]


class Watch:
    """Looks on while somebody looks at it."""

    def __init__(self, backend: Backend, interval_s: float = INTERVAL_S) -> None:
        """Look at `backend` every `interval_s`."""
        self._backend = backend
        self._interval_s = interval_s
        self._mailboxes: set[Mailbox] = set()
        self._topics: Mapping[str, TopicView] | None = None
        self._overview = b""
        self._looking: asyncio.Task[None] | None = None

    def join(self, mailbox: Mailbox) -> None:
        """Tell a mailbox how all is, and from there on what changes."""
        self._mailboxes.add(mailbox)
        if self._topics is not None:
            mailbox.put(self._overview)
            mailbox.put(frame("topics", Topics(whole=True, changed=self._topics, gone=[])))
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._run(), name="watch over the state")

    async def leave(self, mailbox: Mailbox) -> None:
        """Tell this mailbox no more; the last one's leaving ends the looking."""
        self._mailboxes.discard(mailbox)
        if not self._mailboxes and self._looking is not None:
            looking, self._looking, self._topics = self._looking, None, None
            looking.cancel()
            await asyncio.wait([looking])

    async def _run(self) -> None:
        try:
            while True:
                await self._look()
                await asyncio.sleep(self._interval_s)
        except Unreachable as trouble:
            log.warning("pages are told no more of the state: %s", described(trouble))
            self._close()
        except Exception:
            log.exception("pages are told no more of the state")
            self._close()

    def _close(self) -> None:
        self._topics = None
        for mailbox in self._mailboxes:
            mailbox.close()

    async def _look(self) -> None:
        seen = await self._backend.snapshot()
        positions = await self._backend.positions()
        topics = self._named(seen)
        self._overview = frame("overview", self._overviewed(seen, positions))
        self._tell(self._overview)
        changes = _compared(self._topics, topics)
        self._topics = topics
        if changes is not None:
            self._tell(frame("topics", changes))

    def _tell(self, made: bytes) -> None:
        for mailbox in self._mailboxes:
            mailbox.put(made)

    def _overviewed(self, seen: Snapshot, positions: list[Fields]) -> Overview:
        exchange = self._backend.exchange
        return Overview(
            now=host_ms(),
            version=__version__,
            exchange=exchange.name,
            environment=exchange.environment,
            paused=seen.wishes.paused,
            revision=seen.wishes.revision,
            has_credentials=exchange.has_credentials,
            timeframes=list(Timeframe),
            ingesters=[status.ingester(name, state) for name, state in sorted(seen.members.items())],
            positions=positions,
        )

    def _named(self, seen: Snapshot) -> dict[str, TopicView]:
        progress = Progress(self._backend.exchange, seen)
        return {name: self._view(progress, name) for name in sorted(seen.wishes.topics | seen.served.keys())}

    def _view(self, progress: Progress, name: str) -> TopicView:
        state = progress.state(name)
        channel = symbol = timeframe = ""
        # Anybody can put anything into the set by hand.
        with suppress(InvalidTopicError):
            topic = self._backend.exchange.topic(name)
            channel, symbol, timeframe = topic.channel.value, topic.symbol, topic.timeframe or ""
        return TopicView(
            channel=channel,
            symbol=symbol,
            timeframe=timeframe,
            state=state.state.value,
            reason=state.reason,
            since=state.since,
            data_at=state.data_at,
            wanted=progress.is_wanted(name),
        )


def _compared(before: Mapping[str, TopicView] | None, now: Mapping[str, TopicView]) -> Topics | None:
    """Return what is to be told of the topics, or nothing."""
    if before is None:
        return Topics(whole=True, changed=now, gone=[])
    changed = {name: view for name, view in now.items() if before.get(name) != view}
    gone = [name for name in before if name not in now]
    return Topics(whole=False, changed=changed, gone=gone) if changed or gone else None
