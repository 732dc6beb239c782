"""Following a primary that sentinels name: through its death, and when nobody can name it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from bridge.redis_url import parse
from bridge.store import client
from bridge.store.embedded.server import EmbeddedServer
from bridge.store.servers.dial import Dial
from bridge.store.servers.sentinels import Sentinels
from bridge.values import Secret
from tests.store.clusters import SERVICE, Watched
from tests.store.processes import HOST, settled
from tests.store.support import KEYS, column
from tests.store.writing.test_writer import drained, event, fill, made, running, trades
from tests.support import wait_until

if TYPE_CHECKING:
    from redis.asyncio import Redis

LONG_S = 60


def asked(url: str) -> Sentinels:
    parsed = parse(url)
    dial = Dial(parsed)
    return Sentinels(parsed, dial.node)


async def test_they_name_the_primary(watched: Watched) -> None:
    assert await asked(watched.url).primary() == (HOST, watched.primary.port)


async def test_one_that_answers_is_enough_and_is_asked_first_from_then_on(watched: Watched) -> None:
    url = f"redis+sentinel://{HOST}:1,{HOST}:2,{watched.sentinels[1].address}/{SERVICE}"
    sentinels = asked(url)
    assert await sentinels.primary() == (HOST, watched.primary.port)
    assert sentinels._addresses[0][1] == watched.sentinels[1].port  # noqa: SLF001 - nothing else shows it


async def test_one_that_hangs_is_given_up_for_the_next(watched: Watched) -> None:
    primary = watched.primary
    with watched.sentinels[0].frozen():
        assert await asked(watched.url).primary() == (HOST, primary.port)


async def test_why_nobody_names_it_is_told_for_each(watched: Watched, valkey: EmbeddedServer) -> None:
    for address, reason in (
        (f"{HOST}:1", "Connect call failed"),
        (watched.sentinels[0].address, "knows no primary called 'another'"),
        (f"{HOST}:{valkey.port}", "is no sentinel"),
    ):
        with pytest.raises(RedisConnectionError, match=f"^no sentinel names the primary: {address}: .*{reason}"):
            await asked(f"redis+sentinel://{address}/another").primary()


async def test_sentinels_that_want_a_password_get_theirs_and_not_the_servers(watched: Watched) -> None:
    sentinel = watched.sentinels[2]
    sentinel.control.execute_command("ACL", "SETUSER", "watcher", "on", ">word", "+@all")
    sentinel.control.execute_command("ACL", "SETUSER", "default", "off")
    try:
        url = f"redis+sentinel://{sentinel.address}/{SERVICE}"
        with pytest.raises(RedisConnectionError, match=r"REDIS_SENTINEL_USER, REDIS_SENTINEL_PASSWORD"):
            await Dial(parse(url)).connection().connect()  # type: ignore[no-untyped-call]  # redis-py's
        given = f"{url}?sentinel_username=watcher&sentinel_password=word"
        assert (await client.check(Secret(given))).startswith(("valkey ", "redis "))
    finally:
        sentinel.control.execute_command("ACL", "SETUSER", "default", "on")  # by the connection that it let in


async def test_a_primary_that_is_replaced_is_left_for_the_new_one(tmp_path: Path) -> None:
    with Watched(tmp_path) as watched:
        store = client.commands(Secret(watched.url))
        before = watched.primary
        async with running(made(watched.url)) as writer:
            writer.append(fill(0))
            await drained(writer)
            settled(lambda: before.control.wait(1, 1000) == 1, "the replica's copy")
            watched.sentinels[0].control.execute_command("SENTINEL", "FAILOVER", SERVICE)
            await wait_until(lambda: watched.primary is not before, "another primary", LONG_S)

            async def followed() -> bool:
                writer.append(event(0))
                await drained(writer)
                return bool(watched.primary.control.exists(KEYS.events))

            await wait_until(followed, "entries at the new primary")
            writer.append(fill(1))
            await drained(writer)
        assert await trades(store) == [0, 1]
        await store.aclose()


async def test_a_killed_primary_is_followed_and_writing_goes_on_in_order(watched: Watched) -> None:
    store = client.commands(Secret(watched.url))
    async with running(made(watched.url, batch=20)) as writer:
        primary = watched.primary
        for number in range(100):
            writer.append(fill(number))
            writer.append(event(number))
        await drained(writer)
        settled(lambda: primary.control.wait(1, 1000) == 1, "the replica's copy")
        primary.kill()
        for number in range(100, 200):
            writer.append(fill(number))
            writer.append(event(number))
        await wait_until(lambda: writer.tally.trouble != "", "the trouble's name")
        assert await writer.drain(LONG_S), writer.tally
        await both_complete(store, 200)
    await store.aclose()


async def both_complete(store: Redis, count: int) -> None:
    assert await trades(store) == [*range(count)]
    assert await column(store, KEYS.events, "text") == [(str(number),) for number in range(count)]
