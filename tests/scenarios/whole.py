"""A whole bridge, as `bitmart-bridge up` runs it, and the doors that its users go through.

It runs in the test's own process, which makes a scene cheap. The simulated exchange has real sockets, the store is a
real server, the control API is called by real HTTP.
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import io
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import httpx2
from redis.asyncio import Redis

from bridge import app
from bridge.settings import Settings
from bridge.simulator import Simulator
from bridge.simulator.recorded.replay import Replay
from bridge.store import client, reader
from bridge.terminal.printing import Printer
from bridge.values import Secret
from tests.ingest.rig import NEVER_S, market, quick
from tests.support import wait_until

BTC: Final = "futures/klineBin1m:BTCUSDT"
ETH: Final = "futures/klineBin1m:ETHUSDT"
ORDERS: Final = "futures/order"
POSITIONS: Final = "futures/position"
LIVE: Final = "bitmart:klines:{BTCUSDT}:1m"
CLOSED: Final = "bitmart:klines:{BTCUSDT}:1m:closed"
EVENTS: Final = "bitmart:events"
PATIENCE_S: Final = 20
_DOOR: Final = re.compile(r"Control +(http\S+)")

__all__ = [
    "BTC",
    "CLOSED",
    "ETH",
    "EVENTS",
    "LIVE",
    "ORDERS",
    "POSITIONS",
    "Whole",
    "joined",
    "market",
    "noted",
    "whole",
]
Fields = dict[str, str]


@dataclass
class Whole:
    """A bridge at work, and all that a user of it sees.

    Attributes:
        exchange: the simulated exchange.
        settings: what the bridge was started with.
        http: a client of the control API.
        redis: a client of the store.
        running: the bridge; done when it has ended.
    """

    exchange: Simulator
    settings: Settings
    http: httpx2.AsyncClient
    redis: Redis
    running: asyncio.Task[None]

    async def post(self, path: str, **body: Any) -> httpx2.Response:  # noqa: ANN401 - any JSON
        """Do what `curl -X POST <path> -d <body>` does."""
        return await self.http.post(path, json=body)

    async def get(self, path: str) -> dict[str, Any]:
        """Return the JSON that `curl <path>` shows."""
        return dict((await self.http.get(path)).raise_for_status().json())

    async def code(self, path: str, **headers: str) -> int:
        """Return the status code of `curl <path>`."""
        return (await self.http.get(path, headers=headers)).status_code

    async def states(self) -> dict[str, str]:
        """Return how far each topic has come, by `GET /status`."""
        return {name: topic["state"] for name, topic in (await self.get("/status"))["topics"].items()}

    async def read(self, stream: str, kind: str = "") -> list[Fields]:
        """Return all entries of a stream, or those of one type, oldest first."""
        entries = [fields for _, fields in await reader.newest(self.redis, stream, 100_000)]
        return [entry for entry in entries if kind in ("", entry["type"])]

    async def ids(self, stream: str, first: str = "-") -> list[str]:
        """Return the ids of a stream's entries, oldest first."""
        return [entry_id for entry_id, _ in cast("list[tuple[str, Fields]]", await self.redis.xrange(stream, first))]

    async def told(self, event: str) -> list[Fields]:
        """Return the events of that name, oldest first."""
        return [entry for entry in await self.read(EVENTS) if entry["event"] == event]

    async def until_states(self, expected: dict[str, str]) -> None:
        """Wait until there are exactly these topics, in these states."""
        await until_equal(self.states, expected)

    async def until_active(self, *topics: str) -> None:
        """Wait until exactly these topics are served."""
        await self.until_states(dict.fromkeys(topics, "active"))

    async def until_members(self, count: int) -> None:
        """Wait until so many ingesters are alive, and each of them sees all of them."""

        async def so() -> bool:
            return [one.get("members") for one in (await self.get("/status"))["ingesters"]] == [count] * count

        await wait_until(so, f"{count} ingesters that see each other", PATIENCE_S)

    async def until_more(self, stream: str = LIVE, count: int = 1) -> None:
        """Wait until so many entries have come that weren't there at the call."""
        last = await reader.tip(self.redis, stream)

        async def so() -> bool:
            return len(await self.ids(stream, f"({last}")) >= count

        await wait_until(so, f"{count} more entries in {stream}", PATIENCE_S)

    async def until_closed(self, open_time: int, stream: str = CLOSED) -> None:
        """Wait until the candle that opened then is in a stream of closed ones."""

        async def so() -> bool:
            return int((await reader.tip(self.redis, stream)).partition("-")[0]) >= open_time

        await wait_until(so, f"the candle of {open_time} in {stream}", PATIENCE_S)

    async def until_told(self, event: str, times: int = 1) -> list[Fields]:
        """Wait until something has happened so often, and return what is said of it."""

        async def so() -> bool:
            return len(await self.told(event)) >= times

        await wait_until(so, f"{times} x {event}", PATIENCE_S)
        return await self.told(event)


