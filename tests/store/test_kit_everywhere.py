"""The kit's readers by the URLs that the bridge itself uses: a primary that sentinels name, and a cluster."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from bridge.consumer import (
    AsyncGroupReader,
    AsyncReader,
    ConsumerError,
    GroupReader,
    HashPositions,
    Reader,
    connect,
    connect_async,
    history,
)
from bridge.store.embedded.server import EmbeddedServer
from tests.consumer.support import KEYS, candle, numbers, put, put_closed, put_orders, taken
from tests.consumers.support import sample
from tests.store.certificates import issued
from tests.store.clusters import SERVICE, Cluster, Watched
from tests.store.processes import HOST, own_port, settled
from tests.store.support import POSITION
from tests.support import wait_until

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
STREAMS = [KEYS.klines(symbol, "1m") for symbol in SYMBOLS]
LONG_S = 60
LAST = 6


def followed(reader: Reader | GroupReader, got: list[str]) -> Callable[[], None]:
    """Read orders in a thread of its own until the last one; return what waits for that."""

    def follow() -> None:
        with reader:
            for entry in reader:
                got.extend(numbers([entry]))
                if got[-1] == str(LAST):
                    return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    return lambda: thread.join(LONG_S)


async def follow(reader: AsyncReader | AsyncGroupReader, got: list[str]) -> None:
    """Read orders until the last one."""
    async with reader:
        async for entry in reader:
            got.extend(numbers([entry]))
            if got[-1] == str(LAST):
                return


async def test_every_reader_follows_the_primary_that_the_sentinels_name(watched: Watched) -> None:
    url, primary = watched.url, watched.primary
    put_orders(primary.control, 3)
    read: list[list[str]] = [[], [], [], []]
    joins = [
        followed(Reader(url, KEYS.orders), read[0]),
        followed(GroupReader(url, KEYS.orders, "blocking"), read[1]),
    ]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(follow(AsyncReader(url, KEYS.orders), read[2]))
        tasks.create_task(follow(AsyncGroupReader(url, KEYS.orders, "awaiting"), read[3]))
        await wait_until(lambda: all(len(got) == 3 for got in read), f"three orders by each; {read}", 20)
        await asyncio.to_thread(settled, lambda: primary.control.wait(1, 1000) == 1, "the replica's copy")
        watched.sentinels[0].control.execute_command("SENTINEL", "FAILOVER", SERVICE)
        await wait_until(lambda: watched.primary is not primary, "another primary", LONG_S)
        await asyncio.to_thread(
            settled, lambda: watched.primary.control.role()[0] == "master", "a primary that knows it is one", LONG_S
        )
        put_orders(watched.primary.control, 3, first=4)
    for join in joins:
        await asyncio.to_thread(join)
    # What was given and not acknowledged when the primary died may come to a group once more.
    assert [sorted(set(got)) for got in read] == [["1", "2", "3", "4", "5", "6"]] * 4


def test_a_primary_that_goes_on_answering_is_left_for_the_one_that_is_named(
    watched: Watched, valkey: EmbeddedServer, valkey_url: str
) -> None:
    sentinel = watched.sentinels[0]
    say = sentinel.control.execute_command
    say("SENTINEL", "MONITOR", "moving", HOST, valkey.port, 1)
    try:
        with connect(valkey_url) as before, connect(f"redis+sentinel://{sentinel.address}/moving") as client:
            put_orders(before, 1)
            assert client.xlen(KEYS.orders) == 1
            say("SENTINEL", "REMOVE", "moving")
            say("SENTINEL", "MONITOR", "moving", HOST, watched.primary.port, 1)
            settled(lambda: client.xlen(KEYS.orders) == 0, "an answer by the other")
            assert before.xlen(KEYS.orders) == 1
    finally:
        say("SENTINEL", "REMOVE", "moving")


async def test_the_same_for_asyncio(watched: Watched, valkey: EmbeddedServer, valkey_url: str) -> None:
    sentinel = watched.sentinels[0]
    say = sentinel.control.execute_command
    say("SENTINEL", "MONITOR", "moving", HOST, valkey.port, 1)
    client = connect_async(f"redis+sentinel://{sentinel.address}/moving")
    try:
        with connect(valkey_url) as before:
            put_orders(before, 1)
        assert await client.xlen(KEYS.orders) == 1
        say("SENTINEL", "REMOVE", "moving")
        say("SENTINEL", "MONITOR", "moving", HOST, watched.primary.port, 1)

        async def left() -> bool:
            return int(await client.xlen(KEYS.orders)) == 0

        await wait_until(left, "an answer by the other", 20)
    finally:
        await client.aclose()
        say("SENTINEL", "REMOVE", "moving")


async def test_sentinels_get_their_own_password_and_the_server_its_own(watched: Watched) -> None:
    sentinel, server = watched.sentinels[2], watched.primary
    put_orders(server.control, 1)
    server.control.execute_command("ACL", "SETUSER", "bot", "on", ">of-the-server", "+@all", "~*")
    sentinel.control.execute_command("ACL", "SETUSER", "watcher", "on", ">of-the-sentinel", "+@all")
    sentinel.control.execute_command("ACL", "SETUSER", "default", "off")
    own = "sentinel_username=watcher&sentinel_password=of-the-sentinel"
    url = f"redis+sentinel://bot:of-the-server@{sentinel.address}/{SERVICE}?{own}"
    try:
        with connect(url) as client:
            assert client.acl_whoami() == "bot"
            assert numbers(taken(Reader(client, KEYS.orders), 1)) == ["1"]
        awaiting = connect_async(url)
        assert await awaiting.acl_whoami() == "bot"
        await awaiting.aclose()
    finally:
        sentinel.control.execute_command("ACL", "SETUSER", "default", "on")  # by the connection that it let in
        server.control.execute_command("ACL", "DELUSER", "bot")


async def test_readers_merge_the_slots_of_a_cluster(cluster: Cluster) -> None:
    with connect(cluster.url) as client:
        for minute in (1, 2):
            for symbol, stream in zip(SYMBOLS, STREAMS, strict=True):
                put(client, stream, candle(minute, symbol=symbol))
        with Reader(cluster.url, STREAMS, positions=HashPositions("bot")) as reader:
            assert {entry.stream for entry in taken(reader, 6)} == set(STREAMS)
            reader.save()
            put(client, STREAMS[2], candle(3, symbol=SYMBOLS[2]))
            assert taken(reader, 1)[0].stream == STREAMS[2]
        with GroupReader(cluster.url, STREAMS, "bot") as group:
            assert len({entry.stream for entry in taken(group, 7)}) == 3
            group.save()
        assert client.xpending(STREAMS[0], "bot")["pending"] == 0
        put_closed(client, 1, 2)
        assert len(history(client, "BTCUSDT", "1m", 5)) == 2
    async with AsyncReader(cluster.url, STREAMS) as awaiting:
        assert {(await anext(awaiting)).stream for _ in range(7)} == set(STREAMS)


async def test_every_reader_goes_on_in_a_cluster_whose_primary_is_replaced(cluster: Cluster) -> None:
    url, primary = cluster.url, cluster.primary(KEYS.orders)
    with connect(url) as client:
        put_orders(client, 3)
        read: list[list[str]] = [[], [], []]
        joins = [
            followed(Reader(url, KEYS.orders), read[0]),
            followed(GroupReader(url, KEYS.orders, "blocking"), read[1]),
        ]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(follow(AsyncReader(url, KEYS.orders), read[2]))
            await wait_until(lambda: all(len(got) == 3 for got in read), f"three orders by each; {read}", 20)
            await asyncio.to_thread(settled, lambda: primary.control.wait(1, 1000) == 1, "the replica's copy")
            replica = cluster.replica(primary)
            primary.kill()
            replica.control.execute_command("CLUSTER", "FAILOVER", "TAKEOVER")  # as it would by itself, after seconds
            await wait_until(
                lambda: cluster.primary_or_none(KEYS.orders) not in (None, primary), "another primary", LONG_S
            )
            put_orders(cluster.primary(KEYS.orders).control, 3, first=4)
        for join in joins:
            await asyncio.to_thread(join)
    assert [sorted(set(got)) for got in read] == [["1", "2", "3", "4", "5", "6"]] * 3


async def test_a_cluster_none_of_whose_nodes_answers_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncReader(f"redis+cluster://{HOST}:{own_port()}", KEYS.orders) as reader:
        reading = asyncio.ensure_future(anext(reader))
        await wait_until(lambda: "reading waits: Redis Cluster cannot be connected" in caplog.text, "it waits", 20)
        reading.cancel()
        await asyncio.wait([reading])


@pytest.mark.parametrize("place", ["watched", "cluster"])
async def test_the_samples_with_the_kit_run_there_too(
    place: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url: str = request.getfixturevalue(place).url
    with connect(url) as client:
        put_orders(client, 1)
        put(client, KEYS.positions, POSITION)
        put_closed(client, 1, 2)
    lines: tuple[tuple[str | Path, ...], ...] = (
        ("kit_journal.py", "--db", tmp_path / "kit.db"),
        ("moving_average.py", "BTCUSDT", "1m"),
        ("record_candles.py", "BTCUSDT", "1m", "--to", tmp_path / "candles"),
        ("position_alert.py",),
    )
    async with AsyncExitStack() as open_now:
        for running in [
            await open_now.enter_async_context(sample(str(name), *words, url=url)) for name, *words in lines
        ]:
            await running.says(1)
            assert running.errors == []


@pytest.mark.skipif("STORE_SERVER" not in os.environ, reason="the wheel's server speaks no TLS; redis-server does")
async def test_by_tls_certificates_are_checked_in_a_cluster_too(tmp_path: Path) -> None:
    files = issued(tmp_path)
    with Cluster(tmp_path / "cluster", files) as cluster:
        url = f"rediss+cluster://{HOST}:{cluster.tls_ports[0]},{HOST}:{cluster.tls_ports[1]}"
        with connect(f"{url}?ssl_ca_certs={files.authority}") as client:
            put_orders(client, 1)
            assert numbers(taken(Reader(client, KEYS.orders), 1)) == ["1"]
        async with AsyncReader(f"{url}?ssl_ca_certs={files.authority}", KEYS.orders) as reader:
            assert numbers([await anext(reader)]) == ["1"]
        with pytest.raises(Exception, match="certificate verify failed"):
            connect(url)


@pytest.mark.parametrize("make", [connect, connect_async])
@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://127.0.0.1", "a URL that begins with redis://"),
        ("redis+sentinel://127.0.0.1", "the service's name"),
        ("redis+cluster://127.0.0.1/1", "a cluster has only number 0"),
    ],
)
def test_a_url_that_is_none_is_refused_at_once(make: Callable[[str], Any], url: str, told: str) -> None:
    with pytest.raises(ConsumerError, match=told):
        make(url)
