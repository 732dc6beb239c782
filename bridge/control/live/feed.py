"""One stream, read once and told to all who look at it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from bridge.control.live.frames import Entry, frame
from bridge.store.client import Unreachable, described

if TYPE_CHECKING:
    from bridge.control.live.mailbox import Mailbox
    from bridge.store.streams import Streams

log = logging.getLogger(__name__)

_BEGINNING: Final = "0-0"


class Feed:
    """Reads a stream while somebody looks at it."""

    def __init__(self, event: str, stream: str, streams: Streams) -> None:
        """Tell the entries of `stream` as `event`."""
        self._event = event
        self._stream = stream
        self._streams = streams
        self._ears: dict[Mailbox, _Ear] = {}
        self._joining = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None

    @property
    def deserted(self) -> bool:
        """Whether nobody looks at it."""
        return not self._ears

    async def join(self, mailbox: Mailbox, backlog: int) -> None:
        """Put the newest `backlog` entries into a mailbox, and from there on each one, without a gap, once.

        Raises redis-py's `RedisError` when Redis is out of reach.
        """
        # What is read while the backlog is on its way here is kept, and compared with where the backlog ends.
        ear = self._ears[mailbox] = _Ear(mailbox)
        async with self._joining:
            entries = await self._streams.newest(self._stream, backlog)
            for entry_id, fields in entries:
                mailbox.put(frame(self._event, Entry(entry_id, fields)))
            last = entries[-1][0] if entries else _BEGINNING
            ear.open(last)
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read(last), name=f"feed of {self._stream}")

    async def leave(self, mailbox: Mailbox) -> None:
        """Tell this mailbox no more; the last one's leaving ends the reading."""
        self._ears.pop(mailbox, None)
        async with self._joining:
            if self.deserted and self._reading is not None:
                self._reading.cancel()
                await asyncio.wait([self._reading])
                self._reading = None

    async def _read(self, after: str) -> None:
        try:
            async for entry_id, fields in self._streams.follow(self._stream, after):
                made = frame(self._event, Entry(entry_id, fields))
                for ear in self._ears.values():
                    ear.hear(entry_id, made)
        except Unreachable as trouble:
            log.warning("pages are told no more of %s: %s", self._stream, described(trouble))
            self._close()
        except Exception:
            log.exception("pages are told no more of %s", self._stream)
            self._close()

    def _close(self) -> None:
        for mailbox in self._ears:
            mailbox.close()


class _Ear:
    """What stands between a feed and a mailbox: it lets pass what is newer than the backlog."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._after: tuple[int, int] | None = None
        self._kept: list[tuple[str, bytes]] = []

    def open(self, after: str) -> None:
        self._after = _order(after)
        for entry_id, made in self._kept:
            self.hear(entry_id, made)
        self._kept.clear()

    def hear(self, entry_id: str, made: bytes) -> None:
        if self._after is None:
            self._kept.append((entry_id, made))
        elif _order(entry_id) > self._after:
            self._mailbox.put(made)


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence or 0)
