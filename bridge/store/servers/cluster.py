"""A client of a Redis Cluster that answers the same calls as redis-py's client of one server.

redis-py's own `RedisCluster` cannot stand here: its transactions run in a thread and a loop of their own, it sends
again what was sent and not answered, and its errors are no `RedisError`. This one finds each command's node by its key,
follows MOVED and ASK, waits a moment where a slot is on its way or its primary is being replaced, and sends nothing
again that may have been done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.connection import Connection
from redis.exceptions import (
    AskError,
    BusyLoadingError,
    ClusterDownError,
    MovedError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from bridge.backoff import growing_waits
from bridge.redis_url import Address
from bridge.store.servers.topology import Topology, slot_of, target

if TYPE_CHECKING:
    from bridge.store.servers.dial import Dial

# Shorter than the time a command has, so that its error says what was in the way.
_PATIENCE_S: Final = 4.0
_ANYWHERE: Final = frozenset({"INFO", "PING"})
_ELSEWHERE: Final = (AskError, TryAgainError, ClusterDownError, BusyLoadingError)

Command = tuple[tuple[str | bytes, ...], Mapping[str, Any]]  # its words, and redis-py's options for its answer
Talk = Callable[[Connection], Awaitable[Any]]


class NotSentError(Exception):
    """A node could not be connected to: nothing was asked of it."""


class ClusterClient(Redis):
    """A client whose every command, and every pipeline, goes to the nodes that serve its keys."""

    def __init__(self, dial: Dial, bound_s: float | None, **options: Any) -> None:  # noqa: ANN401 - redis-py's
        """Connect by `dial`; a command unanswered for `bound_s` seconds fails. `options` are every connection's."""
        self.topology = Topology(dial)
        self._dial = dial
        self._bound_s = bound_s
        self._options = options
        self._pools: dict[Address, ConnectionPool] = {}
        kind, arguments = dial.means_by(self.topology.located)
        super().__init__(connection_pool=ConnectionPool(connection_class=kind, **arguments, **options))

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - redis-py's signature
        """Run one command where its key is."""
        async with asyncio.timeout(self._bound_s):
            return await self.one((args, options))

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> ClusterPipeline:  # noqa: FBT001, FBT002 - redis-py's signature
        """Return a pipeline; a transaction's keys must share a slot."""
        return ClusterPipeline(self, self.response_callbacks, transaction, shard_hint)

    async def script_load(self, script: str | bytes | memoryview) -> Any:  # noqa: ANN401 - redis-py's signature
        """Bring a script to every primary."""
        answers = [await self._at(address, ("SCRIPT LOAD", script)) for address in await self.topology.primaries()]
        return answers[0]

    async def scan_iter(  # type: ignore[override]  # redis-py's has no types
        self, match: str | None = None, count: int | None = None, _type: str | None = None
    ) -> AsyncIterator[Any]:
        """Yield the keys of all nodes."""
        filters = [("MATCH", match), ("COUNT", count), ("TYPE", _type)]
        words = [word for pair in filters if pair[1] is not None for word in pair]
        for address in await self.topology.primaries():
            cursor = 0
            while True:
                cursor, keys = await self._at(address, ("SCAN", cursor, *words))
                for key in keys:
                    yield key
                if not cursor:
                    break

    async def xread(  # type: ignore[override]  # redis-py's has no types
        self, streams: dict[str, str], count: int | None = None, block: int | None = None
    ) -> Any:  # noqa: ANN401 - redis-py's signature
        """Read streams wherever they are: those of one slot by one blocking read, those of several by asking again."""
        slots: dict[int, dict[str, str]] = {}
        for stream, after in streams.items():
            slots.setdefault(slot_of(stream), {})[stream] = after
        if len(slots) == 1:
            return await super().xread(streams, count, block)  # type: ignore[arg-type]  # its stub is invariant
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (block or 0) / 1000
        for wait_s in growing_waits():
            async with self.pipeline(transaction=False) as pipe:
                for part in slots.values():
                    pipe.xread(part, count)  # type: ignore[arg-type]  # its stub is invariant
                found = [entry for answer in await pipe.execute() for entry in answer]
            if found or block is None or loop.time() > deadline:
                return found
            await asyncio.sleep(wait_s)
        return None

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 - redis-py's signature
        """Close all connections to all nodes."""
        await super().aclose(close_connection_pool)
        for pool in (self.connection_pool, *self._pools.values()):
            await pool.disconnect()

    async def one(self, command: Command) -> Any:  # noqa: ANN401 - whatever is answered
        """Run one command where its key is, wherever that goes meanwhile."""
        args, options = command

        async def talk(connection: Connection) -> Any:  # noqa: ANN401 - as above
            return await self._send_command_parse_response(connection, args[0], *args, **options)  # type: ignore[no-untyped-call]  # redis-py's

        return await self.routed(key_slot_of(args), talk)

    async def routed(self, slot: int | None, talk: Talk) -> Any:  # noqa: ANN401 - whatever is answered
        """Have `talk` on a connection to the node that serves a slot.

        Raises:
            RedisError: the node did not answer what was asked, or none could be asked for a while.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PATIENCE_S
        asked: Address | None = None
        for wait_s in growing_waits():
            address, asking, asked = asked, asked is not None, None
            try:
                address = address or await (self.topology.anyone() if slot is None else self.topology.primary(slot))
                async with self.connected(address, asking=asking) as connection:
                    return await talk(connection)
            except MovedError as redirect:
                self.topology.moved(redirect, address or ("", 0))
                trouble: Exception = redirect
            except AskError as redirect:
                asked, trouble = target(redirect, address or ("", 0)), redirect
            except (TryAgainError, ClusterDownError, BusyLoadingError) as passing:
                self.topology.doubt()
                trouble = passing
            except NotSentError as away:
                trouble = away.__cause__ if isinstance(away.__cause__, Exception) else away
            if loop.time() > deadline:
                raise trouble
            if asked is None:
                await asyncio.sleep(wait_s)
        raise AssertionError  # the waits never end

    @asynccontextmanager
    async def connected(self, address: Address, *, asking: bool = False) -> AsyncIterator[Connection]:
        """Lend a connection to a node; after `asking` it answers for a slot that is on its way there.

        Raises:
            NotSentError: it could not be connected to.
        """
        pool = self._pool(address)
        try:
            connection: Connection = await pool.get_connection()  # type: ignore[no-untyped-call]  # redis-py's
        except (RedisError, OSError) as trouble:
            self.topology.doubt()
            raise NotSentError from trouble
        try:
            if asking:
                await connection.send_command("ASKING")
                await connection.read_response()
            yield connection
        except (RedisError, OSError) as trouble:
            if not isinstance(trouble, ResponseError):
                self.topology.doubt()
            raise
        finally:
            await pool.release(connection)

    async def _at(self, address: Address, args: tuple[Any, ...]) -> Any:  # noqa: ANN401 - whatever is answered
        async with asyncio.timeout(self._bound_s):
            try:
                async with self.connected(address) as connection:
                    return await self._send_command_parse_response(connection, args[0], *args)  # type: ignore[no-untyped-call]  # redis-py's
            except NotSentError as away:
                raise (away.__cause__ or away) from None

    def _pool(self, address: Address) -> ConnectionPool:
        if address not in self._pools:
            kind, arguments = self._dial.means_to(address)
            self._pools[address] = ConnectionPool(connection_class=kind, **arguments, **self._options)
        return self._pools[address]


class ClusterPipeline(Pipeline):
    """Commands of many keys, sent to each node together. A transaction is of one slot."""

    def __init__(self, client: ClusterClient, callbacks: Any, transaction: bool, shard_hint: str | None) -> None:  # noqa: ANN401, FBT001 - redis-py's signature
        """Gather commands for `client`."""
        super().__init__(client.connection_pool, callbacks, transaction, shard_hint)
        self._client = client

    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - redis-py's signature
        """Run all, and return the answers in the order of the commands."""
        commands: list[Command] = list(self.command_stack)
        await self.reset()  # type: ignore[no-untyped-call]  # redis-py's
        if not commands:
            return []
        async with asyncio.timeout(self._client._bound_s):  # noqa: SLF001 - the pipeline is the client's other half
            if self.is_transaction:
                return await self._together(commands, raise_on_error=raise_on_error)
            answers = await self._spread(commands)
        if raise_on_error:
            self.raise_first_error(commands, answers)
        return answers

    async def _together(self, commands: list[Command], *, raise_on_error: bool) -> list[Any]:
        slots = {slot for args, _ in commands if (slot := key_slot_of(args)) is not None}
        if len(slots) != 1:
            raise ResponseError("CROSSSLOT a transaction's keys must share a slot")
        answers: list[Any] = await self._client.routed(
            slots.pop(), lambda connection: self._execute_transaction(connection, commands, raise_on_error)
        )
        return answers

    async def _spread(self, commands: list[Command]) -> list[Any]:
        nodes: dict[Address | None, list[int]] = {}
        for index, (args, _) in enumerate(commands):
            nodes.setdefault(await self._node(key_slot_of(args)), []).append(index)
        parts = await asyncio.gather(
            *(self._at(node, [commands[index] for index in indexes]) for node, indexes in nodes.items()),
            return_exceptions=True,
        )
        answers: list[Any] = [None] * len(commands)
        for indexes, part in zip(nodes.values(), parts, strict=True):
            if isinstance(part, BaseException):
                raise part
            for index, answer in zip(indexes, part, strict=True):
                answers[index] = answer
        return answers

    async def _node(self, slot: int | None) -> Address | None:
        topology = self._client.topology
        try:
            return await (topology.anyone() if slot is None else topology.primary(slot))
        except ClusterDownError:
            return None

    async def _at(self, node: Address | None, commands: list[Command]) -> list[Any]:
        answers: list[Any] = [ClusterDownError("not asked")] * len(commands)
        if node is not None:
            with suppress(NotSentError):
                async with self._client.connected(node) as connection:
                    answers = await self._execute_pipeline(connection, commands, raise_on_error=False)
        for index, answer in enumerate(answers):
            if isinstance(answer, _ELSEWHERE):
                self._client.topology.doubt()
                answers[index] = await self._alone(commands[index])
        return answers

    async def _alone(self, command: Command) -> Any:  # noqa: ANN401 - whatever is answered
        try:
            return await self._client.one(command)
        except ResponseError as refusal:
            return refusal


def key_slot_of(args: Sequence[Any]) -> int | None:
    """Return the slot of a command's first key (its others must share it), or `None` where any node can answer."""
    name = str(args[0]).upper()
    if name in _ANYWHERE:
        return None
    if name in ("EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO"):
        return slot_of(args[3])
    if name == "XREAD":
        words = [word.upper() if isinstance(word, bytes) else str(word).upper().encode() for word in args]
        return slot_of(args[words.index(b"STREAMS") + 1])
    return slot_of(args[1])
