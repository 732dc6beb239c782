"""Whether the event loop turns: a beat several times a second, and how late each of them came."""

from __future__ import annotations

import asyncio
from typing import Final

from bridge.buckets import Buckets

_BEAT_S: Final = 0.25


class Pulse:
    """Beats for as long as the loop turns."""

    def __init__(self) -> None:
        """Begin without a beat."""
        self.lag = Buckets()

    async def run(self) -> None:
        """Beat for ever."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _BEAT_S
            await asyncio.sleep(_BEAT_S)
            self.lag.observe(max(0.0, loop.time() - due))
