"""A real bridge with a server of its own, a real simulated exchange, and a client of each door: all programs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import httpx2
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from tests.scenarios.stage import Program
from tests.store.processes import own_port
from tests.support import wait_until

QUICK: Final = {
    "RECONNECT_DELAY_S": "0.05",
    "RECONNECT_MAX_S": "0.1",
    "LOGIN_RETRY_S": "0.2",
    "REJECTED_RETRY_S": "0.5",
    "ACK_TIMEOUT_S": "0.5",
    "PING_INTERVAL_S": "0.3",
    "PONG_TIMEOUT_S": "3",
    "SUBSCRIBE_DELAY_MS": "0",
    "RECONCILE_INTERVAL_S": "0.2",
    "HEARTBEAT_INTERVAL_S": "0.1",
}
BTC: Final = "futures/klineBin1m:BTCUSDT"
ETH: Final = "futures/klineBin1m:ETHUSDT"
ORDER: Final = "futures/order"


@dataclass
class Stage:
    """A bridge at work, its exchange, and clients of its three doors."""

    folder: Path
    environment: Mapping[str, str]
    api: httpx2.AsyncClient
    simulator: httpx2.AsyncClient
    redis: Redis

    async def get(self, path: str) -> dict[str, Any]:
        """Return the JSON answer of the control API."""
        return cast("dict[str, Any]", (await self.api.get(path)).json())

    async def ingester(self) -> dict[str, Any]:
        """Return what the one ingester tells of itself."""
        return cast("dict[str, Any]", (await self.get("/status"))["ingesters"][0])

    async def topic(self, name: str) -> dict[str, Any]:
        """Return the state of a topic."""
        return cast("dict[str, Any]", (await self.get("/subscriptions")).get("states", {}).get(name, {}))

    async def is_active(self, name: str) -> bool:
        """Tell whether a topic is active."""
        return (await self.topic(name)).get("state") == "active"

    async def length(self, symbol: str = "BTCUSDT") -> int:
        """Return how many entries have ever been added to a symbol's stream."""
        return int((await self.redis.xinfo_stream(f"bitmart:klines:{{{symbol}}}:1m"))["entries-added"])

    async def grows(self, description: str) -> None:
        """Wait until an entry has come that wasn't there at the call."""
        before = await self.length()

        async def grown() -> bool:
            return await self.length() > before

        await wait_until(grown, f"entries come {description}")

    async def told(self, event: str) -> int:
        """Return how often an event has been told."""
        entries = cast("list[tuple[str, dict[str, str]]]", await self.redis.xrange("bitmart:events"))
        return sum(fields["event"] == event for _, fields in entries)

    @asynccontextmanager
    async def fault(self, **faults: str | int) -> AsyncIterator[None]:
        """Switch faults of the exchange on for a while."""
        off = {name: "" if isinstance(value, str) and not value.isdecimal() else 0 for name, value in faults.items()}
        (await self.simulator.get("/simulator/faults", params=faults)).raise_for_status()
        try:
            yield
        finally:
            (await self.simulator.get("/simulator/faults", params=off)).raise_for_status()

    async def cut(self, which: str) -> None:
        """Cut the exchange's sockets."""
        (await self.simulator.get("/simulator/cut", params={"which": which})).raise_for_status()


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Stage]:
    """Set the stage in a folder: wait until two candles and the orders are served, and end it as Ctrl-C does."""
    exchange = Program("exchange", folder, {}, "simulate", "--port", "0", "--rate", "20")
    exchange.start()
    try:
        await exchange.says("Faults:")
        environment = dict(re.findall(r"^(BITMART_\w+)=(\S+)$", exchange.text, re.MULTILINE))
        environment |= {**QUICK, "CTRL_ADDR": "127.0.0.1:0", "EMBEDDED_PORT": str(own_port()), "DATA_DIR": str(folder)}
        bridge = Program("bridge", folder, environment, "up")
        bridge.start()
        try:
            await bridge.says("Stop       Ctrl-C")
            async with (
                httpx2.AsyncClient(base_url=found(r"Control +(\S+)", bridge.text), timeout=20) as api,
                httpx2.AsyncClient(base_url=environment["BITMART_REST_URI"], timeout=20) as simulator,
                Redis.from_url(
                    found(r"Redis +(redis\S+)", bridge.text), decode_responses=True, retry=Retry(NoBackoff(), 1)
                ) as redis,
            ):
                wishes = {"klines": [{"symbols": ["BTCUSDT", "ETHUSDT"], "tfs": "1m"}], "orders": True}
                answer = await api.put("/subscriptions?wait=active&timeout=20", json=wishes)
                assert answer.status_code == 200, answer.text
                await wait_until(lambda: exists(redis), "the first entries")
                yield Stage(folder, environment, api, simulator, redis)
            assert await bridge.stop() == 0
            assert "Traceback" not in bridge.text
        finally:
            bridge.kill()
    finally:
        exchange.kill()


async def exists(redis: Redis) -> bool:
    return await redis.exists("bitmart:klines:{BTCUSDT}:1m", "bitmart:klines:{ETHUSDT}:1m") == 2


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, f"{pattern} in:\n{text}"
    return match.group(1)
