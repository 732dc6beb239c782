"""How a connection is made: to one server, to the primary that sentinels name, to a node of a cluster.

redis-py's connections are used as they are, and its retries and timeouts are not (see `client`). Where the server's
address is not known beforehand, it is asked for each time a connection is made, so that reconnecting is all it takes to
follow a failover.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError

from bridge.redis_url import Address, Kind, RedisUrl
from bridge.store.servers.sentinels import Sentinels

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

CONNECT_S: Final = 5
# One of several may hang while the others answer.
NODE_CONNECT_S: Final = 2

# How often the sentinels are asked whether the primary is still the same.
_AGAIN_S: Final = 1.0

Locate = Callable[[], Awaitable[Address]]


class LocatedConnection(Connection):
    """A connection that asks where to connect to each time it connects."""

    def __init__(self, *, locate: Locate, again_s: float = math.inf, **options: Any) -> None:  # noqa: ANN401 - redis-py's
        """Ask `locate` for the address, and while connected again every `again_s` seconds, before sending."""
        super().__init__(**options)
        self._locate = locate
        self._again_s = again_s
        self._asked_at = math.inf

    async def _connect(self) -> None:
        self.host, self.port = await self._locate()
        self._asked_at = asyncio.get_running_loop().time()
        await super()._connect()  # type: ignore[no-untyped-call]  # redis-py's

    async def send_packed_command(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - redis-py's signature
        """Send to where the server is now: one that was replaced takes writes for seconds more, and then loses them."""
        if self.is_connected and asyncio.get_running_loop().time() > self._asked_at + self._again_s:
            await self._follow()
        await super().send_packed_command(*arguments, **options)

    async def _follow(self) -> None:
        self._asked_at = asyncio.get_running_loop().time()
        try:
            address = await self._locate()
        except RedisError:  # nobody knows better: whoever serves us goes on
            return
        if address != (self.host, self.port):
            await self.disconnect(nowait=True)
            await self.connect()  # type: ignore[no-untyped-call]  # redis-py's

    async def read_response(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - redis-py's signature
        """Read an answer; from a primary which is none any more it ends the connection, so that the next asks anew."""
        try:
            answer = await super().read_response(*arguments, **options)
        except ReadOnlyError as refusal:
            answer = [refusal]
        # A script that runs many appends answers for each; what stops one of them stops all that follow.
        if isinstance(answer, list) and answer and isinstance(answer[-1], ReadOnlyError):
            await self.disconnect(nowait=True)
            raise RedisConnectionError("the server is no primary any more (READONLY)")
        return answer


class LocatedSSLConnection(LocatedConnection, SSLConnection):
    """The same, by TLS."""


class Dial:
    """Makes connections to what one URL names."""

    def __init__(self, url: RedisUrl) -> None:
        """Take in how to connect.

        Raises:
            ValueError: an option is unknown or has a wrong value.
            TypeError: the same, by redis-py's word.
        """
        self.url = url
        typed = parse_url("redis://?" + urlencode(url.options))
        self._sentinel = {name: typed.pop(f"sentinel_{name}", None) for name in ("username", "password")}  # type: ignore[misc]  # not of redis-py
        self._options: dict[str, Any] = {
            "socket_connect_timeout": CONNECT_S if url.kind is Kind.SINGLE else NODE_CONNECT_S,
            "username": url.user or None,
            "password": url.password or None,
            "db": url.database,
            **typed,
            "socket_timeout": None,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
        }
        self.connection()  # redis-py is strict about names, and says so here

    def connection(self, **more: Any) -> AbstractConnection:  # noqa: ANN401 - redis-py's options
        """Return a connection, not yet connected, to the server or to the primary that the sentinels name."""
        kind, options = self.means()
        return kind(**options, **more)

    def node(self, address: Address, **more: Any) -> AbstractConnection:  # noqa: ANN401 - redis-py's options
        """Return a connection, not yet connected, to one server of several."""
        kind, options = self.means_to(address)
        return kind(**options, **more)

    def means(self) -> tuple[type[AbstractConnection], dict[str, Any]]:
        """Return the class of those connections and its arguments, as a pool wants them."""
        if self.url.path:
            return UnixDomainSocketConnection, {**self._options, "path": self.url.path}
        if self.url.kind is Kind.SENTINEL:
            return self.means_by(Sentinels(self.url, self._sentinel_connection).primary, again_s=_AGAIN_S)
        return self.means_to(self.url.addresses[0])

    def means_to(self, address: Address) -> tuple[type[AbstractConnection], dict[str, Any]]:
        """The same, for the server at one address."""
        host, port = address
        return SSLConnection if self.url.tls else Connection, {**self._options, "host": host, "port": port}

    def means_by(self, locate: Locate, again_s: float = math.inf) -> tuple[type[AbstractConnection], dict[str, Any]]:
        """The same, for whatever server `locate` names each time, asked again as by `LocatedConnection`."""
        kind = LocatedSSLConnection if self.url.tls else LocatedConnection
        return kind, {**self._options, "locate": locate, "again_s": again_s}

    def _sentinel_connection(self, address: Address) -> AbstractConnection:
        kind, options = self.means_to(address)
        return kind(**{**options, **self._sentinel, "db": 0})
