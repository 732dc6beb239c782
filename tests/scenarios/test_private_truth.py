"""What a bot may rely on about its own account, told as a story of a bridge that is killed twice.

The exchange is a simulator whose account does only what it is told; the bridge is the real program.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bridge.simulator import Scenario, Simulator
from bridge.store import client, reader
from bridge.store.desired import Desired
from bridge.store.keys import Keys
from bridge.values import Secret
from tests.scenarios.stage import Program
from tests.support import wait_until

KEYS = Keys()
BUY_OPEN_LONG, SELL_CLOSE_LONG = 1, 3


@dataclass
class Stage:
    """A simulated exchange, the bridge as a program, and Redis between the bridge and us."""

    exchange: Simulator
    bridge: Program
    store: Redis

    async def read(self, stream: str) -> list[dict[str, str]]:
        """All of a stream, as a bot would read it."""
        return [fields for _, fields in await reader.newest(self.store, stream, 1_000)]

    async def until_marked(self, times: int) -> None:
        """Wait until so many markers stand in each of the three streams."""

        async def so() -> bool:
            streams = [await self.read(stream) for stream in (KEYS.orders, KEYS.fills, KEYS.positions)]
            return all(sum(entry["type"] == "resync" for entry in entries) >= times for entries in streams)

        await wait_until(so, f"marker {times}; the bridge said:\n{self.bridge.text}", 20)

    async def until_length(self, stream: str, length: int) -> None:
        """Wait until a stream has so many entries."""

        async def so() -> bool:
            return await self.store.xlen(stream) >= length

        await wait_until(so, f"{length} entries in {stream}")


@pytest.fixture
async def stage(tmp_path: Path, valkey_url: str) -> AsyncIterator[Stage]:
    async with Simulator(Scenario(trading=False)) as exchange:
        account = exchange.scenario
        environment = {
            "REDIS_URL": valkey_url,
            "BITMART_PUBLIC_WS_URI": exchange.public_ws_uri,
            "BITMART_PRIVATE_WS_URI": exchange.private_ws_uri,
            "BITMART_REST_URI": exchange.rest_uri,
            "BITMART_API_KEY": account.api_key,
            "BITMART_API_SECRET": account.api_secret,
            "BITMART_API_MEMO": account.api_memo,
        }
        store = client.commands(Secret(valkey_url))
        bridge = Program("bridge", tmp_path, environment, "ingest")
        try:
            yield Stage(exchange, bridge, store)
        finally:
            bridge.kill()
            await store.aclose()


async def test_a_bot_that_reads_the_streams_misses_nothing_however_often_the_bridge_dies(stage: Stage) -> None:
    """Private truth."""
    # A marker is an entry of its own in each of the streams; who reads it knows that nothing is missing.
    account = stage.exchange.account

    # Before the bridge starts for the first time the account holds 5 contracts; how it came by them is history.
    earlier = account.submit("BTCUSDT", BUY_OPEN_LONG, 5)
    account.fill(earlier, 5, "60000")

    # The bridge logs in, reads what is open and says so: no older history, one position, a marker in each stream.
    await Desired(stage.store, KEYS).change("shared", add=["futures/order", "futures/position"])
    stage.bridge.start()
    await stage.until_marked(1)
    assert [entry["type"] for entry in await stage.read(KEYS.fills)] == ["resync"]
    assert [(e["type"], e.get("size")) for e in await stage.read(KEYS.positions)] == [
        ("position", "5"),
        ("resync", None),
    ]

    # An order is submitted and partly filled while the bridge listens: the socket tells it.
    order_id = account.submit("BTCUSDT", BUY_OPEN_LONG, 10, price="59000")
    account.fill(order_id, 4, "59000")
    await stage.until_length(KEYS.fills, 2)
    await stage.until_length(KEYS.positions, 3)

    # The bridge dies without a word. Meanwhile the order is filled in two matches, another comes and goes, and the
    # position is closed.
    stage.bridge.kill()
    account.sweep(order_id, [(1, "59000"), (5, "58999.5")])
    forgotten = account.submit("BTCUSDT", BUY_OPEN_LONG, 1, price="100")
    account.cancel(forgotten)
    closing = account.submit("BTCUSDT", SELL_CLOSE_LONG, 15)
    account.fill(closing, 15, "61000")
    told = {stream: await stage.read(stream) for stream in (KEYS.orders, KEYS.fills, KEYS.positions)}

    # It starts again. What follows what was told already is just what was missed, then the marker.
    stage.bridge.start()
    await stage.until_marked(2)
    missed = {stream: (await stage.read(stream))[len(entries) :] for stream, entries in told.items()}
    for stream, entries in told.items():
        assert (await stage.read(stream))[: len(entries)] == entries
        assert missed[stream].pop()["type"] == "resync"
    assert {(entry["order_id"], entry["status"]) for entry in missed[KEYS.orders]} == {
        (order_id, "filled"),
        (forgotten, "canceled"),
        (closing, "filled"),
    }
    assert [(entry["order_id"], entry["size"], entry["price"]) for entry in missed[KEYS.fills]] == [
        (order_id, "1", "59000"),
        (order_id, "5", "58999.5"),
        (closing, "15", "61000"),
    ]
    assert [(entry["symbol"], entry["size"]) for entry in missed[KEYS.positions]] == [("BTCUSDT", "0")]

    # It dies once more, and nothing happens meanwhile: nothing is appended but the marker.
    stage.bridge.kill()
    told = {stream: await stage.read(stream) for stream in told}
    stage.bridge.start()
    await stage.until_marked(3)
    for stream, entries in told.items():
        assert [entry["type"] for entry in (await stage.read(stream))[len(entries) :]] == ["resync"]
