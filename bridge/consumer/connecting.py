"""Clients that fit blocking reads."""

from __future__ import annotations

from typing import Any, Final

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from bridge.consumer.errors import ConsumerError
from bridge.consumer.steps import ANSWER_S

LONGEST_BLOCK_S: Final = 5.0
# A read that waits needs a socket that waits longer: redis-py's own 5 s cut it short. Without any bound, a server that
# vanished would never be noticed.
_SOCKET_S: Final = ANSWER_S
_CONNECT_S: Final = 5.0


def connect(url: str, *, cluster: bool = False, **options: Any) -> Any:  # noqa: ANN401 - as redis-py's `from_url`
    """Return a client of redis-py whose socket outlasts blocking reads and which repeats nothing by itself.

    Args:
        url: where Redis is; `rediss://` for TLS.
        cluster: whether it is a node of a Redis Cluster.
        options: passed on to redis-py's `from_url`, such as `ssl_ca_certs`.
    """
    if cluster:
        return redis.RedisCluster.from_url(url, **_common(_SOCKET_S), **options)
    return redis.Redis.from_url(url, **_common(_SOCKET_S), retry=Retry(NoBackoff(), 0), **options)


def connect_async(url: str, *, cluster: bool = False, **options: Any) -> Any:  # noqa: ANN401 - as redis-py's `from_url`
    """Return the same for asyncio, where the readers bound each answer themselves.

    redis-py's own timeout there can lose a task's cancellation before Python 3.12.
    """
    if cluster:
        return redis.asyncio.RedisCluster.from_url(url, **_common(None), **options)
    return redis.asyncio.Redis.from_url(url, **_common(None), retry=AsyncRetry(NoBackoff(), 0), **options)


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
