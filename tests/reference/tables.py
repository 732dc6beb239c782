"""Tables as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a bar inside a cell would end it, so it is written otherwise."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def code(text: str) -> str:
    """Return a text between backticks; nothing for nothing."""
    return f"`{text}`" if text else ""


def first_line(docstring: str | None) -> str:
    """Return what a docstring says first, on one line."""
    return " ".join((docstring or "").strip().split("\n\n")[0].split())
