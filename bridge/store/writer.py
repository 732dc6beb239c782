"""Group commit: everything received on its way into Redis, in order, and bounded.

The first append starts a flush; what arrives while Redis answers rides in the next. No timer, so an idle bridge adds no
delay and a busy one makes big flushes by itself. One connection of redis-py, its automatic retries off: what to send
again, and when, is decided here. Sending twice is harmless, because each append compares with what is there.

When Redis is away, full or loading, appends wait. An unsent state of a live candle gives way to a newer one of the same
period; all else is kept up to a bound, beyond which the oldest goes and is counted.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

import hiredis
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ExecAbortError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from bridge.backoff import Backoff
from bridge.log import Sampled
from bridge.store import client, scripts

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

    from bridge.store.appends import Append

log = logging.getLogger(__name__)

# Replies that are about the server's condition and not about the append: it is sent again, in order. redis-py has a
# class for some of them; the others are known by their first word.
_PASSING_KINDS: Final = (
    AuthenticationError,
    BusyLoadingError,
    ExecAbortError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
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
_MULTI: Final = hiredis.pack_command(("MULTI",))
_EXEC: Final = hiredis.pack_command(("EXEC",))
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 2.0


@dataclass(slots=True)
class Tally:
    """What the writer has done: entries were appended, repeats were known already, misplaced ones came too early."""

    entries: int = 0
    repeats: int = 0
    misplaced: int = 0
    conflated: int = 0
    overflowed: int = 0
    refused: int = 0
    refusal: str = ""
    flushes: int = 0
    connections: int = 0
    trouble: str = ""


class Writer:
    """Takes appends at any time without waiting; `run` brings them into Redis."""

    def __init__(
        self,
        connect: Callable[[], AbstractConnection],
        *,
        bound: int,
        batch: int,
        timeout_s: float,
    ) -> None:
        """Prepare a writer.

        Args:
            connect: makes a connection, not yet connected.
            bound: most appends that wait.
            batch: most appends in one flush.
            timeout_s: after this long without an answer a flush's outcome is unknown, and it is sent again.
        """
        self._connect = connect
        self._bound = bound
        self._batch = batch
        self._timeout_s = timeout_s
        self._waiting: dict[Hashable, Append] = {}
        self._flying: dict[Hashable, Append] = {}
        self._serial = 0
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._connection: AbstractConnection | None = None
        self.tally = Tally()
        self.full = False
        self._odd = Sampled(log)

    @property
    def depth(self) -> int:
        """How many appends wait or are on their way."""
        return len(self._waiting)

    def append(self, append: Append) -> None:
        """Take an append; never waits, never fails."""
        slot = append.slot
        if slot is None:
            self._serial += 1
            slot = self._serial
        elif slot in self._waiting:
            if self._waiting[slot].final:
                self.tally.conflated += 1
                return
            self.tally.conflated += self._waiting[slot] is not self._flying.get(slot)
        if len(self._waiting) >= self._bound and slot not in self._waiting:
            del self._waiting[next(iter(self._waiting))]
            self.tally.overflowed += 1
        self._waiting[slot] = append
        self._idle.clear()
        self._work.set()

    async def run(self) -> None:
        """Flush for ever; ends only by being cancelled."""
        backoff = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S, random.random)
        try:
            while True:
                await self._work.wait()
                if await self._flush():
                    backoff.reset()
                else:
                    await asyncio.sleep(_FIRST_PAUSE_S + backoff.next())
        finally:
            await self._hang_up()

    async def drain(self, timeout_s: float) -> bool:
        """Wait until nothing waits; tell whether that came true in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def _flush(self) -> bool:
        self._flying = dict(islice(self._waiting.items(), self._batch))
        try:
            async with asyncio.timeout(self._timeout_s):
                replies = await self._exchange(self._flying)
        except (RedisError, OSError, TimeoutError) as trouble:
            self._note(client.described(trouble) if str(trouble) else "Redis did not answer in time")
            await self._hang_up()
            return False
        finally:
            flown, self._flying = self._flying, {}
        self.tally.flushes += 1
        passing = self._settle(flown, replies)
        self._note(passing)
        return not passing

    async def _exchange(self, batch: dict[Hashable, Append]) -> dict[Hashable, object]:
        connection = self._connection or await self._dial()
        runs: dict[str, dict[Hashable, Append]] = {}
        for slot, append in batch.items():
            runs.setdefault(append.stream, {})[slot] = append
        packed = [part for run in runs.values() for part in _packed(run)]
        await connection.send_packed_command(packed, check_health=False)
        replies: dict[Hashable, object] = {}
        for run in runs.values():
            replies.update(zip(run, await _answers(connection, len(run)), strict=True))
        if any(isinstance(reply, NoScriptError) for reply in replies.values()):
            # Somebody flushed the scripts; a new connection brings them along.
            await self._hang_up()
        return replies

    async def _dial(self) -> AbstractConnection:
        connection = self._connect()
        self._connection = connection
        await connection.connect()  # type: ignore[no-untyped-call]  # redis-py's
        for script in scripts.APPENDS:
            await connection.send_command("SCRIPT", "LOAD", script.text)
            await connection.read_response(timeout=math.inf)
        self.tally.connections += 1
        return connection

    def _settle(self, batch: dict[Hashable, Append], replies: dict[Hashable, object]) -> str:
        passing, self.full = "", False
        for slot, append in batch.items():
            reply = replies[slot]
            if isinstance(reply, ResponseError):
                text = str(reply)
                if isinstance(reply, _PASSING_KINDS) or text.startswith(_PASSING):
                    self.full = self.full or isinstance(reply, OutOfMemoryError) or text.startswith("OOM")
                    passing = passing or client.described(reply)
                    continue
                self.tally.refused += 1
                self.tally.refusal = f"{append.stream}: {text}"
                self._odd.warning("Redis refuses an entry of %s: %s", append.stream, text)
            elif reply == 0:
                self.tally.repeats += 1
            elif reply == -1:
                self.tally.misplaced += 1
            else:
                self.tally.entries += 1
            if append.settled is not None and isinstance(reply, int):
                append.settled(reply)
            # A newer state of the same candle may have come while this one was on its way: that one stays.
            if self._waiting.get(slot) is append:
                del self._waiting[slot]
        if not self._waiting:
            self._work.clear()
            self._idle.set()
        return passing

    def _note(self, trouble: str) -> None:
        if trouble and trouble != self.tally.trouble:
            log.warning("writing waits: %s (%d entries held)", trouble, self.depth)
        elif self.tally.trouble and not trouble:
            log.info("writing goes on")
        self.tally.trouble = trouble

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            await connection.disconnect(nowait=True)


def _packed(run: dict[Hashable, Append]) -> list[bytes]:
    # At the brim of its memory a server refuses one command and takes the next (seen): a transaction, all or none.
    commands = [hiredis.pack_command(append.command) for append in run.values()]  # type: ignore[arg-type]  # its stub says one word
    return commands if len(commands) == 1 else [_MULTI, *commands, _EXEC]


async def _answers(connection: AbstractConnection, count: int) -> list[object]:
    if count == 1:
        return [await _answer(connection)]
    _, *queued = [await _answer(connection) for _ in range(1 + count)]
    done = await _answer(connection)
    if isinstance(done, list):
        return done
    # Nothing was done, because of those that were refused at once.
    return [word if isinstance(word, ResponseError) else done for word in queued]


async def _answer(connection: AbstractConnection) -> object:
    try:
        answer: object = await connection.read_response(timeout=math.inf)
    except ResponseError as refusal:
        return refusal
    return answer
