"""What plain readers and groups do alike: one read of several streams, by as many commands as their slots need."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from bridge.consumer.decoding import decode
from bridge.consumer.records import Entry
from bridge.consumer.steps import Ask, Steps
from bridge.consumer.trimming import order

# In a cluster nobody can wait for several slots at once: each is waited for in turn, for so long.
TURN_MS: Final = 50

Asking = Callable[[tuple[str, ...], int | None], Ask]


class Fetch:
    """Reads groups of streams, each by a command of its own, and merges what comes."""

    def __init__(self, groups: Sequence[tuple[str, ...]], block_ms: int) -> None:
        """Read these groups; wait for `block_ms` when there is nothing, but in turns where there are several."""
        self._groups = groups
        self._block_ms = block_ms if len(groups) == 1 else min(block_ms, TURN_MS)
        self._turn = 0

    def once(self, asking: Asking) -> Steps[list[Entry]]:
        """Return what is new, oldest first; after some waiting perhaps nothing.

        Args:
            asking: gives the command for a group of streams, and for how long it waits (`None`: not at all).
        """
        found: list[list[Entry]] = []
        if len(self._groups) > 1:
            for group in self._groups:
                found += entries_of((yield asking(group, None)))
        if not found:
            self._turn = (self._turn + 1) % len(self._groups)
            found = entries_of((yield asking(self._groups[self._turn], self._block_ms)))
        return merged(found)


def entries_of(reply: Any) -> list[list[Entry]]:  # noqa: ANN401 - what redis-py makes of it depends on the protocol
    """Return each stream's entries out of a reply to `XREAD` or `XREADGROUP`."""
    parts: Iterable[tuple[str, list[tuple[str, dict[str, str]]]]]
    # By protocol 3 it is a mapping to lists of lists.
    parts = [(stream, lists[0]) for stream, lists in reply.items()] if isinstance(reply, dict) else reply or ()
    return [[Entry(stream, entry_id, decode(fields), fields) for entry_id, fields in found] for stream, found in parts]


def merged(lists: list[list[Entry]]) -> list[Entry]:
    """Return entries of several streams by their ids: in the order of writing, to the millisecond."""
    if len(lists) == 1:
        return lists[0]
    return list(heapq.merge(*lists, key=lambda entry: order(entry.id)))
