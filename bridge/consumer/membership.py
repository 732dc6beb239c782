"""What a consumer says to Redis about its group."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Any, Final

from redis.exceptions import ResponseError

from bridge.consumer.positions import FIRST_ID
from bridge.consumer.records import Entry
from bridge.consumer.steps import Steps, ask
from bridge.consumer.trimming import Extent, Missed, OnMissed, order
from bridge.store.keys import Keys

log = logging.getLogger(__name__)

_BATCH: Final = 100
_CAP_DEAD: Final = 10_000
_LONGEST_REASON: Final = 500
_CLAIM, _BURY, _RETIRE = ((files(__package__) / f"{name}.lua").read_text() for name in ("claim", "bury", "retire"))


class Membership:
    """One consumer of a group; `consumer` must be one living process' alone."""

    def __init__(self, group: str, consumer: str, *, keys: Keys, on_missed: OnMissed) -> None:
        """Speak for `consumer`; tell `on_missed` of entries that were trimmed before the group could read them."""
        self.group = group
        self.consumer = consumer
        self._keys = keys
        self._on_missed = on_missed
        self._missed_at: dict[str, str] = {}

    def join(self, streams: Iterable[str], start: str) -> Steps[None]:
        """See that the group exists for each stream, from `start` where it is new."""
        for stream in streams:
            try:
                yield ask("xgroup_create", stream, self.group, id=start, mkstream=True)
            except ResponseError as refusal:
                if not str(refusal).startswith("BUSYGROUP"):  # It exists already.
                    raise

    def held(self, stream: str) -> Steps[tuple[str, int] | None]:
        """Return the oldest entry that we were given and did not acknowledge, and how often it was given."""
        words = (stream, self.group, "-", "+", 1, self.consumer)
        found: list[dict[str, Any]] = yield ask("xpending_range", *words)
        return (found[0]["message_id"], found[0]["times_delivered"]) if found else None

    def claim(self, stream: str, entry_id: str) -> Steps[dict[str, str] | None]:
        """Be given an entry of ours once more, which is counted; `None` when it is not to be had any more."""
        found: list[tuple[str, dict[str, str] | None]]
        found = yield ask("xclaim", stream, self.group, self.consumer, 0, [entry_id])
        if found and found[0][1]:
            return found[0][1]
        if not (yield ask("xrange", stream, entry_id, entry_id)):
            self._on_missed(Missed(stream, 1))
        return None

    def still_held(self, entries: Iterable[Entry]) -> Steps[list[Entry]]:
        """Return those that nobody took over meanwhile, and say that we are alive and at work on them."""
        by_stream: dict[str, list[str]] = {}
        ours: set[tuple[str, str]] = set()
        kept = list(entries)
        for entry in kept:
            by_stream.setdefault(entry.stream, []).append(entry.id)
        for stream, ids in by_stream.items():
            words = (stream, self.group, ids[0], ids[-1], len(ids), self.consumer)
            pending: list[dict[str, Any]] = yield ask("xpending_range", *words)
            held = [one["message_id"] for one in pending]
            if held:
                yield ask("xclaim", stream, self.group, self.consumer, 0, held, justid=True)
            ours.update((stream, entry_id) for entry_id in held)
        return [entry for entry in kept if (entry.stream, entry.id) in ours]

    def take_over(self, streams: Iterable[str], idle_s: float) -> Steps[bool]:
        """Make entries ours that somebody has held for so long; tell whether there were any."""
        found = False
        for stream in streams:
            cursor = ""
            while cursor != FIRST_ID:
                words = (self.group, self.consumer, int(idle_s * 1000), cursor or FIRST_ID, _BATCH)
                cursor, taken, trimmed = yield ask("eval", _CLAIM, 1, stream, *words)
                if taken:
                    log.info("took over %d entries of %s", len(taken), stream)
                if trimmed:
                    self._on_missed(Missed(stream, len(trimmed)))
                found = found or bool(taken)
        return found

    def bury(self, stream: str, entry_id: str, tries: int, reason: str) -> Steps[None]:
        """Move an entry to the dead letters."""
        dead = self._keys.dead_letters(stream, self.group)
        words = (self.group, entry_id, self.consumer, tries, reason[:_LONGEST_REASON], _CAP_DEAD)
        moved: int = yield ask("eval", _BURY, 2, stream, dead, *words)
        if moved > 0:
            log.error("%s %s went to %s: %s", stream, entry_id, dead, reason)
        elif moved < 0:
            self._on_missed(Missed(stream, 1))

    def retire(self, streams: Sequence[str], idle_s: float) -> Steps[list[str]]:
        """Remove the group's other consumers that were silent for so long and hold nothing; return their names."""
        removed: set[str] = set()
        for stream in streams:
            words = (self.group, int(idle_s * 1000), self.consumer)
            removed.update((yield ask("eval", _RETIRE, 1, stream, *words)))
        return sorted(removed)

    def check(self, stream: str) -> Steps[None]:
        """Tell, once, when entries were trimmed that the group has not been given."""
        groups: list[dict[str, Any]] = yield ask("xinfo_groups", stream)
        ours = next((group for group in groups if group["name"] == self.group), None)
        if ours is None:
            return
        at, read = ours["last-delivered-id"], ours.get("entries-read")
        extent = yield from Extent.of(stream)
        is_behind = order(at) < (order(extent.first) if extent.length else order(extent.last))
        if at == FIRST_ID or not is_behind or self._missed_at.get(stream) == at:
            return
        if read is None or extent.trimmed > read:
            self._missed_at[stream] = at
            self._on_missed(Missed(stream, None if read is None else extent.trimmed - read))
