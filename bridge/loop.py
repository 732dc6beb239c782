"""The event loop: uvloop's where it installs, asyncio's own elsewhere. All that the bridge does holds on both."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Final, TypeVar

T = TypeVar("T")

# Hardly anything on the hot path makes cycles: whoever looks for them as often as by default finds none.
_GARBAGE: Final = (10_000, 20, 50)


def run(whole: Coroutine[None, None, T]) -> T:
    """Run a program's coroutine to its end, as `asyncio.run` does, on the fastest loop there is.

    What was imported stays for good: the collector of garbage, which stops everything, is spared looking through it.
    """
    gc.freeze()
    gc.set_threshold(*_GARBAGE)
    with asyncio.Runner(loop_factory=_fastest()) as runner:
        return runner.run(whole)


def _fastest() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not there on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop
