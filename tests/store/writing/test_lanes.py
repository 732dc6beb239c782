"""The writer's ways to a cluster: slots on the move, primaries that give way or die, and what nobody serves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from bridge.store import client
from bridge.store.servers.topology import slot_of
from bridge.store.writing.appends import Append
from bridge.store.writing.writer import Writer
from bridge.values import Secret
from tests.store.clusters import Cluster
from tests.store.processes import HOST, Server, settled
from tests.store.support import APPENDS, FILL, KEYS, KLINE, MINUTE_MS, OPEN_TIME, changed, column
from tests.store.writing.test_writer import drained, event, fill, made, running, trades
from tests.support import wait_until

if TYPE_CHECKING:
    from redis.asyncio import Redis

SYMBOLS = [f"COIN{number}USDT" for number in range(12)]
LONG_S = 60


@pytest.fixture
async def spread(cluster: Cluster) -> AsyncIterator[Redis]:
    """A client of the cluster."""
    connected = client.commands(Secret(cluster.url))
    yield connected
    await connected.aclose()


def candle(symbol: str, volume: int) -> Append:
    return APPENDS.of(changed(KLINE, symbol=symbol, open_time=OPEN_TIME + volume * MINUTE_MS, volume=str(volume)))


def feed(writer: Writer, numbers: range) -> None:
    """A fill, an event, and a candle of each symbol for each number."""
    for number in numbers:
        writer.append(fill(number))
        writer.append(event(number))
        for symbol in SYMBOLS:
            writer.append(candle(symbol, number))


async def complete(spread: Redis, count: int) -> None:
    """Every stream holds what `feed` gave, in order and once."""
    assert await trades(spread) == [*range(count)]
    assert await column(spread, KEYS.events, "text") == [(str(number),) for number in range(count)]
    for symbol in SYMBOLS:
        volumes = await column(spread, KEYS.klines(symbol, "1m"), "volume")
        assert volumes == [(str(number),) for number in range(count)]


async def test_each_entry_goes_to_the_node_that_serves_its_stream(cluster: Cluster, spread: Redis) -> None:
    async with running(made(cluster.url, batch=100)) as writer:
        feed(writer, range(50))
        await drained(writer)
    await complete(spread, 50)
    assert writer.tally.connections == 3
    assert (writer.tally.entries, writer.tally.repeats, writer.tally.refused) == (50 * 14, 0, 0)


async def test_a_slot_may_move_while_entries_flow(cluster: Cluster, spread: Redis) -> None:
    symbol = SYMBOLS[0]
    stream, beside = KEYS.klines(symbol, "1m"), KEYS.newest_kline(symbol, "1m")
    source, aim = cluster.source_and_aim(stream)
    async with running(made(cluster.url)) as writer:

        async def more(numbers: range) -> None:
            for number in numbers:
                writer.append(candle(symbol, number))
            await drained(writer)

        await more(range(50))
        cluster.move(slot_of(stream), source, aim)
        await more(range(50, 100))  # its keys are still where they were
        carry(source, aim, beside)
        for number in range(100, 150):
            writer.append(candle(symbol, number))
        # Half of the keys are here and half there: nobody can run a script on them.
        await wait_until(lambda: writer.tally.trouble != "", "a wait for the keys")
        carry(source, aim, stream)
        await drained(writer)
        await more(range(150, 200))  # by ASK, while the slot is still said to be where it was
        cluster.hand_over(slot_of(stream), aim)
        await more(range(200, 250))  # by MOVED
    assert await column(spread, stream, "volume") == [(str(number),) for number in range(250)]
    assert (writer.tally.entries, writer.tally.repeats, writer.tally.refused) == (250, 0, 0)


async def test_what_asks_for_a_key_that_is_not_there_yet_waits_until_its_slot_has_moved(
    cluster: Cluster, spread: Redis
) -> None:
    source, aim = cluster.source_and_aim(KEYS.fills)
    async with running(made(cluster.url)) as writer:
        feed(writer, range(50))
        await drained(writer)
        cluster.move(slot_of(KEYS.fills), source, aim)
        # Of an order nobody has heard, but its key is asked for: it might be at either node.
        feed(writer, range(50, 100))
        await wait_until(lambda: writer.depth == 50, "all but the executions written")
        assert writer.tally.trouble != ""
        for key in source.control.execute_command("CLUSTER", "GETKEYSINSLOT", slot_of(KEYS.fills), 100):
            carry(source, aim, key)
        cluster.hand_over(slot_of(KEYS.fills), aim)
        await drained(writer)
    await complete(spread, 100)


async def test_a_primary_may_give_way_to_its_replica_while_entries_flow(cluster: Cluster, spread: Redis) -> None:
    primary = cluster.primary(KEYS.fills)
    replica = cluster.replica(primary)
    async with running(made(cluster.url, batch=50)) as writer:
        feed(writer, range(100))
        replica.control.execute_command("CLUSTER", "FAILOVER")
        number = 100

        async def replaced() -> bool:
            nonlocal number
            feed(writer, range(number, number + 1))
            number += 1
            return bool(replica.control.role()[0] == "master")

        await wait_until(replaced, "the replica in its primary's place", LONG_S)
        feed(writer, range(number, number + 50))
        assert await writer.drain(LONG_S), writer.tally
    await complete(spread, number + 50)


async def test_a_primary_may_be_killed_and_what_the_cluster_kept_goes_on_in_order(
    cluster: Cluster, spread: Redis
) -> None:
    primary = cluster.primary(KEYS.fills)
    async with running(made(cluster.url)) as writer:
        feed(writer, range(50))
        await drained(writer)
        # What a primary acknowledges and takes with it before its replica has it, the cluster itself has lost.
        settled(lambda: primary.control.wait(1, 1000) == 1, "the replica's copy")
        primary.kill()
        for number in range(50, 100):
            feed(writer, range(number, number + 1))
            if number % 10 == 0:
                await wait_until(lambda: writer.tally.trouble != "" or writer.depth == 0, "the first failure")
        assert await writer.drain(LONG_S), writer.tally
    await complete(spread, 100)
    assert writer.tally.refused == 0


async def test_what_waits_for_one_node_holds_up_no_other(cluster: Cluster, spread: Redis) -> None:
    primary = cluster.primary(KEYS.fills)
    elsewhere = [symbol for symbol in SYMBOLS if cluster.primary(KEYS.klines(symbol, "1m")) is not primary]
    for node in cluster.nodes:
        node.control.config_set("cluster-require-full-coverage", "no")
    cluster.replica(primary).kill()
    primary.kill()
    async with running(made(cluster.url, batch=100)) as writer:
        for number in range(300):
            writer.append(fill(number))
        for number in range(100):
            for symbol in elsewhere:
                writer.append(candle(symbol, number))
        await wait_until(lambda: writer.depth == 300, "all but those of the dead node written", LONG_S)
        assert writer.tally.entries == 100 * len(elsewhere)
        primary.revive()
        assert await writer.drain(LONG_S), writer.tally
    assert await trades(spread) == [*range(300)]


async def test_scripts_that_a_node_forgot_are_brought_again(cluster: Cluster, spread: Redis) -> None:
    async with running(made(cluster.url)) as writer:
        feed(writer, range(5))
        await drained(writer)
        for node in cluster.nodes:
            node.control.script_flush()
        feed(writer, range(5, 10))
        await drained(writer)
    await complete(spread, 10)


async def test_a_key_of_another_kind_stops_no_other_entry_of_its_slot(cluster: Cluster, spread: Redis) -> None:
    await spread.set(KEYS.fills, "not a stream")
    async with running(made(cluster.url)) as writer:
        writer.append(fill(0))
        writer.append(APPENDS.of(changed(FILL, trade_id="1")))
        feed(writer, range(1))
        await drained(writer)
    assert writer.tally.refused == 3
    assert await column(spread, KEYS.events, "text") == [("0",)]


async def test_a_cluster_without_a_node_that_answers_is_waited_for() -> None:
    async with running(made(f"redis+cluster://{HOST}:1,{HOST}:2")) as writer:
        writer.append(fill(0))
        await wait_until(lambda: "no node of the cluster answers" in writer.tally.trouble, "the trouble's name")
        assert writer.depth == 1


def carry(source: Server, aim: Server, key: str) -> None:
    """Take a key to another node."""
    source.control.migrate(HOST, aim.port, key, 0, 5000)
