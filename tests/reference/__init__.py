"""The reference pages, made of the code: `python -m tests.reference` writes them, a test holds them to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.reference import entries, http, keys, metrics, settings

FOLDER: Final = Path(__file__).parents[2] / "docs" / "reference"

PAGES: Final[dict[str, Callable[[], str]]] = {
    "settings.md": settings.page,
    "keys.md": keys.page,
    "entries.md": entries.page,
    "http.md": http.page,
    "metrics.md": metrics.page,
}
