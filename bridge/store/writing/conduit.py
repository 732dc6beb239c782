"""Two ways to ask a server by a connection that is ready: at the transport itself, or by redis-py's own steps.

redis-py's steps, made for any command of any client, cost a small flush as much as all the rest of it. So where nothing
but bytes has to go out and replies to come back, they do just that, read by the parser that redis-py has prepared.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from bridge.store.servers.dial import LocatedConnection

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

# Called with the replies, or with what went wrong.
Done = Callable[[list[object] | Exception], None]

_GONE: Final = "Connection closed by server."


class Conduit(Protocol):
    """A connection that is ready."""

    async def ask(self, packed: Sequence[bytes]) -> list[object]:
        """Send commands and return their replies, an error of the server's as the exception that stands for it.

        Raises:
            RedisError: the connection is gone, or useless.
            OSError: the same.
            TimeoutError: no reply came in time.
        """

    def cut(self) -> None:
        """Let go of the connection at once."""


def conduit(connection: AbstractConnection, timeout_s: float) -> Conduit:
    """Return the shortest way to ask by a connection; whatever is not answered within `timeout_s` has failed."""
    # A connection that looks before sending whether its server is still the right one has to be let do so.
    way = _Steps if isinstance(connection, LocatedConnection) else Transport
    return way(connection, timeout_s)


class _Steps:
    """By redis-py."""

    def __init__(self, connection: AbstractConnection, timeout_s: float) -> None:
        self._connection = connection
        self._timeout_s = timeout_s

    async def ask(self, packed: Sequence[bytes]) -> list[object]:
        async with asyncio.timeout(self._timeout_s):
            await self._connection.send_packed_command(packed, check_health=False)
            return [await self._reply() for _ in packed]

    async def _reply(self) -> object:
        try:
            reply: object = await self._connection.read_response(timeout=math.inf)
        except ResponseError as refusal:
            return refusal
        return reply

    def cut(self) -> None:
        """Leave that to whoever has made the connection."""


class Transport(asyncio.Protocol):
    """By the transport: one asks at a time, and waits or is called."""

    def __init__(self, connection: AbstractConnection, timeout_s: float) -> None:
        """Take a connection over from redis-py; `timeout_s` as in `conduit`."""
        inner = cast("Any", connection)
        self._transport = cast("asyncio.Transport", inner._writer.transport)  # noqa: SLF001 - redis-py has no door to it
        self._parser = inner._parser._reader  # noqa: SLF001 - hiredis' own, which knows redis-py's exceptions
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._nothing = self._parser.gets()
        self._replies: list[object] = []
        self._awaited = 0
        self._done: Done | None = None
        self._lost: Exception | None = None
        # One timer for many flushes, looked at when it has run down: nearly all are answered long before.
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._transport.set_protocol(self)

    async def ask(self, packed: Sequence[bytes]) -> list[object]:
        """Do as a `Conduit` does."""
        answered = self._loop.create_future()
        self.post(b"".join(packed), len(packed), partial(_tell, answered))
        replies = await answered
        if isinstance(replies, Exception):
            raise replies
        return cast("list[object]", replies)

    def post(self, packed: bytes, count: int, done: Done) -> None:
        """Send `count` commands; `done` is called with their replies, or with what `ask` raises in their place."""
        if self._lost is not None or self._transport.is_closing():
            done(self._lost or RedisConnectionError(_GONE))
            return
        self._replies, self._awaited, self._done = [], count, done
        self._deadline = self._loop.time() + self._timeout_s
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._look)
        self._transport.write(packed)

    def cut(self) -> None:
        """Do as a `Conduit` does; nobody is called any more."""
        self._done = None
        if self._timer is not None:
            self._timer.cancel()
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take what came of the replies."""
        try:
            self._parser.feed(data)
            while (reply := self._parser.gets()) is not self._nothing:
                self._replies.append(reply)
        except Exception as nonsense:  # noqa: BLE001 - told where the reply is waited for
            self._end(nonsense)
            return
        if len(self._replies) >= self._awaited:
            self._end(_useless(self._replies) or self._replies)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note of the end."""
        self._lost = RedisConnectionError(f"Error while reading: {exc}" if exc else _GONE)
        self._end(self._lost)

    def _look(self) -> None:
        self._timer = None
        if self._done is None:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._look)
        else:
            self._end(TimeoutError())

    def _end(self, outcome: list[object] | Exception) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(outcome)


def _tell(answered: asyncio.Future[list[object] | Exception], outcome: list[object] | Exception) -> None:
    # Whoever waited may have given up.
    if not answered.done():
        answered.set_result(outcome)


def _useless(replies: Sequence[object]) -> Exception | None:
    """Return a reply that is about the connection and not about the command: redis-py raises it."""
    for reply in replies:
        first = reply[0] if isinstance(reply, list) and reply else reply
        if isinstance(first, RedisConnectionError):
            return first
    return None
