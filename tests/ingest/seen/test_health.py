"""Alive and ready, told by real ingesters in real trouble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bridge.ingest.ingester import Ingester
from bridge.simulator import Simulator
from bridge.store import client
from bridge.store.desired import Desired
from bridge.store.embedded.server import EmbeddedServer
from bridge.store.keys import Keys
from bridge.values import Secret
from tests.ingest.rig import BTC, NEVER_S, ORDERS, exchange_of, market, nobody, quick
from tests.support import wait_until

AWAY = "Redis is out of reach or refuses us"


@asynccontextmanager
async def ingesting(
    simulator: Simulator,
    url: str,
    *wishes: str,
    **changes: Any,  # noqa: ANN401 - settings
) -> AsyncIterator[Ingester]:
    if wishes:
        redis = client.commands(Secret(url))
        await Desired(redis, Keys()).change("shared", add=wishes)
        await redis.aclose()
    quickly = {"heartbeat_interval_s": 0.05, "reconcile_interval_s": 0.1, "redis_timeout_s": 2.0}
    settings = quick(simulator, **{"redis_url": Secret(url), **quickly, **changes})
    ingester = Ingester(settings, exchange_of(settings))
    task = asyncio.create_task(ingester.run())
    try:
        yield ingester
        ingester.stop()
        await asyncio.wait_for(task, 20)
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until_ready(ingester: Ingester) -> None:
    await wait_until(lambda: not ingester.health.hindered(), "it is ready")


async def test_an_ingester_that_serves_what_is_wanted_is_ready(valkey_url: str) -> None:
    async with market() as simulator, ingesting(simulator, valkey_url, BTC, ORDERS) as ingester:
        await until_ready(ingester)
        assert ingester.health.started()
        await wait_until(lambda: ingester.health.doing() == "serves 2 topics", "it says so")
        ingester.stop()
        assert "it was asked to stop" in ingester.health.hindered()
        assert ingester.health.ill() == []


async def test_one_with_nothing_to_do_is_ready_too(valkey_url: str) -> None:
    async with market() as simulator, ingesting(simulator, valkey_url) as ingester:
        await until_ready(ingester)
        assert "nothing is wished for yet" in ingester.health.doing()


async def test_a_start_without_redis_is_alive_and_neither_started_nor_ready() -> None:
    with nobody() as address:
        async with market() as simulator, ingesting(simulator, f"redis://{address}") as ingester:
            assert ingester.health.hindered() == ["Redis has not answered yet"]
            assert ingester.health.ill() == []
            assert not ingester.health.started()
            assert not ingester.health.redis_up()
            assert ingester.health.doing() == "waits for Redis"


async def test_redis_that_goes_away_is_a_reason_until_it_is_back(lasting: EmbeddedServer) -> None:
    async with market() as simulator, ingesting(simulator, lasting.url, BTC) as ingester:
        await until_ready(ingester)
        await lasting.stop()
        await wait_until(lambda: AWAY in ingester.health.hindered(), "Redis is missed")
        assert ingester.health.ill() == []
        assert ingester.health.started()
        assert not ingester.health.redis_up()
        await lasting.start()
        await until_ready(ingester)


async def test_an_exchange_that_is_away_is_a_reason_where_something_is_wanted(valkey_url: str) -> None:
    async with market() as simulator, ingesting(simulator, valkey_url, BTC, reconnect_max_s=NEVER_S) as ingester:
        await until_ready(ingester)
        simulator.faults.http_403_on_connect = True
        simulator.faults.cut_once = True

        def told() -> bool:
            return any(reason.startswith("no public connection is open") for reason in ingester.health.hindered())

        await wait_until(told, "the connection is missed")
        assert ingester.health.redis_up()
        assert ingester.health.ill() == []


async def test_a_heartbeat_that_stands_still_is_what_a_restart_would_mend(valkey_url: str) -> None:
    async with market() as simulator, ingesting(simulator, valkey_url) as ingester:
        await until_ready(ingester)
        heartbeat = ingester.health.heartbeat
        report, hanging, hung = heartbeat.report, asyncio.Event(), asyncio.Event()

        async def hang(*, topics: bool = True) -> None:
            hung.set()
            await hanging.wait()
            await report(topics=topics)

        heartbeat.report = hang  # type: ignore[method-assign]  # stands for a command that never returns
        await hung.wait()
        heartbeat.turned_at = asyncio.get_running_loop().time() - 61
        assert ingester.health.ill() == ["the heartbeat has stood still for 61 s"]
        assert ingester.health.ill()[0] in ingester.health.hindered()
        hanging.set()
        await wait_until(lambda: ingester.health.ill() == [], "it turns again")
