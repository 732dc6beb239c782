"""What is on its way into Redis: bounded, in order, and never two unsent states of one candle. Pure.

An unsent state of a live candle gives way to a newer one of the same period; all else is kept up to a bound, beyond
which the oldest goes and is counted. What was taken to be sent counts as on its way until it has landed or is given
back; it isn't replaced, but followed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.store.writing.appends import Append


@dataclass(slots=True)
class Tally:
    """What became of the appends: entries were appended, repeats were known already, misplaced ones came too early.

    `kinds` counts the entries by kind, but for those of live candles: they are what remains.
    """

    entries: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    misplaced: int = 0
    conflated: int = 0
    overflowed: int = 0
    refused: int = 0
    refusal: str = ""
    flushes: int = 0
    connections: int = 0
    trouble: str = ""


class Backlog:
    """Appends that wait, and those on their way."""

    def __init__(self, bound: int, tally: Tally) -> None:
        """Keep at most `bound` waiting; count in `tally` what gave way."""
        self._bound = bound
        self._tally = tally
        self._waiting: dict[Hashable, Append] = {}
        self._flying: Mapping[Hashable, Append] = {}
        # Whose last word waits or is on its way.
        self._over: set[Hashable] = set()
        self._serial = 0

    def __len__(self) -> int:
        """Return how many wait or are on their way."""
        return len(self._waiting) + len(self._flying)

    def add(self, append: Append) -> None:
        """Take an append; nothing follows the last word of its slot."""
        slot, waiting = append.slot, self._waiting
        if slot is None:
            self._serial += 1
            waiting[self._serial] = append
        else:
            if slot in self._over:
                self._tally.conflated += 1
                return
            if append.final:
                self._over.add(slot)
            if waiting.setdefault(slot, append) is not append:
                self._tally.conflated += 1
                waiting[slot] = append
                return
        if len(waiting) > self._bound:
            self._drop()

    def take(self, most: int) -> list[Append]:
        """Send the oldest on their way, at most so many; everything taken before must have landed or be back."""
        if len(self._waiting) <= most:
            self._flying, self._waiting = self._waiting, {}
        else:
            self._flying = dict(islice(self._waiting.items(), most))
            for slot in self._flying:
                del self._waiting[slot]
        return [*self._flying.values()]

    def landed(self, back: Sequence[Append] = ()) -> None:
        """Forget what was taken, but for what comes `back` unsent: that waits again, in its order, before all else."""
        flown, self._flying = self._flying, {}
        if back:
            kept = {id(append) for append in back}
            returned = {slot: append for slot, append in flown.items() if id(append) in kept}
            self._tally.conflated += len(returned.keys() & self._waiting.keys())
            self._waiting = {**returned, **self._waiting}
            while len(self._waiting) > self._bound:
                self._drop()
        if self._over:
            self._over &= self._waiting.keys()

    def _drop(self) -> None:
        slot = next(iter(self._waiting))
        del self._waiting[slot]
        self._over.discard(slot)
        self._tally.overflowed += 1
