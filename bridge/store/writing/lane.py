"""The way to one server: one connection, one call a flush, an answer for each append.

One connection of redis-py, its automatic retries off: whether and when to send again is the writer's decision. Sending
twice is harmless, because each append compares with what is there.

All appends of a flush go by one script call, packed once: calling costs client and server more than appending does. At
the brim of its memory a server refuses one command and takes the next (seen), but one script it refuses as a whole.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import hiredis
import msgspec
from redis.exceptions import NoScriptError, ResponseError

from bridge.store import scripts
from bridge.store.writing import resp
from bridge.store.writing.conduit import Conduit, Transport, conduit

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

    from bridge.store.writing.appends import Append

Answer = int | ResponseError
# Called with a batch and its answers, or with what went wrong with it as a whole.
Posted = Callable[["Sequence[Append]", Sequence[Answer] | Exception], None]

_encode: Final = msgspec.msgpack.Encoder().encode
_ASKING: Final = hiredis.pack_command(("ASKING",))


class Lane:
    """Sends batches to one server, one at a time; a batch goes through or has to wait as a whole (`spread`)."""

    spread = False

    def __init__(self, connect: Callable[[], AbstractConnection], *, timeout_s: float) -> None:
        """Prepare; nothing is opened yet.

        Args:
            connect: makes a connection, not yet connected.
            timeout_s: after this long without an answer a batch's outcome is unknown, and the connection is given up.
        """
        self._connect = connect
        self._timeout_s = timeout_s
        self._connection: AbstractConnection | None = None
        self._conduit: Conduit | None = None
        # Whether it has to be dialled anew before anything else is sent.
        self._spent = False
        self._places = {script: place for place, script in enumerate(scripts.APPENDS, 1)}
        self._batch = scripts.together(scripts.APPENDS)
        self.dialled = 0

    @property
    def ready(self) -> bool:
        """Whether `post` can be called."""
        return isinstance(self._conduit, Transport) and not self._spent

    def post(self, batch: Sequence[Append], done: Posted) -> None:
        """Do as `send` does if the way is `ready`, but call `done` with the batch and its answers, or what went wrong.

        For flushes of a few, waking up a task costs as much as all the rest.

        Raises:
            TypeError: the way is not ready; `done` will not be called.
        """
        if not isinstance(self._conduit, Transport):
            raise TypeError("nothing can be posted by a way that is not ready")
        self._conduit.post(self._packed(batch), 1, partial(self._posted, batch, done))

    def _posted(self, batch: Sequence[Append], done: Posted, replies: list[object] | Exception) -> None:
        if isinstance(replies, Exception):
            self._spent = True
            done(batch, replies)
            return
        self._heed(replies)
        try:
            answers = _each(replies[0], batch)
        except TypeError as nonsense:
            done(batch, nonsense)
        else:
            done(batch, answers)

    async def send(self, batch: Sequence[Append]) -> Sequence[Answer]:
        """Bring a batch, which isn't empty, into Redis; return each append's answer: its script's, or what went wrong.

        Raises:
            RedisError: there is no connection; as with the following, whether the batch was written is unknown.
            OSError: the same.
            TimeoutError: no answer came in time.
        """
        (answer,) = await self._ask([self._packed(batch)])
        return _each(answer, batch)

    async def send_apart(self, batches: Sequence[Sequence[Append]], *, asking: bool = False) -> list[Sequence[Answer]]:
        """Bring batches by a call each, all sent at once, and answer for each as `send` does, raising what it raises.

        With `asking` a node of a cluster heeds them although their slot is only on its way there.
        """
        packed = [part for batch in batches for part in (*([_ASKING] if asking else []), self._packed(batch))]
        answers = await self._ask(packed)
        if asking:
            del answers[::2]
        return [_each(answer, batch) for answer, batch in zip(answers, batches, strict=True)]

    async def _ask(self, packed: Sequence[bytes]) -> list[object]:
        if self._spent:
            await self.close()
        try:
            answers = await (self._conduit or await self._dial()).ask(packed)
        except BaseException:
            await self.close()
            raise
        self._heed(answers)
        return answers

    def _heed(self, answers: Sequence[object]) -> None:
        # Somebody flushed the scripts; a new connection brings them along.
        for answer in answers:
            self._spent = self._spent or isinstance(answer, NoScriptError)

    async def close(self) -> None:
        """Hang up; the next batch dials anew."""
        self._spent = False
        ready, self._conduit = self._conduit, None
        if ready:
            ready.cut()
        connection, self._connection = self._connection, None
        if connection:
            await connection.disconnect(nowait=True)

    async def _dial(self) -> Conduit:
        connection = self._connection = self._connect()
        async with asyncio.timeout(self._timeout_s):
            await connection.connect()  # type: ignore[no-untyped-call]  # redis-py's
            await connection.send_command("SCRIPT", "LOAD", self._batch.text)
            await connection.read_response(timeout=math.inf)
        self.dialled += 1
        self._conduit = conduit(connection, self._timeout_s)
        return self._conduit

    def _packed(self, batch: Sequence[Append]) -> bytes:
        packed, keys = [b""], 0
        runs: list[tuple[int, int, list[tuple[str | int, ...]]]] = []
        script: scripts.Script | None = None
        same: list[tuple[str | int, ...]] = []
        for append in batch:
            if append.script is not script:
                script, same = append.script, []
                runs.append((self._places[script], len(append.keys), same))
            keys += len(append.keys)
            packed.append(append.packed or resp.words(append.keys))
            same.append(append.arguments)
        blob = _encode(runs)
        packed[0] = resp.call(self._batch.sha, keys)
        packed += (b"$%d\r\n" % len(blob), blob, b"\r\n")
        return b"".join(packed)


def _each(answer: object, batch: Sequence[Append]) -> Sequence[Answer]:
    if isinstance(answer, list):
        return answer
    if isinstance(answer, ResponseError):
        return [answer] * len(batch)
    raise TypeError(f"a script answered {type(answer).__name__}")
