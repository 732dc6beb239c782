"""All fenced blocks of all documents, and which test runs those of a document and a language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_FOLDERS: Final = (".", "docs", "docs/reference", "deploy", "consumers")
_BLOCK: Final = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)

# A drawing, or what a program prints.
SHOWN: Final = "text"
LINES: Final = "tests/guides/test_lines.py"
RUN_BY: Final = {
    ("README.md", "sh"): LINES,
    ("README.md", "python"): LINES,
    ("CONTRIBUTING.md", "sh"): LINES,
    ("docs/secure.md", "sh"): LINES,
    ("deploy/README.md", "sh"): LINES,
    ("consumers/README.md", "sh"): "tests/consumers/test_readme.py",
    ("docs/reading.md", "sh"): "tests/consumer/test_guide.py",
    ("docs/reading.md", "python"): "tests/consumer/test_guide.py",
    ("docs/reading.md", "js"): "tests/consumers/test_node.py",
    ("docs/watch.md", "yaml"): "tests/scenarios/test_supervision.py",
}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes:
        document: the file it stands in, from the root.
        line: where it begins there.
        language: the word behind the fence, perhaps none.
        text: what is in it, without the indent of a list.
    """

    document: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        """Return where it is."""
        return f"{self.document}:{self.line}"

    @property
    def lines(self) -> list[str]:
        """Its lines, those that a backslash breaks joined."""
        return self.text.replace("\\\n", "").splitlines()


def documents() -> list[str]:
    """Return all documents, from the root."""
    return sorted(str(path.relative_to(ROOT)) for folder in _FOLDERS for path in (ROOT / folder).glob("*.md"))


def blocks(document: str) -> Iterator[Block]:
    """Yield the blocks of one document."""
    text = (ROOT / document).read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        inner = re.sub(rf"^{found['indent']}", "", found["text"], flags=re.MULTILINE)
        yield Block(document, text[: found.start()].count("\n") + 1, found["language"], inner)


def run_by(module: str) -> list[Block]:
    """Return the blocks that a module of tests has to run."""
    return [block for name in documents() for block in blocks(name) if RUN_BY.get((name, block.language)) == module]
