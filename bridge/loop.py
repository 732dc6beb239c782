"""The event loop: uvloop's where it installs, asyncio's own elsewhere. All that the bridge does holds on both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

T = TypeVar("T")


def run(whole: Coroutine[None, None, T]) -> T:
    """Run a program's coroutine to its end, as `asyncio.run` does, on the fastest loop there is."""
    with asyncio.Runner(loop_factory=_fastest()) as runner:
        return runner.run(whole)


def _fastest() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not there on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop
