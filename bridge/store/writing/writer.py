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

from redis.exceptions import OutOfMemoryError, RedisError, ResponseError

from bridge.backoff import Backoff
from bridge.buckets import SIZES, Buckets
from bridge.clock import host_ms
from bridge.log import Sampled
from bridge.store import client
from bridge.store.writing.backlog import Backlog, Tally
from bridge.store.writing.conditions import is_passing
from bridge.store.writing.lane import Lane

if TYPE_CHECKING:
    from bridge.store.writing.appends import Append
    from bridge.store.writing.lane import Answer
    from bridge.store.writing.lanes import Lanes

__all__ = ["Tally", "Writer"]

log = logging.getLogger(__name__)

# The server, or the way to it, is away.
_AWAY: Final = (RedisError, OSError, TimeoutError)
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
        self._quick = lane if isinstance(lane, Lane) else None
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
        # Of the last flush, when it began, how many came back, and whether others went through.
        self._began = 0.0
        self._stuck = 0
        self._parted = False
        # What should not have happened, for `run` to raise.
        self._fault: Exception | None = None

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
            if self._ready():
                # What comes in the same turn of the event loop rides along.
                asyncio.get_running_loop().call_soon(self._post)
            else:
                self._work.set()

    async def run(self) -> None:
        """Flush for ever; ends only by being cancelled.

        Flushes follow each other by themselves, each called by the answer to the one before; here is done what has to
        wait: dialling, and trying again.
        """
        backoff = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S, random.random)
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                if self._fault is not None:
                    raise self._fault
                await self._catch_up(backoff)
        finally:
            await self._lane.close()

    async def _catch_up(self, backoff: Backoff) -> None:
        """Flush until nothing waits, or until flushes follow each other by themselves again."""
        while self.depth and (self.tally.trouble or not self._ready()):
            if self.tally.trouble:
                await asyncio.sleep(_FIRST_PAUSE_S + (0 if self._parted else backoff.next()))
            await self._flush()
            if not self.tally.trouble or self._parted:
                backoff.reset()
        self._go_on()

    def _ready(self) -> bool:
        return self._quick is not None and self._quick.ready

    def _go_on(self) -> None:
        if self.depth:
            self._post()
        else:
            self._resting = True
            self._idle.set()

    async def drain(self, timeout_s: float) -> bool:
        """Wait until nothing waits; tell whether that came true in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def _post(self) -> None:
        """Flush without waiting, or have it done by who can wait."""
        if self._quick is None or not self._quick.ready:
            self._work.set()
            return
        try:
            self._quick.post(self._take(), self._posted)
        except Exception as fault:  # noqa: BLE001 - raised where the writer runs
            self._fault = fault
            self._work.set()

    def _posted(self, batch: Sequence[Append], outcome: Sequence[Answer] | Exception) -> None:
        try:
            self._land(batch, outcome)
        except Exception as fault:  # noqa: BLE001 - raised where the writer runs
            self._fault = fault
        if self.tally.trouble or self._fault:
            self._work.set()
        else:
            self._go_on()

    async def _flush(self) -> None:
        batch = self._take()
        outcome: Sequence[Answer] | Exception
        try:
            outcome = await self._lane.send(batch)
        except _AWAY as trouble:
            outcome = trouble
        except BaseException:
            self._backlog.landed(batch)
            raise
        self._land(batch, outcome)

    def _take(self) -> list[Append]:
        self._began = time.perf_counter()
        return self._backlog.take(self._batch + (min(self._stuck, _MOST_STUCK * self._batch) if self._stuck else 0))

    def _land(self, batch: Sequence[Append], outcome: Sequence[Answer] | Exception) -> None:
        """Do what a flush's end asks for."""
        unsent, passing = batch, ""
        try:
            if not isinstance(outcome, Exception):
                unsent, passing = self._settle(batch, outcome)
                self._measure(batch, time.perf_counter() - self._began, all_sent=not unsent)
                self.tally.flushes += 1
            elif isinstance(outcome, _AWAY):
                passing = client.described(outcome) if str(outcome) else "Redis did not answer in time"
            else:
                raise outcome
        finally:
            self._backlog.landed(unsent)
            self._stuck = len(unsent) if self._lane.spread else 0
            self._parted = 0 < self._stuck < len(batch)
            self.tally.connections = self._lane.dialled
        if passing != self.tally.trouble:
            self._note(passing)

    def _measure(self, batch: Sequence[Append], took_s: float, *, all_sent: bool) -> None:
        """Measure a flush as a whole, and the way of the append that has waited longest: one look for many."""
        self.flush_seconds.observe(took_s)
        self.flush_entries.observe(len(batch))
        if all_sent:
            late_ms = host_ms() - batch[0].received_at
            self.latency.observe(late_ms / 1000 if late_ms > 0 else 0.0)

    def _settle(self, batch: Sequence[Append], answers: Sequence[Answer]) -> tuple[list[Append], str]:
        """Count what became of each append; return those to be sent again, and why."""
        tally, passing, self.full = self.tally, "", False
        again: list[Append] = []
        taken = answers.count(1)
        tally.entries += taken
        if taken == len(batch):
            # As nearly always; and of live candles, which have slots, there are too many to look at each.
            batch = [append for append in batch if append.slot is None]
            if not batch:
                return again, passing
            answers = answers[: len(batch)]
        for append, answer in zip(batch, answers, strict=True):
            if answer == 1:
                if append.slot is None:
                    tally.kinds[append.kind] += 1
            elif answer == 0:
                tally.repeats += 1
            elif answer == -1:
                tally.misplaced += 1
            elif isinstance(answer, ResponseError) and is_passing(answer):
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
        if trouble:
            log.warning("writing waits: %s (%d entries held)", trouble, self.depth)
        else:
            log.info("writing goes on")
        self.tally.trouble = trouble
