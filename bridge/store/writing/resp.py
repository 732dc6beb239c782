"""Commands as Redis reads them, as far as packing them word by word each time would cost too much."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache


def words(texts: Sequence[str]) -> bytes:
    """Return texts as words of a command."""
    encoded = [text.encode() for text in texts]
    return b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded])


@lru_cache(maxsize=4_096)
def call(sha: str, keys: int) -> bytes:
    """Return the beginning of a script's call: what stands before its `keys` keys and one argument."""
    return b"*%d\r\n%b" % (keys + 4, words(("EVALSHA", sha, str(keys))))
