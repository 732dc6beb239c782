"""What goes out and comes back at a connection's transport, with a relay in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import hiredis
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from bridge.store.client import dialled
from bridge.store.writing.conduit import Conduit, Transport, conduit
from bridge.values import Secret
from tests.store.relay import Relay
from tests.support import wait_until

TIMEOUT_S = 0.3
PING = hiredis.pack_command(("PING",))
WRONG = hiredis.pack_command(("NO-SUCH-COMMAND",))


@pytest.fixture
async def relay(valkey_url: str) -> AsyncIterator[Relay]:
    async with Relay(urlsplit(valkey_url).port or 0) as between:
        yield between


@pytest.fixture
async def way(relay: Relay) -> AsyncIterator[Conduit]:
    connection = dialled(Secret(relay.url)).connection()
    await connection.connect()  # type: ignore[no-untyped-call]  # redis-py's
    made = conduit(connection, TIMEOUT_S)
    yield made
    made.cut()
    await connection.disconnect(nowait=True)


async def test_each_command_has_its_reply_and_an_error_is_one(way: Conduit) -> None:
    first, wrong, last = await way.ask([PING, WRONG, PING])
    assert (first, last) == (b"PONG", b"PONG")
    assert isinstance(wrong, ResponseError)


async def test_each_question_has_its_own_time(way: Conduit, relay: Relay) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    while loop.time() < began + 3 * TIMEOUT_S:
        assert await way.ask([PING]) == [b"PONG"]
    relay.answering.clear()
    began = loop.time()
    with pytest.raises(TimeoutError):
        await way.ask([PING])
    assert loop.time() - began >= TIMEOUT_S


async def test_a_connection_that_ends_is_told_to_who_waits_and_to_who_asks_later(way: Conduit, relay: Relay) -> None:
    relay.swallow = True
    with pytest.raises(RedisConnectionError):
        await way.ask([PING])
    with pytest.raises(RedisConnectionError):
        await way.ask([PING])


async def test_who_is_called_is_told_at_once_that_the_connection_is_gone(way: Conduit, relay: Relay) -> None:
    assert isinstance(way, Transport)
    relay.swallow = True
    with pytest.raises(RedisConnectionError):
        await way.ask([PING])
    told: list[object] = []
    way.post(PING, 1, told.append)
    assert [type(outcome) for outcome in told] == [RedisConnectionError]


async def test_nobody_is_called_after_the_connection_was_let_go(way: Conduit, relay: Relay) -> None:
    assert isinstance(way, Transport)
    relay.answering.clear()
    told: list[object] = []
    way.post(PING, 1, told.append)
    await wait_until(lambda: relay.holding, "the question")
    way.cut()
    relay.answering.set()
    await wait_until(lambda: relay.live == 0, "the connection's end")
    assert told == []
