"""Clients that fit blocking reads, by any form of URL that the bridge knows."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

import redis
import redis.asyncio
from redis import cluster as blocking_cluster
from redis import sentinel as blocking_sentinel
from redis.asyncio import cluster as awaiting_cluster
from redis.asyncio import sentinel as awaiting_sentinel
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

from bridge import redis_url
from bridge.consumer.errors import ConsumerError
from bridge.consumer.following import AsyncFollowingPool, FollowingPool
from bridge.consumer.steps import ANSWER_S
from bridge.redis_url import Kind, RedisUrl

LONGEST_BLOCK_S: Final = 5.0
# A read that waits needs a socket that waits longer: redis-py's own 5 s cut it short. Without any bound, a server that
# vanished would never be noticed.
_SOCKET_S: Final = ANSWER_S
_CONNECT_S: Final = 5.0
# A sentinel that hangs must not use up the time of the others.
_SENTINEL_S: Final = 1.0


def connect(url: str, **options: Any) -> Any:  # noqa: ANN401 - as redis-py's `from_url`
    """Return a client of redis-py whose socket outlasts blocking reads and which repeats nothing by itself.

    Args:
        url: where Redis is, in any of the forms of `REDIS_URL`: one server, a primary that sentinels name, a cluster.
        options: of every connection, such as redis-py's `ssl_ca_certs`.

    Raises:
        ConsumerError: the URL is none of these.
        redis.exceptions.RedisClusterException: no node of the cluster answers; other clients connect when first used.
    """
    place, once = _parsed(url), Retry(NoBackoff(), 0)
    common = _common(_SOCKET_S) | _of_url(place) | options
    match place.kind:
        case Kind.CLUSTER:
            nodes = [blocking_cluster.ClusterNode(*address) for address in place.addresses]  # type: ignore[no-untyped-call]  # redis-py's
            return redis.RedisCluster(startup_nodes=nodes, retry=once, **common)
        case Kind.SENTINEL:
            asked = _of_sentinels(place) | options | {"retry": once}
            sentinels = blocking_sentinel.Sentinel(place.addresses, sentinel_kwargs=asked)  # type: ignore[no-untyped-call]  # redis-py's
            return redis.Redis.from_pool(FollowingPool(place.service, sentinels, retry=once, **common))  # type: ignore[no-untyped-call]  # redis-py's
        case _:
            return redis.Redis.from_url(url, retry=once, **common)


def connect_async(url: str, **options: Any) -> Any:  # noqa: ANN401 - as redis-py's `from_url`
    """Return the same for asyncio, where the readers bound each answer themselves.

    redis-py's own timeout there can lose a task's cancellation before Python 3.12.

    Raises:
        ConsumerError: the URL has none of the forms of `REDIS_URL`.
    """
    place, once = _parsed(url), AsyncRetry(NoBackoff(), 0)
    common = _common(None) | _of_url(place) | options
    match place.kind:
        case Kind.CLUSTER:
            nodes = [awaiting_cluster.ClusterNode(*address) for address in place.addresses]
            return redis.asyncio.RedisCluster(startup_nodes=nodes, retry=once, **common)
        case Kind.SENTINEL:
            asked = _of_sentinels(place) | options | {"retry": once}
            sentinels = awaiting_sentinel.Sentinel(place.addresses, sentinel_kwargs=asked)  # type: ignore[no-untyped-call]  # redis-py's
            return redis.asyncio.Redis.from_pool(AsyncFollowingPool(place.service, sentinels, retry=once, **common))  # type: ignore[no-untyped-call]  # redis-py's
        case _:
            return redis.asyncio.Redis.from_url(url, retry=once, **common)


def is_cluster(client: object) -> bool:
    """Tell whether a client speaks to a Redis Cluster."""
    return isinstance(client, redis.RedisCluster | redis.asyncio.RedisCluster)


def block_ms(client: Any) -> int:  # noqa: ANN401 - any of redis-py's clients
    """Return how long a read by this client may wait, so that its socket waits longer.

    Raises:
        ConsumerError: the client answers in bytes.
    """
    options = _options(client)
    if not options.get("decode_responses"):
        raise ConsumerError("the client answers in bytes: make it with decode_responses=True, or pass its URL")
    patience_s = options.get("socket_timeout")
    seconds = LONGEST_BLOCK_S if patience_s is None else min(LONGEST_BLOCK_S, patience_s / 2)
    return max(1, int(seconds * 1000))


def _options(client: Any) -> dict[str, Any]:  # noqa: ANN401 - any of redis-py's clients
    return dict(client.get_connection_kwargs())


def _common(socket_s: float | None) -> dict[str, Any]:
    return {
        "decode_responses": True,
        "protocol": 2,
        "socket_timeout": socket_s,
        "socket_connect_timeout": _CONNECT_S,
    }


def _parsed(url: str) -> RedisUrl:
    try:
        return redis_url.parse(url)
    except ValueError as wrong:
        raise ConsumerError(f"the URL of Redis: {wrong}") from None


def _of_url(place: RedisUrl) -> dict[str, Any]:
    """Return what a URL that redis-py can't read says of the connections to those that hold the data."""
    if place.kind is Kind.SINGLE:
        return {}
    found: dict[str, Any] = {"username": place.user or None, "password": place.password or None, **_typed(place)}
    if place.kind is Kind.SENTINEL:
        found["db"] = place.database
    return {name: value for name, value in found.items() if not name.startswith("sentinel_")}


def _of_sentinels(place: RedisUrl) -> dict[str, Any]:
    """Return what it says of the connections to the sentinels."""
    typed = _typed(place)
    own = {name: typed.get(f"sentinel_{name}") for name in ("username", "password")}
    shared = {name: value for name, value in typed.items() if name.startswith("ssl")}
    return {"socket_timeout": _SENTINEL_S, "socket_connect_timeout": _SENTINEL_S, **own, **shared}


def _typed(place: RedisUrl) -> dict[str, Any]:
    """Return what stands behind the question mark, each value of the type that redis-py wants."""
    typed: dict[str, Any] = dict(parse_url("redis://?" + urlencode(place.options)))  # type: ignore[no-untyped-call]  # redis-py's
    return typed | ({"ssl": True} if place.tls else {})
