"""Plain reading: `XREAD` from a position that is kept somewhere, counted against what was trimmed."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from bridge.consumer.fetching import Fetch
from bridge.consumer.positions import Place, Positions
from bridge.consumer.records import Entry, Unknown
from bridge.consumer.steps import Ask, Patience, Steps, ask, is_passing
from bridge.consumer.trimming import Extent, Missed, OnMissed, Rotation, compared

log = logging.getLogger(__name__)

NEW: Final = "$"
_SAVE_S: Final = 1.0
_CHECK_S: Final = 1.0


class Reading:
    """One reader's way through its streams: how far it has read, and how far of that is processed."""

    def __init__(
        self,
        groups: Sequence[tuple[str, ...]],
        positions: Positions,
        *,
        start: str,
        count: int,
        block_ms: int,
        on_missed: OnMissed,
        monotonic: Callable[[], float],
    ) -> None:
        """Prepare to read.

        Args:
            groups: the streams, by what one command may name.
            positions: where positions are kept.
            start: where a stream without a kept position begins: after an id, or `NEW` for what comes from now on.
            count: most entries of a stream at once.
            block_ms: how long one read may wait.
            on_missed: told of entries that were trimmed unread.
            monotonic: gives seconds that never go back.

        Raises:
            ConsumerError: `start` is neither.
        """
        if start != NEW:
            Place.parse(start)
        self._streams = [stream for group in groups for stream in group]
        self._checked = Rotation(self._streams)
        self._fetch = Fetch(groups, block_ms)
        self._positions = positions
        self._start = start
        self._count = count
        self._on_missed = on_missed
        self._monotonic = monotonic
        self._patience = Patience(self._doubt)
        self._waiting: deque[Entry] = deque()
        self._current: Entry | None = None
        self._read: dict[str, Place] = {}
        self._done: dict[str, Place] = {}
        self._unsaved: set[str] = set()
        self._save_at = monotonic() + _SAVE_S
        self._check_at = 0.0
        self._doubted = True
        self._told: set[tuple[str, str]] = set()

    def is_ready(self) -> bool:
        """Tell whether an entry can be given at once; else take a turn first."""
        return bool(self._waiting) and self._monotonic() < self._save_at

    def give(self) -> Entry:
        """Hand out the next entry."""
        self._current = entry = self._waiting.popleft()
        return entry

    def processed(self) -> None:
        """Note that the entry handed out last is processed."""
        entry, self._current = self._current, None
        if entry is not None:
            self._done[entry.stream] = self._done[entry.stream].after(entry.id, 1)
            self._unsaved.add(entry.stream)

    def put_back(self) -> None:
        """Hand out that entry once more: its processing did not come to its end."""
        if self._current is not None:
            self._waiting.appendleft(self._current)
            self._current = None

    def turn(self) -> Steps[None]:
        """Save what is processed and, when nothing waits, read what is new; after some waiting perhaps nothing."""
        yield from self._save_if_possible()
        if not self._waiting:
            self._waiting.extend((yield from self._patience.through(self._attempt)))

    def save(self) -> Steps[None]:
        """Keep how far all is processed; one try."""
        if self._unsaved:
            yield from self._positions.save({stream: self._done[stream] for stream in self._unsaved})
            self._unsaved.clear()
        self._save_at = self._monotonic() + _SAVE_S

    def _save_if_possible(self) -> Steps[None]:
        """Save; a store that is full, or away, is told and does not hold up the reading: a crash repeats more then."""
        try:
            yield from self.save()
        except Exception as trouble:
            if not is_passing(trouble):
                raise
            log.warning("how far the reading has come could not be saved: %s", trouble)
            self._save_at = self._monotonic() + _SAVE_S

    def _attempt(self) -> Steps[list[Entry]]:
        if not self._read:
            yield from self._begin()
        if self._doubted or self._monotonic() >= self._check_at:
            yield from self._check()
        entries = yield from self._fetch.once(self._asking)
        for entry in entries:
            self._read[entry.stream] = self._read[entry.stream].after(entry.id, 1)
            if isinstance(entry.record, Unknown):
                self._tell(entry, entry.record.reason)
        return entries

    def _asking(self, streams: tuple[str, ...], block_ms: int | None) -> Ask:
        after = {stream: self._read[stream].id for stream in streams}
        return ask("xread", after, count=self._count, block=block_ms)

    def _begin(self) -> Steps[None]:
        kept = yield from self._positions.load()
        begun = {stream: place for stream, place in kept.items() if stream in self._streams}
        fresh = [stream for stream in self._streams if stream not in begun]
        for stream in fresh:
            begun[stream] = yield from self._first(stream)
        self._read, self._done = begun, dict(begun)
        # Who asked for what is new, and ends before it came, means the same moment at its next start.
        self._unsaved.update(fresh)

    def _first(self, stream: str) -> Steps[Place]:
        if self._start != NEW:
            return Place.parse(self._start)
        extent = yield from Extent.of(stream)
        return Place(extent.last, extent.added)

    def _check(self) -> Steps[None]:
        """Compare with what the streams were given; all that was read is processed by now."""
        for stream in self._streams if self._doubted else self._checked.some():
            place, missed = compared(self._read[stream], (yield from Extent.of(stream)))
            self._read[stream] = self._done[stream] = place
            if missed != 0:
                self._on_missed(Missed(stream, missed))
        self._doubted = False
        self._check_at = self._monotonic() + _CHECK_S

    def _doubt(self) -> None:
        self._doubted = True

    def _tell(self, entry: Entry, reason: str) -> None:
        if (entry.stream, reason) not in self._told:
            self._told.add((entry.stream, reason))
            log.warning("%s %s: %s", entry.stream, entry.id, reason)
