"""What is on its way to one page: in order, and never more than a slow page may cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from bridge.control.live.frames import HEARTBEAT

# A whole market's topics are about 1 MB; who is behind by more than some of those will not catch up.
LIMIT_BYTES: Final = 4 * 1024 * 1024


class Mailbox:
    """Frames for one page.

    Attributes:
        overrun: set once the page has been too slow; it gets nothing more.
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        """Hold at most `limit_bytes` that wait to be taken."""
        self.overrun = asyncio.Event()
        self._limit_bytes = limit_bytes
        self._waiting: list[bytes] = []
        self._size = 0
        self._closed = False
        self._stirred = asyncio.Event()

    def put(self, frame: bytes) -> None:
        """Add a frame; one too many ends it all, since a page that misses some would show what is not true."""
        if self._closed:
            return
        self._waiting.append(frame)
        self._size += len(frame)
        self._stirred.set()
        if self._size > self._limit_bytes:
            self.overrun.set()
            self.close()

    def close(self) -> None:
        """Take no more; what waits may still be taken."""
        self._closed = True
        self._stirred.set()

    async def taken(self, beat_s: float) -> AsyncIterator[bytes]:
        """Yield all that waits, again and again until it is closed, and a heartbeat after `beat_s` of silence."""
        while True:
            if self._waiting:
                batch, self._waiting, self._size = b"".join(self._waiting), [], 0
                yield batch
                continue
            if self._closed:
                return
            self._stirred.clear()
            try:
                async with asyncio.timeout(beat_s):
                    await self._stirred.wait()
            except TimeoutError:
                yield HEARTBEAT
