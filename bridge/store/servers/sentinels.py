"""Asks sentinels where the primary is: one after the other, that which answered last first."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from bridge.redis_url import Address, RedisUrl

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

# A sentinel that hangs must not use up the time that a command has.
_ANSWER_S: Final = 1.0


class Sentinels:
    """The sentinels of one service."""

    def __init__(self, url: RedisUrl, connection: Callable[[Address], AbstractConnection]) -> None:
        """Ask those that `url` names, by connections that `connection` makes."""
        self._service = url.service
        self._addresses = list(url.addresses)
        self._connection = connection

    async def primary(self) -> Address:
        """Return where the primary is now.

        Raises:
            RedisConnectionError: nobody knows; the message says why, sentinel by sentinel.
        """
        reasons = []
        for address in list(self._addresses):
            try:
                async with asyncio.timeout(_ANSWER_S):
                    found = await self._ask(address)
            except (RedisError, OSError, TimeoutError) as trouble:
                reasons.append(f"{address[0]}:{address[1]}: {_described(trouble)}")
                continue
            if found is not None:
                self._addresses.remove(address)
                self._addresses.insert(0, address)
                return found
            reasons.append(f"{address[0]}:{address[1]}: knows no primary called {self._service!r}")
        raise RedisConnectionError(f"no sentinel names the primary: {'; '.join(reasons)}")

    async def _ask(self, address: Address) -> Address | None:
        connection = self._connection(address)
        try:
            await connection.connect()  # type: ignore[no-untyped-call]  # redis-py's
            await connection.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)
            answer = await connection.read_response(timeout=math.inf)
        finally:
            await connection.disconnect(nowait=True)
        return (answer[0].decode(), int(answer[1])) if answer else None


def _described(trouble: BaseException) -> str:
    if isinstance(trouble, (AuthenticationError, NoPermissionError)):
        return "refuses us (REDIS_SENTINEL_USER, REDIS_SENTINEL_PASSWORD)"
    if isinstance(trouble, ResponseError) and "unknown command" in str(trouble):
        return "is no sentinel"
    return str(trouble) or "no answer in time"
