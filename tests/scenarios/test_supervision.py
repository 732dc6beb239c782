"""Those who watch the bridge from outside: a real Prometheus, and a service manager's socket."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bridge.simulator import Simulator
from bridge.store.embedded.server import EmbeddedServer
from tests.children import Child
from tests.ingest.rig import market
from tests.scenarios.stage import ROOT, Program
from tests.store.processes import own_port
from tests.support import wait_until

TOKEN = "a-token-of-the-tests"
GUIDE = ROOT / "docs" / "watch.md"


def surroundings(exchange: Simulator, redis: str, **more: str) -> dict[str, str]:
    return {
        "REDIS_URL": redis,
        "HEARTBEAT_INTERVAL_S": "0.2",
        "RECONCILE_INTERVAL_S": "0.5",
        "BITMART_PUBLIC_WS_URI": exchange.public_ws_uri,
        "BITMART_PRIVATE_WS_URI": exchange.private_ws_uri,
        "BITMART_REST_URI": exchange.rest_uri,
        "CTRL_ADDR": "127.0.0.1:0",
        **more,
    }


@contextmanager
def playing(*programs: Program) -> Iterator[None]:
    for program in programs:
        program.start()
    try:
        yield
    finally:
        for program in programs:
            program.kill()


@asynccontextmanager
async def prometheus(folder: Path, configuration: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A Prometheus of our own, its data in `folder`."""
    server = shutil.which("prometheus")
    if server is None:
        pytest.skip("prometheus is not installed: a real scrape is left out")
    (folder / "prometheus.yml").write_text(configuration, encoding="utf-8")
    address = f"127.0.0.1:{own_port()}"
    with (folder / "prometheus.out").open("ab") as output:
        process = Child[bytes](
            [
                server,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address={address}",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        async with httpx2.AsyncClient(base_url=f"http://{address}", timeout=20) as http:
            yield http
    finally:
        process.kill()
        process.wait()


def configured(token: Path, api: str, ingester: str) -> str:
    """What the guide tells people to write, but for the hurry, the token's file and the addresses."""
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    changes = {
        "15s": "500ms",
        "/etc/prometheus/bitmart-bridge.token": str(token),
        "127.0.0.1:8089": api,
        "127.0.0.1:9108": ingester,
    }
    for theirs, ours in changes.items():
        assert theirs in block
        block = block.replace(theirs, ours)
    return str(block)


async def asked(http: httpx2.AsyncClient, query: str) -> list[dict[str, Any]]:
    """What Prometheus answers to a query; nothing while it doesn't answer at all."""
    try:
        answer = await http.get("/api/v1/query", params={"query": query})
        return list(answer.json()["data"]["result"])
    except (httpx2.HTTPError, ValueError, KeyError):
        return []


async def test_a_real_prometheus_finds_what_it_comes_for(tmp_path: Path, valkey_url: str) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN, encoding="utf-8")
    async with market() as exchange:
        environment = surroundings(exchange, valkey_url, METRICS_ADDR="127.0.0.1:0", CTRL_TOKEN=TOKEN)
        with playing(bridge := Program("bridge", tmp_path, environment, "up")):
            await bridge.says("/metrics", 60)
            (ingester,) = re.findall(r"http://(\S+)/metrics", bridge.text)
            (api,) = re.findall(r"Control +http://(\S+)", bridge.text)
            async with httpx2.AsyncClient() as caller:
                shown = {"Authorization": f"Bearer {TOKEN}"}
                wish = json.dumps({"symbols": "*", "tfs": ["1m"]})
                subscribe = f"http://{api}/klines/subscribe"
                assert (await caller.post(subscribe, content=wish, headers=shown)).is_success
                assert (await caller.get(f"http://{ingester}/metrics")).status_code == 401
            async with prometheus(tmp_path, configured(token, api, ingester)) as http:
                await scraped(http)
            assert TOKEN not in bridge.text


async def scraped(http: httpx2.AsyncClient) -> None:
    """Wait until Prometheus has seen at both doors what is to be seen there."""

    async def seen(query: str, count: int) -> bool:
        return len(await asked(http, query)) == count

    await wait_until(lambda: seen("up == 1", 2), "both doors are scraped without an error", 60)
    flowing = 'rate(bitmart_bridge_entries_total{kind="kline"}[1m]) > 0'
    await wait_until(lambda: seen(flowing, 2), "candles flow, seen at both doors", 60)
    late = "histogram_quantile(0.5, rate(bitmart_bridge_append_latency_seconds_bucket[1m])) < 10"
    await wait_until(lambda: seen(late, 2), "half of the flushes are readable soon", 60)
    await wait_until(lambda: seen("bitmart_bridge_members == 1", 1), "the API tells of the member", 60)


async def test_a_service_manager_is_told_from_the_first_moment_to_the_last(tmp_path: Path) -> None:
    """A service manager is told."""
    redis = EmbeddedServer(tmp_path / "redis", port=own_port(), persistent=False)
    async with market() as exchange:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(str(tmp_path / "notify"))
            listener.settimeout(0)
            heard: list[str] = []

            def hear() -> None:
                heard.extend(listener.recv(4_096).decode().splitlines())

            def told(line: str, times: int = 1) -> bool:
                return heard.count(line) >= times

            # Like a service manager it listens all the time: what finds no room in the socket is not said again.
            asyncio.get_running_loop().add_reader(listener, hear)
            await redis.start()
            url = redis.url
            await redis.stop()
            told_to = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
            environment = surroundings(exchange, url, **told_to)
            ingester = Program("ingester", tmp_path, environment, "ingest")
            control = Program("control", tmp_path, environment, "control")
            try:
                with playing(ingester, control):
                    await wait_until(lambda: told("READY=1"), "the control API is ready without Redis", 60)
                    await wait_until(lambda: told("STATUS=waits for Redis"), "the ingester waits", 60)
                    await wait_until(lambda: told("EXTEND_TIMEOUT_USEC=30000000", 2), "and asks for time", 60)
                    await redis.start()
                    await wait_until(lambda: told("READY=1", 2), "the ingester is ready", 60)
                    enough = heard.count("WATCHDOG=1") + 6
                    await wait_until(lambda: told("WATCHDOG=1", enough), "both are alive", 60)
                    assert await ingester.stop() == 0
                    await wait_until(lambda: told("STOPPING=1"), "the ingester has said that it stops")
                    assert await control.stop() == 0
                    await wait_until(lambda: told("STOPPING=1", 2), "and so has the control API")
            finally:
                asyncio.get_running_loop().remove_reader(listener)
                await redis.stop()
