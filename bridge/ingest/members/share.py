"""Who serves what. Pure: rendezvous hashing of topics over members.

Each member draws a number for each topic, from nothing but their two names; the highest draws serve the topic. All
ingesters come to the same result without a word between them, and when a member comes or goes, only the topics that
it wins or leaves behind change hands.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from hashlib import blake2b
from heapq import nlargest
from typing import Final

_DRAW_BYTES: Final = 8


def owners(topics: Iterable[str], members: Collection[str], replicas: int) -> dict[str, tuple[str, ...]]:
    """Return for each topic the members that serve it, the first-ranked one first.

    Args:
        topics: what is to be shared out.
        members: among whom; with none of them, nobody serves anything.
        replicas: how many serve each topic; all do if there are no more.
    """
    drawers = {name: blake2b(f"{name}|".encode(), digest_size=_DRAW_BYTES) for name in members}
    shared = {}
    for topic in topics:
        text, draws = topic.encode("utf-8", "backslashreplace"), []
        for name, drawer in drawers.items():
            draw = drawer.copy()
            draw.update(text)
            draws.append((draw.digest(), name))
        shared[topic] = tuple(name for _, name in _highest(draws, replicas))
    return shared


def _highest(draws: list[tuple[bytes, str]], replicas: int) -> list[tuple[bytes, str]]:
    if replicas == 1 and draws:
        return [max(draws)]
    return nlargest(replicas, draws)
