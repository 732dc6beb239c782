"""The Lua that runs beside the data: read once, named by its hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Script:
    """One script: its text, and the hash by which Redis knows it."""

    text: str
    sha: str


def _read(name: str) -> Script:
    text = files(__package__).joinpath(f"{name}.lua").read_text(encoding="utf-8")
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


KLINE = _read("kline")
ORDER = _read("order")
FILL = _read("fill")
POSITION = _read("position")
CLOSED = _read("closed")
DESIRED = _read("desired")
HEARTBEAT = _read("heartbeat")
BUDGET = _read("budget")
SYNCED = _read("synced")

APPENDS = (KLINE, CLOSED, ORDER, FILL, POSITION)
