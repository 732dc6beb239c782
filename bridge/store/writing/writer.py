"""Group commit: everything received on its way into Redis, in order.

The first append starts a flush; what arrives while Redis answers rides in the next. No timer, so an idle bridge adds no
delay and a busy one makes big flushes by itself. What waits is the backlog's affair, how it gets there the lane's. When
Redis is away, full or loading, appends wait and are sent again: here is decided which, and when.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from bridge.backoff import Backoff
from bridge.buckets import SIZES, Buckets
from bridge.clock import host_ms
from bridge.log import Sampled
from bridge.store import client
from bridge.store.writing.backlog import Backlog, Tally

if TYPE_CHECKING:
    from bridge.store.writing.appends import Append
    from bridge.store.writing.lane import Answer, Lane
    from bridge.store.writing.lanes import Lanes

__all__ = ["Tally", "Writer"]

log = logging.getLogger(__name__)

# Replies that are about the server's condition and not about the append: it is sent again, in order. redis-py has a
# class for some of them; the others are known by their first word.
_PASSING_KINDS: Final = (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)
_PASSING: Final = (
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "BUSY",
    "MISCONF",
    "NOREPLICAS",
    "OOM",
    "LOADING",
    "READONLY",
)
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 2.0
# Most batches' worth of appends that wait for one node of a cluster and are taken along, so that others' are reached.
_MOST_STUCK: Final = 20


class Writer:
    """Takes appends at any time without waiting; `run` brings them into Redis."""

    def __init__(self, lane: Lane | Lanes, *, bound: int, batch: int) -> None:
        """Write by way of `lane`; at most `bound` appends wait, and at most `batch` go in one flush."""
        self.tally = Tally()
        self.full = False
        self._lane = lane
        self._batch = batch
        self._backlog = Backlog(bound, self.tally)
        self._add = self._backlog.add
        self._resting = True
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.flush_seconds = Buckets()
        self.flush_entries = Buckets(SIZES)
        self.latency = Buckets()
        self._odd = Sampled(log)
        # Of the last flush, how many came back, and whether others went through.
        self._stuck = 0
        self._parted = False

    @property
    def depth(self) -> int:
        """How many appends wait or are on their way."""
        return len(self._backlog)

    def append(self, append: Append) -> None:
        """Take an append; never waits, never fails."""
        self._add(append)
        if self._resting:
            self._resting = False
            self._idle.clear()
            self._work.set()

    async def run(self) -> None:
        """Flush for ever; ends only by being cancelled."""
        backoff = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S, random.random)
        try:
            while True:
                await self._work.wait()
                done = await self._flush()
                if done or self._parted:
                    backoff.reset()
                if not done:
                    await asyncio.sleep(_FIRST_PAUSE_S + (0 if self._parted else backoff.next()))
        finally:
            await self._lane.close()

    async def drain(self, timeout_s: float) -> bool:
        """Wait until nothing waits; tell whether that came true in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def _flush(self) -> bool:
        batch = self._backlog.take(self._batch + min(self._stuck, _MOST_STUCK * self._batch))
        unsent: Sequence[Append] = batch
        began = time.perf_counter()
        try:
            answers = await self._lane.send(batch)
            took_s = time.perf_counter() - began
            unsent, passing = self._settle(batch, answers)
            self._measure(batch, took_s, all_sent=not unsent)
            self.tally.flushes += 1
        except (RedisError, OSError, TimeoutError) as trouble:
            passing = client.described(trouble) if str(trouble) else "Redis did not answer in time"
        finally:
            self._backlog.landed(unsent)
            self._stuck = len(unsent) if self._lane.spread else 0
            self._parted = 0 < self._stuck < len(batch)
            self.tally.connections = self._lane.dialled
        if not self.depth:
            self._resting = True
            self._work.clear()
            self._idle.set()
        self._note(passing)
        return not passing

    def _measure(self, batch: Sequence[Append], took_s: float, *, all_sent: bool) -> None:
        """Measure a flush as a whole, and the way of the append that has waited longest: one look for many."""
        self.flush_seconds.observe(took_s)
        self.flush_entries.observe(len(batch))
        if all_sent:
            self.latency.observe(max(0, host_ms() - batch[0].received_at) / 1000)

    def _settle(self, batch: Sequence[Append], answers: Sequence[Answer]) -> tuple[list[Append], str]:
        """Count what became of each append; return those to be sent again, and why."""
        tally, again, passing, self.full = self.tally, [], "", False
        taken = answers.count(1)
        tally.entries += taken
        if taken == len(batch):
            # As nearly always; and of live candles, which have slots, there are too many to look at each.
            batch = [append for append in batch if append.slot is None]
            answers = answers[: len(batch)]
        for append, answer in zip(batch, answers, strict=True):
            if answer == 1:
                if append.slot is None:
                    tally.kinds[append.kind] += 1
            elif answer == 0:
                tally.repeats += 1
            elif answer == -1:
                tally.misplaced += 1
            elif isinstance(answer, ResponseError) and _is_passing(answer):
                self.full = self.full or isinstance(answer, OutOfMemoryError) or str(answer).startswith("OOM")
                passing = passing or client.described(answer)
                again.append(append)
                continue
            else:
                self._refused(append, str(answer))
            if append.settled is not None and isinstance(answer, int):
                append.settled(answer)
        return again, passing

    def _refused(self, append: Append, text: str) -> None:
        self.tally.refused += 1
        self.tally.refusal = f"{append.stream}: {text}"
        self._odd.warning("Redis refuses an entry of %s: %s", append.stream, text)

    def _note(self, trouble: str) -> None:
        if trouble and trouble != self.tally.trouble:
            log.warning("writing waits: %s (%d entries held)", trouble, self.depth)
        elif self.tally.trouble and not trouble:
            log.info("writing goes on")
        self.tally.trouble = trouble


def _is_passing(answer: ResponseError) -> bool:
    return isinstance(answer, _PASSING_KINDS) or str(answer).startswith(_PASSING)
