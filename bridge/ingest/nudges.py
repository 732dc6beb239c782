"""Heeds the nudges that come with each change of the wishes; losing one is harmless, the regular pass sees all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from bridge.store.client import Unreachable

_RETRY_S: Final = 1.0


async def hear(listening: Callable[[], AbstractAsyncContextManager[Any]], nudge: Callable[[], None]) -> None:
    """Open a channel by `listening`; call `nudge` for all that comes, and once whenever some may have been missed."""
    while True:
        try:
            async with listening() as channel:
                nudge()
                while True:
                    if await channel.get_message(timeout=None):
                        nudge()
        except Unreachable:
            # The regular pass and the heartbeat name the trouble; here it is only waited out.
            await asyncio.sleep(_RETRY_S)
