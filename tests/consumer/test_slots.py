"""Streams of several slots, on a cluster: a real server that refuses commands that cross slots."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis

from bridge.consumer import AsyncReader, GroupReader, HashPositions, Reader, connect, connect_async
from bridge.consumer.slots import together
from bridge.store.embedded import find_binary
from tests.children import guarded
from tests.consumer.support import KEYS, candle, put, taken
from tests.store.servers import own_port
from tests.support import wait_until

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
STREAMS = [KEYS.klines(symbol, "1m") for symbol in SYMBOLS]


def answers(port: int) -> bool:
    """Tell whether a server serves all slots at a port, after giving them to it."""
    try:
        with redis.Redis(port=port, decode_responses=True) as client:
            if not client.cluster("INFO")["cluster_slots_assigned"].startswith("16384"):
                client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16_383)
            return bool(client.cluster("INFO")["cluster_state"] == "ok")
    except redis.ConnectionError:
        return False


@pytest.fixture
async def cluster_url(tmp_path: Path) -> AsyncIterator[str]:
    """A cluster of one node."""
    port, bus = own_port(), own_port()
    words = ("--port", port, "--cluster-port", bus, "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--save", "")
    with guarded([find_binary(), *words, "--dir", tmp_path]) as (command, listening):
        process = await asyncio.create_subprocess_exec(*command, stdin=listening, stdout=asyncio.subprocess.DEVNULL)
        try:
            await wait_until(lambda: answers(port), "a cluster that serves all slots", 30)
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.terminate()
            await process.wait()


def test_in_a_cluster_only_streams_of_one_slot_are_read_together() -> None:
    frames = [KEYS.klines(symbol, frame) for symbol in SYMBOLS for frame in ("1m", "5m")]
    assert together(frames, cluster=False) == [tuple(frames)]
    assert together(frames, cluster=True) == [tuple(frames[0:2]), tuple(frames[2:4]), tuple(frames[4:6])]
    assert together([KEYS.orders, KEYS.fills, KEYS.positions], cluster=True) == [
        (KEYS.orders, KEYS.fills, KEYS.positions)
    ]


async def test_readers_merge_the_slots_of_a_cluster(cluster_url: str) -> None:
    with connect(cluster_url, cluster=True) as client:
        for minute in (1, 2):
            for symbol, stream in zip(SYMBOLS, STREAMS, strict=True):
                put(client, stream, candle(minute, symbol=symbol))
        with Reader(client, STREAMS, positions=HashPositions("bot")) as reader:
            entries = taken(reader, 6)
            reader.save()
            assert {entry.stream for entry in entries} == set(STREAMS)
            put(client, STREAMS[2], candle(3, symbol=SYMBOLS[2]))
            assert taken(reader, 1)[0].stream == STREAMS[2]
        with GroupReader(client, STREAMS, "bot") as group:
            assert len({entry.stream for entry in taken(group, 7)}) == 3
            group.save()
        assert client.xpending(STREAMS[0], "bot")["pending"] == 0
    waiting = connect_async(cluster_url, cluster=True)
    async with AsyncReader(waiting, STREAMS) as awaiting:
        assert {(await anext(awaiting)).stream for _ in range(7)} == set(STREAMS)
    await waiting.aclose()
