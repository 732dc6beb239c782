"""The one place that owns the signals: the first asks for an orderly end, the second forces one."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_ENDING: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping() -> Iterator[asyncio.Event]:
    """Yield an event that is set when the process is asked to end. Must be entered inside a running event loop."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def ask(number: int) -> None:
        if stop.is_set():
            os.write(sys.stderr.fileno(), b"forced\n")
            os._exit(128 + number)
        stop.set()

    for number in _ENDING:
        loop.add_signal_handler(number, ask, number)
    try:
        yield stop
    finally:
        for number in _ENDING:
            loop.remove_signal_handler(number)


def interruptible() -> None:
    """Let a Ctrl-C raise `KeyboardInterrupt` from now on: something has begun that is to be undone."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
