"""Reading by consumer group: Redis remembers what each consumer was given and has not acknowledged.

First a consumer takes what it was given before and did not finish, then what dead ones left, then what is new. An entry
that was given before is given alone, so that one that kills its consumers is told from those read along with it.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from redis.exceptions import ResponseError

from bridge.consumer.decoding import decode
from bridge.consumer.fetching import Fetch
from bridge.consumer.membership import Membership
from bridge.consumer.positions import FIRST_ID
from bridge.consumer.records import Entry, Unknown
from bridge.consumer.steps import Ask, Patience, Pause, Steps, ask
from bridge.consumer.trimming import Rotation

log = logging.getLogger(__name__)

T = TypeVar("T")
_CHORES_S: Final = 1.0
_CHECK_S: Final = 1.0
_LEAST_CLAIM_S: Final = 0.05
_LONGEST_RETRY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Rules:
    """How a group is read.

    Attributes:
        start: where a new group begins: after an id, or `$` for what comes from now on.
        count: most new entries of a stream at once.
        tries: how often an entry is given before it goes to the dead letters.
        idle_s: who holds an entry for longer is taken for dead.
    """

    start: str = FIRST_ID
    count: int = 100
    tries: int = 5
    idle_s: float = 60.0


class GroupReading:
    """One consumer's way through its group's streams."""

    def __init__(
        self,
        groups: Sequence[tuple[str, ...]],
        membership: Membership,
        rules: Rules,
        *,
        block_ms: int,
        monotonic: Callable[[], float],
    ) -> None:
        """Prepare to read `groups` of streams, each by commands of its own, as `membership` says."""
        self._streams = [stream for group in groups for stream in group]
        self._checked = Rotation(self._streams)
        self._member = membership
        self._rules = rules
        self._fetch = Fetch(groups, min(block_ms, max(1, int(rules.idle_s * 500))))
        self._monotonic = monotonic
        self._patience = Patience()
        self._waiting: deque[Entry] = deque()
        self._current: Entry | None = None
        self._finished: dict[str, list[str]] = {}
        self._turned = False
        self._joined = False
        self._started = False
        self._own_first = True
        self._chores_at = self._check_at = self._claim_at = 0.0

    def is_ready(self) -> bool:
        """Tell whether an entry can be given at once; else take a turn first."""
        return bool(self._waiting) and (self._turned or self._monotonic() < self._chores_at)

    def give(self) -> Entry:
        """Hand out the next entry."""
        self._turned = False
        self._current = entry = self._waiting.popleft()
        return entry

    def processed(self) -> None:
        """Note that the entry handed out last is processed."""
        entry, self._current = self._current, None
        if entry is not None:
            self._finished.setdefault(entry.stream, []).append(entry.id)

    def put_back(self) -> None:
        """Note that its processing did not come to its end: what is held is asked for again, one by one."""
        if self._current is not None:
            self._doubt()

    def turn(self) -> Steps[None]:
        """Acknowledge what is processed; when nothing waits, get more, after some waiting perhaps nothing."""
        yield from self._through(self._attempt)
        # However long that took, one entry may be given before the next chores.
        self._turned = True

    def save(self) -> Steps[None]:
        """Acknowledge what is processed; one try."""
        for stream, ids in list(self._finished.items()):
            yield ask("xack", stream, self._member.group, *ids)
            del self._finished[stream]

    def failed(self, entry: Entry, error: Exception) -> Steps[Entry | None]:
        """Return an entry to be tried again after a pause; `None` when it went to the dead letters, or to another."""
        reason = f"{type(error).__name__}: {error}"
        log.warning("%s %s: try %d of %d failed: %s", entry.stream, entry.id, entry.tries, self._rules.tries, reason)
        self._current = None
        if entry.tries >= self._rules.tries:
            yield from self._through(lambda: self._member.bury(entry.stream, entry.id, entry.tries, reason))
        else:
            yield Pause(min(0.1 * 2**entry.tries, _LONGEST_RETRY_S))
            self._current = yield from self._through(lambda: self._claimed(entry.stream, entry.id, entry.tries))
        return self._current

    def retire(self, idle_s: float) -> Steps[list[str]]:
        """Remove the group's consumers that were silent for so long and hold nothing; return their names."""
        return (yield from self._patience.through(lambda: self._member.retire(self._streams, idle_s)))

    def _through(self, attempt: Callable[[], Steps[T]]) -> Steps[T | None]:
        """Take the steps until Redis lets them succeed; in a store without our group return nothing, and join anew."""
        try:
            return (yield from self._patience.through(attempt))
        except ResponseError as refusal:
            if "NOGROUP" not in str(refusal):
                raise
            log.warning("group %s is gone: %s; made again from the first entry", self._member.group, refusal)
            self._doubt()
            self._joined = False
            return None

    def _attempt(self) -> Steps[None]:
        try:
            yield from self._step()
        except BaseException:
            # What was on its way to us is ours, whether it came or not; a cancelled read is no exception.
            self._doubt()
            raise

    def _step(self) -> Steps[None]:
        """Do the first of these that there is to do."""
        yield from self.save()
        now = self._monotonic()
        self._chores_at = now + min(_CHORES_S, self._rules.idle_s / 3)
        if self._waiting:
            self._waiting = deque((yield from self._member.still_held(self._waiting)))
        elif not self._joined:
            yield from self._join()
        elif self._own_first:
            yield from self._own()
        elif now >= self._claim_at:
            self._claim_at = now + max(_LEAST_CLAIM_S, self._rules.idle_s / 2)
            self._own_first = yield from self._member.take_over(self._streams, self._rules.idle_s)
        else:
            yield from self._new(now)

    def _join(self) -> Steps[None]:
        start = FIRST_ID if self._started else self._rules.start
        yield from self._member.join(self._streams, start)
        self._joined = self._started = True

    def _own(self) -> Steps[None]:
        """Get the oldest entry that was given to us before."""
        for stream in self._streams:
            held = yield from self._member.held(stream)
            if held is not None:
                entry_id, tries = held
                if tries >= self._rules.tries:
                    reason = f"given {tries} times and never acknowledged"
                    yield from self._member.bury(stream, entry_id, tries, reason)
                else:
                    yield from self._take((yield from self._claimed(stream, entry_id, tries)))
                return
        self._own_first = False

    def _claimed(self, stream: str, entry_id: str, tries: int) -> Steps[Entry | None]:
        fields = yield from self._member.claim(stream, entry_id)
        return None if fields is None else Entry(stream, entry_id, decode(fields), fields, tries + 1)

    def _new(self, now: float) -> Steps[None]:
        if now >= self._check_at:
            self._check_at = now + _CHECK_S
            for stream in self._checked.some():
                yield from self._member.check(stream)
        for entry in (yield from self._fetch.once(self._asking)):
            yield from self._take(entry)

    def _take(self, entry: Entry | None) -> Steps[None]:
        if entry is None:
            return
        if isinstance(entry.record, Unknown):
            yield from self._member.bury(entry.stream, entry.id, entry.tries, entry.record.reason)
        else:
            self._waiting.append(entry)

    def _asking(self, streams: tuple[str, ...], block_ms: int | None) -> Ask:
        words: tuple[Any, ...] = (self._member.group, self._member.consumer, dict.fromkeys(streams, ">"))
        return ask("xreadgroup", *words, count=self._rules.count, block=block_ms)

    def _doubt(self) -> None:
        """Ask anew what we hold: what was on its way, or is waiting here, is given to us already."""
        self._waiting.clear()
        self._current = None
        self._own_first = True
