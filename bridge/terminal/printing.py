"""Entries on a terminal: one line each, for people or as JSON, never holding up the event loop."""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TextIO

import msgspec

from bridge.log import shown

_QUEUED: Final = 1_000
_POLL_S: Final = 0.02


class Printer:
    """Writes lines from a thread of its own, so that a paused terminal or a full pipe stops only the printing."""

    def __init__(self, out: TextIO | None = None) -> None:
        """Write to `out`, by default standard output."""
        self._out = out or sys.stdout
        self._lines: queue.Queue[str] = queue.Queue(_QUEUED)
        # A daemon, because a write that is stuck for good must not keep the program from ending.
        self._thread = threading.Thread(target=self._write, name="printer", daemon=True)
        self._thread.start()
        self.closed = False

    async def line(self, text: str) -> None:
        """Print a line; waits, without holding up anybody else, while the reader of our output is slow."""
        while not self.closed:
            try:
                self._lines.put_nowait(text)
            except queue.Full:
                await asyncio.sleep(_POLL_S)
            else:
                return

    async def finish(self, timeout_s: float) -> None:
        """Wait until all is written, for `timeout_s` seconds at most."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._lines.unfinished_tasks and not self.closed:  # noqa: ASYNC110 - the queue is a thread's
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            return

    def _write(self) -> None:
        while True:
            text = self._lines.get()
            try:
                self._out.write(_fitting(text, self._out.encoding) + "\n")
                self._out.flush()
            except (OSError, ValueError):
                # Whoever read us has gone.
                self.closed = True
                return
            self._lines.task_done()


def _fitting(text: str, encoding: str | None) -> str:
    """Return `text` with what our output's encoding lacks shown by its number."""
    return text.encode(encoding or "utf-8", errors="backslashreplace").decode(encoding or "utf-8")


def as_json(stream: str, entry_id: str, fields: Mapping[str, str]) -> str:
    """Return an entry as one JSON object: its stream, its id, then its fields."""
    return msgspec.json.encode({"stream": stream, "id": entry_id, **fields}).decode()


def as_text(stream: str, _entry_id: str, fields: Mapping[str, str]) -> str:
    """Return an entry as a line for people."""
    kind = fields.get("type", "?")
    try:
        told = _TOLD.get(kind, _other)(fields)
    except KeyError:
        # Not written by a bridge, or by another version of it: shown as it is.
        told = _other(fields)
    return shown(f"{_clock(fields.get('received_at', ''))}  {kind:<8}  {told or stream}")


def _kline(entry: Mapping[str, str]) -> str:
    state = "live  "
    if entry["closed"] == "1":
        state = "CLOSED" if entry["source"] == "ws" else "PROVEN"
    return (
        f"{entry['symbol']:<10} {entry['timeframe']:>3}  {_minute(entry['open_time'])}  {state}"
        f"  o {entry['open']}  h {entry['high']}  l {entry['low']}  c {entry['close']}  v {entry['volume']}"
    )


def _order(entry: Mapping[str, str]) -> str:
    goal = f" {entry['position_side']}" if entry["position_side"] else ""
    reducing = " reduce-only" if entry["reduce_only"] == "1" else ""
    return (
        f"{entry['symbol']:<10} {entry['side']}{goal}{reducing} {entry['size']} {entry['order_type']}"
        f" at {entry['price']}"
        f"  {entry['status']} (filled {entry['filled_size']})  order {entry['order_id']}"
    )


def _fill(entry: Mapping[str, str]) -> str:
    return (
        f"{entry['symbol']:<10} {entry['side']} {entry['size']} at {entry['price']}"
        f"  fee {entry['fee']} {entry['fee_currency']}  order {entry['order_id']}  trade {entry['trade_id']}"
    )


def _position(entry: Mapping[str, str]) -> str:
    size = "flat" if entry["size"] == "0" else f"{entry['size']} at {entry['average_price']}"
    return f"{entry['symbol']:<10} {entry['side']} {size}"


def _resync(entry: Mapping[str, str]) -> str:
    return f"complete again ({entry.get('reason', '')})"


def _event(entry: Mapping[str, str]) -> str:
    return f"{entry['event']}  {entry['subject']}  {entry['text']}"


def _other(entry: Mapping[str, str]) -> str:
    return "  ".join(f"{name}={value}" for name, value in entry.items() if name not in ("type", "v"))


_TOLD: Final = {
    "kline": _kline,
    "order": _order,
    "fill": _fill,
    "position": _position,
    "resync": _resync,
    "event": _event,
}


def _clock(milliseconds: str) -> str:
    return _time(milliseconds).strftime("%H:%M:%S") if milliseconds.isdecimal() else "--:--:--"


def _minute(milliseconds: str) -> str:
    return _time(milliseconds).strftime("%Y-%m-%d %H:%M")


def _time(milliseconds: str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
