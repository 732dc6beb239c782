"""The whole bridge on a Redis Cluster: wishes, candles and the account, and a primary that dies meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bridge.store import client, reader
from bridge.store.keys import Keys
from bridge.values import Secret
from tests.scenarios.stage import Api, Program
from tests.store.clusters import Cluster
from tests.store.processes import Server, own_port
from tests.support import wait_until

if TYPE_CHECKING:
    from redis.asyncio import Redis

KEYS = Keys()
SYMBOLS = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
TOPICS = {f"futures/klineBin1m:{symbol}" for symbol in SYMBOLS} | {"futures/order", "futures/position"}
MINUTE_MS = 60_000
QUICK = {
    "SUBSCRIBE_DELAY_MS": "20",
    "CONNECT_DELAY_MS": "20",
    "RECONCILE_INTERVAL_S": "0.5",
    "SEED_CANDLES": "3",
}


@dataclass
class Stage:
    """A bridge in pieces on a cluster."""

    cluster: Cluster
    ingester: Program
    api: Api
    store: Redis


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    exchange_port, control_port = own_port(), own_port()
    address = f"127.0.0.1:{exchange_port}"
    with Cluster(tmp_path / "cluster") as cluster:
        environment = {
            **QUICK,
            "REDIS_URL": cluster.url,
            "CTRL_ADDR": f"127.0.0.1:{control_port}",
            "BITMART_PUBLIC_WS_URI": f"ws://{address}/api?protocol=1.1",
            "BITMART_PRIVATE_WS_URI": f"ws://{address}/user?protocol=1.1",
            "BITMART_REST_URI": f"http://{address}",
            "BITMART_API_KEY": "simulator-key",
            "BITMART_API_SECRET": "simulator-secret",
            "BITMART_API_MEMO": "simulator-memo",
        }
        exchange = Program("exchange", tmp_path, {}, "simulate", "--port", str(exchange_port), "--rate", "40")
        ingester = Program("ingester", tmp_path, environment, "ingest")
        control = Program("control", tmp_path, environment, "control")
        api = Api(f"http://127.0.0.1:{control_port}")
        store = client.commands(Secret(cluster.url))
        for program in (exchange, ingester, control):
            program.start()
        try:
            await wait_until(api.up, "the control API answers", 20)
            yield Stage(cluster, ingester, api, store)
        finally:
            for program in (control, ingester, exchange):
                program.kill()
            await api.close()
            await store.aclose()


async def test_a_bridge_on_a_cluster_serves_its_wishes_while_a_primary_dies(stage: Stage) -> None:
    """A primary may be replaced."""
    told = await stage.api.post("/klines/subscribe?wait=active&timeout=20", {"symbols": SYMBOLS, "tfs": "1m"})
    assert told["ok"], told
    assert (await stage.api.post("/orders/subscribe"))["ok"]
    assert (await stage.api.post("/positions/subscribe"))["ok"]
    await wait_until(lambda: stage.api.active(TOPICS), "everything is served", 30)
    await wait_until(lambda: grown(stage, 5), "closed candles of each symbol", 30)

    reached = max([len(await opens(stage, symbol)) for symbol in SYMBOLS]) + 8
    stage.cluster.primary(KEYS.klines("BTCUSDT", "1m")).kill()
    # As soon as the cluster has replaced it, all goes on, what came meanwhile included.
    await wait_until(lambda: grown(stage, reached), f"closed candles go on; {stage.ingester.text}", 90)
    await wait_until(lambda: stage.api.active(TOPICS), "everything is served", 60)
    for symbol in SYMBOLS:
        held = await opens(stage, symbol)
        assert {late - early for early, late in pairwise(held)} == {MINUTE_MS}, symbol
    assert (await stage.api.post("/orders/unsubscribe"))["ok"]
    await wait_until(lambda: stage.api.active(TOPICS - {"futures/order"}), "one wish less", 30)
    assert await stage.ingester.stop() == 0


async def test_a_url_of_the_wrong_kind_ends_an_ingester_with_what_to_write(tmp_path: Path, valkey_url: str) -> None:
    with Server(tmp_path / "node", cluster_enabled="yes", cluster_port=str(own_port())) as node:
        alone = valkey_url.replace("redis://", "redis+cluster://")
        for number, (url, told) in enumerate(((node.url, "redis+cluster://"), (alone, "redis://"))):
            program = Program(f"ingester-{number}", tmp_path, {"REDIS_URL": url}, "ingest")
            program.start()
            assert await program.ended() == 2
            assert f"REDIS_URL must begin with {told}" in program.text


async def grown(stage: Stage, count: int) -> bool:
    """Whether each symbol has so many closed candles."""
    try:
        return min([len(await opens(stage, symbol)) for symbol in SYMBOLS]) >= count
    except client.Unreachable:
        return False


async def opens(stage: Stage, symbol: str) -> list[int]:
    entries = await reader.newest(stage.store, KEYS.closed_klines(symbol, "1m"), 1_000)
    return [int(entry_id.partition("-")[0]) for entry_id, _ in entries]
