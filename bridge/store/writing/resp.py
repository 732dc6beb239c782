"""Commands as Redis reads them, as far as packing them word by word each time would cost too much."""

from __future__ import annotations

from collections.abc import Sequence


def words(texts: Sequence[str]) -> bytes:
    """Return texts as words of a command."""
    encoded = [text.encode() for text in texts]
    return b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded])


def command(count: int, packed: Sequence[bytes]) -> bytes:
    """Return a command of `count` words, which are packed already, several in one piece if need be."""
    return b"*%d\r\n%b" % (count, b"".join(packed))
