"""Connections to Redis, one kind for each way of using it.

redis-py's defaults fit commands that are awaited one by one. They don't fit the writer, where a silent retry writes
entries twice (seen: one lost reply made six entries of three), nor blocking reads, which its socket timeout cuts short.
And its socket timeout sends by way of `asyncio.wait_for`, which before Python 3.12 loses a cancellation that comes at
the moment of completion (seen: a task that was cancelled and went on), so time is bounded here instead.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from functools import cache
from typing import Any, Final

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import (
    AskError,
    AuthenticationError,
    ClusterCrossSlotError,
    NoPermissionError,
    RedisError,
    ResponseError,
)

from bridge import redis_url
from bridge.errors import StoreError
from bridge.redis_url import Kind
from bridge.store.servers.cluster import ClusterClient
from bridge.store.servers.dial import Dial
from bridge.store.servers.topology import Topology
from bridge.store.writing.lane import Lane
from bridge.store.writing.lanes import Lanes
from bridge.values import Secret

log = logging.getLogger(__name__)

COMMAND_S: Final = 5
# Anybody may put anything into the set of wishes; bytes that are no text must not stop the reading of all the others.
_TEXTS: Final[dict[str, Any]] = {"decode_responses": True, "encoding_errors": "backslashreplace"}
_NODE_OF_CLUSTER: Final = (
    "Redis is a node of a cluster: REDIS_URL must begin with redis+cluster:// or rediss+cluster://"
)
_NO_CLUSTER: Final = "Redis is no cluster: REDIS_URL must begin with redis:// or rediss://"


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
    """Return a client for commands that answer at once; texts come back as `str`.

    Raises:
        StoreError: the URL cannot be understood.
    """
    return _client(_Bounded, url, COMMAND_S)


def blocking(url: Secret) -> Redis:
    """Return a client for reads that wait for something to come; texts come back as `str`.

    Raises:
        StoreError: the URL cannot be understood.
    """
    return _client(Redis, url, None)


def lane(url: Secret, *, timeout_s: float) -> Lane | Lanes:
    """Return the writer's way to Redis: one connection, or one to each node of a cluster, made when it is needed.

    `timeout_s` is as for `Lane`.

    Raises:
        StoreError: the URL cannot be understood.
    """
    dial = dialled(url)
    if dial.url.kind is Kind.CLUSTER:
        return Lanes(Topology(dial), lambda address: Lane(lambda: dial.node(address), timeout_s=timeout_s))
    return Lane(dial.connection, timeout_s=timeout_s)


def described(trouble: BaseException) -> str:
    """Say what went wrong with Redis in words that carry no secret."""
    if isinstance(trouble, AuthenticationError):
        return "Redis refuses the user or password of REDIS_URL"
    if isinstance(trouble, TimeoutError):
        return "Redis did not answer in time"
    if isinstance(trouble, (AskError, ClusterCrossSlotError)):
        return _NODE_OF_CLUSTER
    if "cluster support disabled" in str(trouble):
        return _NO_CLUSTER
    if isinstance(trouble.__context__, ssl.SSLError) or "SSL" in str(trouble) or "certificate" in str(trouble):
        return f"Redis and we do not agree on TLS: {trouble}"
    return f"Redis: {trouble}" if str(trouble) else f"Redis: {type(trouble).__name__}"


# What a command raises when Redis is out of reach, or answers with an error.
Unreachable = (RedisError, OSError)


async def check(url: Secret) -> str:
    """Connect once and return the server's name and version.

    Raises:
        StoreError: it cannot be reached, refuses us, or is not of the kind that the URL says.
    """
    client = commands(url)
    try:
        await confirm(client)
        known = await client.info("server")
        nodes = len(await client.topology.primaries()) if isinstance(client, ClusterClient) else 0
    except (RedisError, OSError) as trouble:
        raise StoreError(described(trouble)) from None
    finally:
        await client.aclose()
    name = known.get("server_name", "redis")
    version = f"{name} {known.get(f'{name}_version', known.get('redis_version', '?'))}"
    return f"{version}, a cluster of {nodes} primaries" if nodes else version


async def confirm(client: Redis) -> None:
    """Find out that the server is of the kind that its URL says: alone, or of a cluster.

    Waiting would not mend it. May raise redis-py's `RedisError` when Redis is out of reach.

    Raises:
        StoreError: it is of the other kind.
    """
    try:
        if isinstance(client, ClusterClient):
            await client.topology.primaries()
        elif (await client.info("cluster")).get("cluster_enabled"):
            raise StoreError(_NODE_OF_CLUSTER)
    except NoPermissionError:
        return  # a user who may not ask; the first command tells as well
    except ResponseError as refusal:
        if (told := described(refusal)) == _NO_CLUSTER:
            raise StoreError(told) from None
        raise


def dialled(url: Secret) -> Dial:
    """Return what makes connections to a URL.

    Raises:
        StoreError: the URL cannot be understood.
    """
    try:
        parsed = redis_url.parse(url.reveal())
        dial = Dial(parsed)
    except (TypeError, ValueError) as wrong:
        # What stands behind the question mark goes to redis-py as it is, and redis-py is strict about names.
        raise StoreError(f"REDIS_URL: {str(wrong).rpartition('.__init__() ')[2]}") from None
    if parsed.unverified:
        _warn_of_tls()
    return dial


@cache
def _warn_of_tls() -> None:
    log.warning("REDIS_URL turns the verification of certificates off: anybody on the way can read and change all")


def _client(kind: type[Redis], url: Secret, bound_s: float | None) -> Redis:
    dial = dialled(url)
    if dial.url.kind is Kind.CLUSTER:
        return ClusterClient(dial, bound_s, **_TEXTS)
    connection_class, options = dial.means()
    return kind.from_pool(ConnectionPool(connection_class=connection_class, **options, **_TEXTS))