async def until_equal(ask: Callable[[], Awaitable[object]], expected: object) -> None:
    """Wait until an answer is the expected one."""
    answers: list[object] = []

    async def so() -> bool:
        answers[:] = [await ask()]
        return answers == [expected]

    try:
        await wait_until(so, f"{expected}", PATIENCE_S)
    except AssertionError as late:
        raise AssertionError(f"{late}; it is {answers}") from late


@asynccontextmanager
async def whole(exchange: Simulator | Replay, url: str, **changes: Any) -> AsyncIterator[Whole]:  # noqa: ANN401 - settings
    """Start a bridge on a store, and end it as Ctrl-C does; nothing is wished for yet."""
    hurried = {
        "redis_url": Secret(url),
        "ctrl_addr": "127.0.0.1:0",
        # Whoever waits here for something to come true asks again and again.
        "ctrl_reads_per_s": 100_000,
        "ingester_id": "one",
        "heartbeat_interval_s": 0.05,
        "reconcile_interval_s": 0.1,
        "redis_timeout_s": 2.0,
        # A stamp that a hurried exchange finds too old is not held against us for long.
        "login_retry_s": 0.2,
        "private_sync_s": NEVER_S,
        "cap_klines": 100_000,
    }
    settings = quick(exchange, **hurried | changes)
    shown, stop = io.StringIO(), asyncio.Event()
    running = asyncio.create_task(app.up(settings, stop, Printer(shown)))
    redis = client.commands(Secret(url))
    try:
        await wait_until(lambda: running.done() or bool(_DOOR.search(shown.getvalue())), "the banner", PATIENCE_S)
        door = _DOOR.search(shown.getvalue())
        if door is None:
            running.result()
        assert door, "it ended without a banner"
        async with httpx2.AsyncClient(base_url=door.group(1), timeout=60) as http:
            # The scene of a recording asks nothing that only a simulator knows.
            yield Whole(cast("Simulator", exchange), settings, http, redis, running)
        stop.set()
        await asyncio.wait_for(running, PATIENCE_S)
    finally:
        running.cancel()
        await asyncio.wait([running])
        await redis.aclose()


@asynccontextmanager
async def joined(bridge: Whole, name: str, **changes: Any) -> AsyncIterator[asyncio.Task[None]]:  # noqa: ANN401 - settings
    """Let one more ingester join, as `bitmart-bridge ingest` does, and end it as Ctrl-C does."""
    settings, stop = dataclasses.replace(bridge.settings, ingester_id=name, **changes), asyncio.Event()
    running = asyncio.create_task(app.ingest(settings, stop))
    try:
        yield running
        stop.set()
        await asyncio.wait_for(running, PATIENCE_S)
    finally:
        running.cancel()
        await asyncio.wait([running])


def noted(exchange: Simulator) -> list[tuple[str, Any]]:
    """Note from now on what the exchange says of the account, as it was when it said it."""
    said: list[tuple[str, Any]] = []
    tell = exchange.account.tell

    def telling(topic: str, data: object) -> None:
        said.append((topic, copy.deepcopy(data)))
        tell(topic, data)

    exchange.account.tell = telling
    return said
