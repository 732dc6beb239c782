"""Connections to Redis, one kind for each way of using it.

redis-py's defaults fit commands that are awaited one by one. They don't fit the writer, where a silent retry writes
entries twice (seen: one lost reply made six entries of three), nor blocking reads, which its socket timeout cuts short.
And its socket timeout sends by way of `asyncio.wait_for`, which before Python 3.12 loses a cancellation that comes at
the moment of completion (seen: a task that was cancelled and went on), so time is bounded here instead.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError

from bridge.errors import StoreError
from bridge.values import Secret

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

CONNECT_S: Final = 5
COMMAND_S: Final = 5
# Anybody may put anything into the set of wishes; bytes that are no text must not stop the reading of all the others.
_ODD_BYTES: Final = "backslashreplace"


class _BoundedPipeline(Pipeline):
    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - redis-py's signature
        async with asyncio.timeout(COMMAND_S):
            return await super().execute(raise_on_error)


class _Bounded(Redis):
    """A client whose every command, and every pipeline, is answered within `COMMAND_S` or fails."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - redis-py's signature
        async with asyncio.timeout(COMMAND_S):
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # redis-py's

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:  # noqa: FBT001, FBT002 - as above
        return _BoundedPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


def commands(url: Secret) -> Redis:
    """Return a client for commands that answer at once; texts come back as `str`."""
    return _client(_Bounded, url)


def blocking(url: Secret) -> Redis:
    """Return a client for reads that wait for something to come; texts come back as `str`."""
    return _client(Redis, url)


def writer_connection(url: Secret) -> AbstractConnection:
    """Return a connection of the writer's own, not yet connected: no pool, no timeout per read, no retry."""
    pool = ConnectionPool.from_url(
        url.reveal(), socket_connect_timeout=CONNECT_S, socket_timeout=None, retry=_never(), protocol=2
    )
    connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py's
    return connection


def described(trouble: BaseException) -> str:
    """Say what went wrong with Redis in words that carry no secret."""
    if isinstance(trouble, AuthenticationError):
        return "Redis refuses the user or password of REDIS_URL"
    if isinstance(trouble, TimeoutError):
        return "Redis did not answer in time"
    return f"Redis: {trouble}" if str(trouble) else f"Redis: {type(trouble).__name__}"


# What a command raises when Redis is out of reach, or answers with an error.
Unreachable = (RedisError, OSError)


async def check(url: Secret) -> str:
    """Connect once and return the server's name and version.

    Raises:
        StoreError: it cannot be reached or refuses us.
    """
    client = commands(url)
    try:
        known = await client.info("server")
    except (RedisError, OSError) as trouble:
        raise StoreError(described(trouble)) from None
    finally:
        await client.aclose()
    name = known.get("server_name", "redis")
    return f"{name} {known.get(f'{name}_version', known.get('redis_version', '?'))}"


def _client(kind: type[Redis], url: Secret) -> Redis:
    try:
        client = kind.from_url(
            url.reveal(),
            decode_responses=True,
            encoding_errors=_ODD_BYTES,
            socket_connect_timeout=CONNECT_S,
            socket_timeout=None,
            retry=_never(),
            protocol=2,
        )
        client.connection_pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py's
    except (TypeError, ValueError) as wrong:
        # What stands behind the question mark goes to redis-py as it is, and redis-py is strict about names.
        raise StoreError(f"REDIS_URL: {str(wrong).rpartition('.')[2]}") from None
    return client


def _never() -> Retry:
    return Retry(NoBackoff(), 0)
