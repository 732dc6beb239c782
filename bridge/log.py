"""Logging that never blocks the event loop, and never lets one fault drown the rest.

Records go into a bounded queue; a thread of its own writes them to standard error. When that stalls (a paused
terminal, a full pipe), lines are dropped and counted, and the loop goes on.
"""

from __future__ import annotations

import logging
import logging.handlers
import queue
import sys
import time
from collections.abc import Callable
from typing import Final

import msgspec

_QUEUED: Final = 10_000


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_text:
            line["traceback"] = record.exc_text
        return msgspec.json.encode(line).decode()


class TextLines(logging.Formatter):
    """Lines for people. Control characters in a message are shown, not obeyed: part of it may come from outside."""

    def __init__(self) -> None:
        """Show the time, the level and where a line comes from."""
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return "".join(
            part if part.isprintable() or part == "\n" else ascii(part)[1:-1] for part in super().format(record)
        )


class _Queue(logging.handlers.QueueHandler):
    """Hands records over without waiting; a full queue drops them."""

    dropped = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        """Pass a record on, or count it as dropped."""
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


def configure(level: str, style: str) -> Callable[[], None]:
    """Send everything at or above `level` to standard error, in `style` (`text` or `json`); return how to stop."""
    waiting: queue.Queue[logging.LogRecord] = queue.Queue(_QUEUED)
    shown = logging.StreamHandler(sys.stderr)
    shown.setFormatter(JsonLines() if style == "json" else TextLines())
    listener = logging.handlers.QueueListener(waiting, shown)
    root = logging.getLogger()
    root.handlers[:] = [_Queue(waiting)]
    root.setLevel(level.upper())
    # What these say of themselves at lower levels can hold headers and URLs.
    for name in ("httpx2", "httpcore2", "websockets", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)
    listener.start()
    return listener.stop


class Sampled:
    """Logs one line of a kind at most every so often, and says how many more there were."""

    def __init__(self, log: logging.Logger, every_s: float = 10.0, now: Callable[[], float] = time.monotonic) -> None:
        """Write to `log`, one line in `every_s` seconds."""
        self._log = log
        self._every_s = every_s
        self._now = now
        self._next = float("-inf")
        self._unsaid = 0

    def warning(self, message: str, *arguments: object) -> None:
        """Log a warning, or count it if the last is too young."""
        if self._now() < self._next:
            self._unsaid += 1
            return
        more = f" (and {self._unsaid} more since the last such line)" if self._unsaid else ""
        self._log.warning(message + more, *arguments)
        self._next, self._unsaid = self._now() + self._every_s, 0
