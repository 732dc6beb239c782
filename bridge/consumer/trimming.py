"""What a reader missed because it was trimmed before it was read.

Redis counts all entries that a stream was ever given (`entries-added`, since Redis 7). A reader that counts along knows
exactly how many it should have seen: at the stream's end as many, and never fewer than were trimmed away.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from redis.exceptions import ResponseError

from bridge.consumer.positions import FIRST_ID, Place
from bridge.consumer.steps import Steps, ask

log = logging.getLogger(__name__)

_AT_A_TIME: Final = 16


@dataclass(frozen=True, slots=True)
class Missed:
    """Entries that were trimmed before this reader, or its group, could read them.

    Attributes:
        stream: where they stood.
        count: how many; `None` where nobody can know.
    """

    stream: str
    count: int | None

    def __str__(self) -> str:
        """Say it in words."""
        many = "an unknown number of" if self.count is None else self.count
        return f"{many} entries of {self.stream} were trimmed before they were read"


OnMissed = Callable[[Missed], None]


def warn(missed: Missed) -> None:
    """Log it: what readers do when they are told nothing else."""
    log.warning("%s", missed)


class Extent(msgspec.Struct, frozen=True):
    """How far a stream reaches: ids of the oldest entry and of the newest ever, entries ever added and still there."""

    first: str = FIRST_ID
    last: str = FIRST_ID
    added: int = 0
    length: int = 0

    @property
    def trimmed(self) -> int:
        """How many entries are gone."""
        return self.added - self.length

    @classmethod
    def of(cls, stream: str) -> Steps[Extent]:
        """Ask for a stream's; one that doesn't exist has none."""
        try:
            told: dict[str, Any] = yield ask("xinfo_stream", stream)
        except ResponseError as refusal:
            if "no such key" not in str(refusal):
                raise
            return cls()
        first = told["first-entry"]
        # Servers before Redis 7 don't count: what is there is all that we know of.
        added = told.get("entries-added", told["length"])
        return cls(first[0] if first else FIRST_ID, told["last-generated-id"], added, told["length"])


class Rotation:
    """Streams in turns, some at a time: the whole market has thousands, and each asks for an answer of its own."""

    def __init__(self, streams: list[str]) -> None:
        """Go round these."""
        self._streams = streams
        self._next = 0

    def some(self) -> list[str]:
        """Return the next few."""
        first, length = self._next, len(self._streams)
        self._next = (first + _AT_A_TIME) % length
        return [self._streams[(first + number) % length] for number in range(min(_AT_A_TIME, length))]


def compared(place: Place, extent: Extent) -> tuple[Place, int | None]:
    """Return a place with its count put right, and how many entries before it or after it are lost for its reader."""
    behind = order(place.id) < order(extent.first) or not extent.length
    at_end = order(place.id) >= order(extent.last)
    if place.count is None or place.count > extent.added:
        # Nobody counted along, or the stream began anew. At its end, or before all of it, the count is plain.
        if at_end:
            return Place(place.id, extent.added), 0
        if behind:
            unread = place.id != FIRST_ID and extent.trimmed
            return Place(place.id, extent.trimmed), None if unread else 0
        return Place(place.id), 0
    true_count = extent.added if at_end else extent.trimmed if behind else place.count
    return Place(place.id, max(place.count, true_count)), max(0, true_count - place.count)


def order(entry_id: str) -> tuple[int, int]:
    """Return what ids are compared by."""
    ms, _, seq = entry_id.partition("-")
    return int(ms), int(seq or 0)
