"""Logging that never blocks the event loop, and never lets one fault drown the rest.

Records go into a bounded queue; a thread of its own writes them to standard error. When that stalls (a paused
terminal, a full pipe), lines are dropped and counted, and the loop goes on; the program's end does not wait for it.
"""

from __future__ import annotations

import copy
import logging
import logging.handlers
import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

_QUEUED: Final = 10_000
_END_S: Final = 1.0
_STDERR: Final = 2


def shown(text: str) -> str:
    """Return `text` with its control characters shown, not obeyed: part of it may come from outside."""
    return "".join(part if part.isprintable() else ascii(part)[1:-1] for part in text)


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
        # What JSON cannot hold, such as the odd bytes of a file's name, is shown.
        fitting = {name: text.encode(errors="backslashreplace").decode() for name, text in line.items()}
        return msgspec.json.encode(fitting).decode()


class TextLines(logging.Formatter):
    """Lines for people. What continues a line is indented, so that no message can pass itself off as another line."""

    def __init__(self) -> None:
        """Show the time, the level and where a line comes from."""
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return "\n    ".join(shown(part) for part in super().format(record).split("\n"))


class _Queue(logging.handlers.QueueHandler):
    """Hands records over without waiting; a full queue drops them."""

    dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Make the text final, for what it is made of may change; message and traceback stay apart."""
        final = copy.copy(record)
        final.msg, final.args = record.getMessage(), None
        if record.exc_info:
            final.exc_text, final.exc_info = _PLAIN.formatException(record.exc_info), None
        return final

    def enqueue(self, record: logging.LogRecord) -> None:
        """Pass a record on, or count it as dropped."""
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


class _Output(logging.Handler):
    """Writes to standard error from one thread, without the locks that the interpreter waits for at its end."""

    def createLock(self) -> None:  # noqa: N802 - logging's own name
        """Have none: one thread alone writes."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        line = f"{self.format(record)}\n".encode(errors="backslashreplace")
        with suppress(OSError):  # whoever read us has gone
            while line:
                line = line[os.write(_STDERR, line) :]


_PLAIN: Final = logging.Formatter()


def configure(level: str, style: str) -> Callable[[], None]:
    """Send everything at or above `level` to standard error, in `style` (`text` or `json`); return how to stop."""
    waiting: queue.Queue[logging.LogRecord | None] = queue.Queue(_QUEUED)
    output = _Output()
    output.setFormatter(JsonLines() if style == "json" else TextLines())
    writing = threading.Thread(target=_write, args=(waiting, output), name="log", daemon=True)
    root = logging.getLogger()
    root.handlers[:] = [_Queue(waiting)]
    root.setLevel(level.upper())
    # What these say of themselves at lower levels can hold headers and URLs.
    for name in ("httpx2", "httpcore2", "websockets", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)
    writing.start()

    def stop() -> None:
        with suppress(queue.Full):
            waiting.put(None, timeout=_END_S)
        writing.join(_END_S)

    return stop


def _write(waiting: queue.Queue[logging.LogRecord | None], output: logging.Handler) -> None:
    while record := waiting.get():
        output.handle(record)


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
