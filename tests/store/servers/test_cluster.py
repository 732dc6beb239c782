"""The client of a cluster: each command where its key is, wherever that goes, and nothing done twice."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from bridge.errors import StoreError
from bridge.redis_url import parse
from bridge.store import client
from bridge.store.servers.cluster import ClusterClient, key_slot_of
from bridge.store.servers.dial import Dial
from bridge.store.servers.topology import Topology, slot_of
from bridge.values import Secret
from tests.store.certificates import issued
from tests.store.clusters import Cluster
from tests.store.processes import HOST, settled
from tests.support import wait_until

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from bridge.store.embedded.server import EmbeddedServer

KEYS = [f"key:{number}" for number in range(40)]
LONG_S = 60


@pytest.fixture
async def spread(cluster: Cluster) -> AsyncIterator[Redis]:
    """A client of the cluster."""
    connected = client.commands(Secret(cluster.url))
    yield connected
    await connected.aclose()


async def test_each_command_finds_its_key(cluster: Cluster, spread: Redis) -> None:
    for key in KEYS:
        await spread.set(key, key)
    assert [await spread.get(key) for key in KEYS] == KEYS
    sizes = [node.control.dbsize() for node in cluster.nodes if node.control.role()[0] == "master"]
    assert (len(sizes), sum(sizes)) == (3, len(KEYS))
    assert min(sizes) > 0
    assert {key async for key in spread.scan_iter(match="key:*", count=5)} == set(KEYS)


async def test_a_pipeline_answers_in_its_order_whatever_nodes_it_goes_to(spread: Redis) -> None:
    async with spread.pipeline(transaction=False) as pipe:
        for key in KEYS:
            pipe.set(key, key)
            pipe.get(key)
        answers = await pipe.execute()
    assert answers == [answer for key in KEYS for answer in (True, key)]
    async with spread.pipeline(transaction=False) as pipe:
        assert await pipe.execute() == []
        for key in KEYS[:3]:
            pipe.incr(key)
        refusals = await pipe.execute(raise_on_error=False)
        assert all(isinstance(refusal, ResponseError) for refusal in refusals)
        pipe.incr(KEYS[0])
        with pytest.raises(ResponseError, match="not an integer"):
            await pipe.execute()


async def test_a_transaction_is_of_one_slot(spread: Redis) -> None:
    async with spread.pipeline(transaction=True) as pipe:
        pipe.incr("{a}:1")
        pipe.incr("{a}:2")
        assert await pipe.execute() == [1, 1]
        pipe.incr("a")
        pipe.incr("b")
        with pytest.raises(ResponseError, match="CROSSSLOT"):
            await pipe.execute()


async def test_a_slot_on_its_way_is_followed(cluster: Cluster, spread: Redis) -> None:
    keys = ["{moving}:1", "{moving}:2", "{moving}:new"]
    slot = slot_of(keys[0])
    source, aim = cluster.source_and_aim(keys[0])
    for key in keys[:2]:
        await spread.set(key, "0")
    cluster.move(slot, source, aim)
    source.control.migrate(HOST, aim.port, keys[0], 0, 5000)
    assert [await spread.incr(key) for key in keys] == [1, 1, 1]  # some by ASK
    async with spread.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.incr(key)
        assert await pipe.execute() == [2, 2, 2]
    # A command on keys of both nodes waits until they are together again.
    assert isinstance(spread, ClusterClient)
    topology, readings = spread.topology, spread.topology.readings
    both = asyncio.ensure_future(cast("Awaitable[list[str]]", spread.mget(keys[:2])))
    await wait_until(lambda: topology.readings > readings, "doubt about the map")
    assert not both.done()
    source.control.migrate(HOST, aim.port, keys[1], 0, 5000)
    assert await both == ["2", "2"]
    async with spread.pipeline(transaction=True) as pipe:
        for key in keys:
            pipe.incr(key)
        assert await pipe.execute() == [3, 3, 3]
    cluster.hand_over(slot, aim)
    assert [await spread.incr(key) for key in keys] == [4, 4, 4]  # by MOVED
    async with spread.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.incr(key)
        assert await pipe.execute() == [5, 5, 5]


async def test_a_primary_may_die(cluster: Cluster, spread: Redis) -> None:
    dead = cluster.primary(KEYS[0])
    for key in KEYS:
        await spread.set(key, "0")
    settled(lambda: dead.control.wait(1, 1000) == 1, "the replica's copy")
    dead.kill()
    alive = next(key for key in KEYS if cluster.primary_or_none(key) is not None)
    assert await spread.incr(alive) == 1

    async def goes_on() -> bool:
        try:
            return bool(await spread.incr(KEYS[0]))
        except client.Unreachable:
            return False

    await wait_until(goes_on, "the replica in its primary's place", LONG_S)
    assert await spread.get(KEYS[0]) == "1"
    assert isinstance(spread, ClusterClient)
    assert (HOST, dead.port) not in await spread.topology.primaries()


async def test_what_was_sent_and_not_answered_is_not_sent_again(cluster: Cluster) -> None:
    node = cluster.primary("counter")
    hurried = ClusterClient(Dial(parse(cluster.url)), 1.5, decode_responses=True)
    await hurried.set("counter", "0")
    with node.frozen(), pytest.raises((RedisError, TimeoutError)):
        await hurried.incr("counter")
    # The node had it all the time, and does it now: once.
    await wait_until(lambda: node.control.get("counter") == "1", "the increment")
    assert await hurried.get("counter") == "1"
    await hurried.aclose()


async def test_a_map_is_read_again_only_when_there_is_doubt(cluster: Cluster) -> None:
    topology = Topology(Dial(parse(cluster.url)))
    for slot in range(100):
        assert (await topology.primary(slot))[1] in [node.port for node in cluster.nodes]
    assert topology.readings == 1
    topology.doubt()
    both = await asyncio.gather(topology.primary(0), topology.primary(1))
    assert len(set(both)) == 1
    assert topology.readings == 2


async def test_a_node_that_is_away_is_passed_over_for_the_map(cluster: Cluster) -> None:
    url = parse(f"redis+cluster://{HOST}:1,{cluster.nodes[4].address}")
    assert len(await Topology(Dial(url)).primaries()) == 3
    with pytest.raises(RedisConnectionError, match=f"no node of the cluster answers: {HOST}:1: .*Connect call failed"):
        await Topology(Dial(parse(f"redis+cluster://{HOST}:1"))).primaries()


async def test_one_server_is_no_cluster_and_a_node_is_not_alone(cluster: Cluster, valkey: EmbeddedServer) -> None:
    with pytest.raises(StoreError, match=r"^Redis is no cluster: REDIS_URL must begin with redis://"):
        await client.check(Secret(f"redis+cluster://{HOST}:{valkey.port}"))
    with pytest.raises(StoreError, match=r"^Redis is a node of a cluster: REDIS_URL must begin with redis\+cluster://"):
        await client.check(Secret(cluster.nodes[0].url))


@pytest.mark.skipif("STORE_SERVER" not in os.environ, reason="the wheel's server speaks no TLS; redis-server does")
async def test_nodes_are_found_by_tls(tmp_path: Path) -> None:
    files = issued(tmp_path)
    with Cluster(tmp_path / "cluster", tls=files) as cluster:
        url = f"rediss+cluster://{HOST}:{cluster.tls_ports[0]}?ssl_ca_certs={files.authority}"
        connected = client.commands(Secret(url))
        for key in KEYS:
            await connected.set(key, key)
        assert [await connected.get(key) for key in KEYS] == KEYS
        await connected.aclose()
        with pytest.raises(StoreError, match="do not agree on TLS"):
            await client.check(Secret(url.partition("?")[0]))


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (("GET", "a"), "a"),
        (("EVALSHA", "sha", 2, "a", "b", "c"), "a"),
        (("XREAD", "COUNT", 1, b"STREAMS", "a", "0"), "a"),
        (("PUBLISH", "a", "x"), "a"),
        (("INFO", "server"), None),
    ],
)
def test_a_commands_key_is_found(command: tuple[str, ...], key: str | None) -> None:
    assert key_slot_of(command) == (None if key is None else slot_of(key))
