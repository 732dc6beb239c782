"""The page of all settings."""

from __future__ import annotations

from dataclasses import fields

from bridge.settings import Settings
from bridge.values import Secret
from tests.reference.tables import code, table

_INTRODUCTION = """# Settings

From the environment and from `.env`, where the environment wins; an empty value counts as unset. All are
checked at start, before anything connects. `bitmart-bridge check` shows those in force, secrets masked.
This page is made of `bridge/settings_table.py`.

"""


def page() -> str:
    """Return the page."""
    rows = []
    for row in fields(Settings):
        default = "" if isinstance(row.default, Secret) else str(row.default)
        rows.append((code(row.name.upper()), code(default), row.metadata["meaning"], row.metadata["expected"]))
    return _INTRODUCTION + table(("variable", "default", "meaning", "expected"), rows)
