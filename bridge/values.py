"""The kinds of value a setting can have: how each is read from text, and what to expect when it can't be.

Each function returns one row's field for the settings table: its default, its reader, its range in words, its meaning.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

_LONGEST_SECRET: Final = 16_384


class Secret:
    """A text that shows itself only when asked by `reveal`: never in a repr, a log line, a format or an error."""

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        """Hide `text`."""
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __bool__(self) -> bool:
        """Tell whether there is any text."""
        return bool(self._text)

    def __repr__(self) -> str:
        """Return a mask that gives away neither the text nor its length."""
        return "********" if self._text else ""


def _row(default: object, read: Callable[[str], object], expected: str, meaning: str) -> Any:  # noqa: ANN401 - as field()
    return field(default=default, metadata={"read": read, "expected": expected, "meaning": meaning})


def whole(default: int, least: int, most: int, meaning: str) -> Any:  # noqa: ANN401 - as dataclasses.field()
    """A whole number from `least` to `most`."""
    expected = f"a whole number from {least} to {most}"

    def read(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,12}", text) or not least <= int(text) <= most:
            raise ValueError(f"expected {expected}, not {text[:40]!r}")
        return int(text)

    return _row(default, read, expected, meaning)


def seconds(default: float, least: float, most: float, meaning: str) -> Any:  # noqa: ANN401 - as dataclasses.field()
    """A number of seconds from `least` to `most`, fractions allowed."""
    expected = f"seconds from {least:g} to {most:g}"

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise ValueError(f"expected {expected}, not {text[:40]!r}")
        return value

    return _row(default, read, expected, meaning)


def choice(default: str, words: tuple[str, ...], meaning: str) -> Any:  # noqa: ANN401 - as dataclasses.field()
    """One of `words`."""
    expected = f"one of {' '.join(words)}"

    def read(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"expected {expected}, not {text[:40]!r}")
        return text.lower()

    return _row(default, read, expected, meaning)


def matching(default: str, pattern: str, expected: str, meaning: str) -> Any:  # noqa: ANN401 - as dataclasses.field()
    """A text that `pattern` matches from end to end; `expected` says in words what that is."""

    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"expected {expected}, not {text[:80]!r}")
        return text

    return _row(default, read, expected, meaning)


def uri(default: str, schemes: tuple[str, ...], meaning: str) -> Any:  # noqa: ANN401 - as dataclasses.field()
    """A URI of one of `schemes`, with a host."""
    expected = f"a URI that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}"

    def read(text: str) -> str:
        if not _names_host(text, schemes):
            raise ValueError(f"expected {expected} and names a host")
        return text

    return _row(default, read, expected, meaning)


def _names_host(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:  # of brackets that don't match, or a port that is no port
        return False


def secret(meaning: str) -> Any:  # noqa: ANN401 - as dataclasses.field()
    """A text that is never shown."""
    return _row(Secret(), Secret, "kept secret", meaning)


def secret_in(path: str) -> str:
    """Return the secret that stands in a file, without the line's end that editors and `echo` put behind it.

    Raises:
        ValueError: the file can't be read, or holds something else than one line of text; never with what it holds.
    """
    # Somebody may have put the secret itself where its file's name belongs: only what can be nothing else is shown.
    shown = path if Path(path).is_absolute() else "the file that it names"
    try:
        with Path(path).open("rb") as file:
            text = file.read(_LONGEST_SECRET + 1).decode().strip()
    except OSError as trouble:
        raise ValueError(f"cannot read {shown}: {trouble.strerror}") from None
    except UnicodeDecodeError:
        text = ""
    if not text or len(text) > _LONGEST_SECRET or not text.isprintable():
        raise ValueError(f"expected one line of text in {shown}")
    return text
