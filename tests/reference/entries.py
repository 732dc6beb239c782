"""The page of all entries: which fields, in which order, with which words."""

from __future__ import annotations

import inspect
from enum import StrEnum
from typing import get_type_hints

from bridge import records
from bridge.records import SCHEMA_VERSION, Entry, Event, Fill, Kline, Order, Position, Resync
from tests.reference.tables import code, first_line, table

_INTRODUCTION = f"""# Entries

Flat fields, always the same ones in the same order for a `type`. Every value is a string; what is absent is
the empty string. Prices and sizes are the exchange's own decimal strings, times are UTC milliseconds. `v`,
the version of the fields, is `{SCHEMA_VERSION}` now. `received_at` is when the bridge had it, by its host's clock.
This page is made of `bridge/records.py`.

"""

_STREAMS: dict[type[Entry], str] = {
    Kline: "klines:{<symbol>}:<timeframe>` and `...:closed",
    Order: "orders:{<account>}",
    Fill: "fills:{<account>}",
    Position: "positions:{<account>}",
    Resync: "orders:{<account>}`, `fills:{<account>}`, `positions:{<account>}",
    Event: "events",
}


def page() -> str:
    """Return the page."""
    return _INTRODUCTION + "".join(map(_entry, _STREAMS)) + _words()


def _entry(kind: type[Entry]) -> str:
    fields = records.field_names(kind)
    hints = get_type_hints(kind)
    listed = ", ".join(_field(name, hints.get(name)) for name in fields)
    return f"## `type={kind.__name__.lower()}` in `{_STREAMS[kind]}`\n\n{first_line(kind.__doc__)}\n\n{listed}\n\n"


def _field(name: str, hint: object) -> str:
    words = f" ({hint.__name__})" if inspect.isclass(hint) and issubclass(hint, StrEnum) else ""
    return code(name) + words


def _words() -> str:
    enums = [kind for _, kind in inspect.getmembers(records, inspect.isclass) if issubclass(kind, StrEnum)]
    rows = [
        (kind.__name__, first_line(kind.__doc__), ", ".join(code(word.value) or "empty" for word in kind))
        for kind in enums
        if kind is not StrEnum
    ]
    return "## Words\n\n" + table(("field of kind", "what it says", "words"), rows)
