"""The Lua that runs beside the data: read once, named by its hash."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """One script: its text, and the hash by which Redis knows it."""

    text: str
    sha: str


def _script(text: str) -> Script:
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def _read(name: str) -> Script:
    return _script(files(__package__).joinpath(f"{name}.lua").read_text(encoding="utf-8"))


def together(scripts: Sequence[Script]) -> Script:
    """Return a script that runs many appends by one call; in its table they have the places of `scripts`, from 1."""
    functions = [f"function(KEYS, ARGV)\n{script.text}end" for script in scripts]
    return _script(f"local run = {{{', '.join(functions)}}}\n{_read('batch').text}")


KLINE = _read("kline")
ORDER = _read("order")
FILL = _read("fill")
POSITION = _read("position")
CLOSED = _read("closed")
LOG = _read("log")
DESIRED = _read("desired")
HEARTBEAT = _read("heartbeat")
ALIVE = _read("alive")
BUDGET = _read("budget")
SYNCED = _read("synced")
SWEPT = _read("swept")
FORGET = _read("forget")
LOWER = _read("lower")

APPENDS = (KLINE, CLOSED, ORDER, FILL, POSITION, LOG)
