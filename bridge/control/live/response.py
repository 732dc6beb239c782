"""An answer that goes on: a mailbox as server-sent events, until either side has enough."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from bridge.control.live.live import Live
    from bridge.control.live.mailbox import Mailbox

log = logging.getLogger(__name__)

# Pages take a line for dead that is silent for three of these.
BEAT_S: Final = 10.0
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Accel-Buffering": "no",  # what nginx needs to be told
}


class LiveResponse(Response):
    """Sends what comes into a mailbox, which it gives back at its end."""

    media_type = "text/event-stream"

    def __init__(self, live: Live, mailbox: Mailbox, beat_s: float = BEAT_S) -> None:
        """Send from `mailbox`, with a heartbeat after `beat_s` of silence."""
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._live = live
        self._mailbox = mailbox
        self._beat_s = beat_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the mailbox is closed, the page is gone, or the page is too slow."""
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if scope["method"] == "HEAD":
                await send({"type": "http.response.body", "body": b""})
                return
            await self._send_until_enough(receive, send)
        finally:
            await self._live.leave(self._mailbox)

    async def _send_until_enough(self, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_gone(receive))
        overrun = asyncio.create_task(self._mailbox.overrun.wait())
        tasks = {sending, leaving, overrun}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        if self._mailbox.overrun.is_set():
            # uvicorn closes the connection of an answer without an end, which is what the page has to see.
            log.warning("a status page reads too slowly and is dropped; it will ask again")
        elif not sending.cancelled():
            sending.result()

    async def _send(self, send: Send) -> None:
        async for batch in self._mailbox.taken(self._beat_s):
            await send({"type": "http.response.body", "body": batch, "more_body": True})
        if not self._mailbox.overrun.is_set():
            await send({"type": "http.response.body", "body": b""})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
