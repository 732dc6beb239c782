"""Several ingesters on one stage: an exchange that sees who holds what, a real store, relays that cut one off."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from typing import Final

from redis.asyncio import Redis

from bridge.simulator import Scenario, Simulator
from bridge.simulator.trading.script import Script
from bridge.store import client, reader
from bridge.store.desired import Desired
from bridge.store.embedded.server import EmbeddedServer
from bridge.store.keys import Keys
from bridge.store.members import Members, State
from bridge.timeframes import Timeframe
from bridge.values import Secret
from tests.chaos.verdict import Case, Verdict, judged
from tests.scenarios.stage import Program
from tests.store.processes import own_port
from tests.store.relay import Relay
from tests.support import wait_until

SYMBOLS: Final = 8
TIMEFRAMES: Final = ("1m", "5m", "15m")
ACCOUNT: Final = ("futures/order", "futures/position")
# 2026-09-23 10:17:30 UTC, a Wednesday: a boundary of every timeframe here comes soon.
_START: Final = 1_790_158_650_000
_RATE: Final = 20.0
_MARGIN_MS: Final = 60_000
# Heartbeats and lifetime stay at their defaults: what is shown here is what users get.
_HURRIED: Final = {
    "SUBSCRIBE_DELAY_MS": "5",
    "CONNECT_DELAY_MS": "5",
    "ACK_TIMEOUT_S": "1",
    "RECONNECT_DELAY_S": "0.1",
    "RECONNECT_MAX_S": "0.5",
    "GIVE_WAY_S": "1",
    "REDIS_TIMEOUT_S": "1",
    "SEED_CANDLES": "20",
    "CONTRACTS_REFRESH_S": "0.5",
    "REST_CALLS_PER_2S": "400",
    "PRIVATE_SYNC_S": "2",
    "PROOF_TIMEOUT_S": "3600",
    "TOPICS_PER_CONNECTION": "5",
} | {f"CAP_{kind}": "10000000" for kind in ("KLINES", "CLOSED_1M", "CLOSED", "ORDERS", "FILLS", "POSITIONS", "EVENTS")}


class Ingester(Program):
    """One ingester in a process of its own, which can be cut off from either side."""

    def __init__(self, name: str, folder: Path, environment: dict[str, str], redis: Relay, exchange: Relay) -> None:
        """Prepare it; it reaches Redis and the exchange by relays of its own."""
        host = f"127.0.0.1:{exchange.port}"
        uris = {
            "REDIS_URL": redis.url,
            "BITMART_PUBLIC_WS_URI": f"ws://{host}/api?protocol=1.1",
            "BITMART_PRIVATE_WS_URI": f"ws://{host}/user?protocol=1.1",
            "BITMART_REST_URI": f"http://{host}",
        }
        self.environment = {**environment, **uris, "INGESTER_ID": name}
        super().__init__(name, folder, self.environment, "ingest")
        self.redis = redis
        self.exchange = exchange

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.process.pid, number)


class Crowd:
    """The stage, and all ingesters on it."""

    def __init__(self, folder: Path, **settings: str) -> None:
        """Set it up; nothing runs yet. `settings` are the ingesters'."""
        self.exchange = Simulator(
            Scenario(symbols=SYMBOLS, rate=_RATE, start=_START, history_s=7_200, trading=False, limits=False)
        )
        self.redis: Redis
        self.members: Members
        self.ingesters: dict[str, Ingester] = {}
        self.keys = Keys()
        self._settings = settings
        self._folder = folder
        # It is never started anew, and a busy disk's pauses would be taken for silences of the ingesters.
        self._server = EmbeddedServer(folder / "store", port=own_port(), persistent=False)
        self._relays: list[Relay] = []
        self._trading: asyncio.Task[None] | None = None
        symbols = [contract.symbol for contract in self.exchange.market.contracts.values() if not contract.delist_time]
        self.series = [(symbol, timeframe) for symbol in symbols for timeframe in TIMEFRAMES]
        self.topics = [f"futures/klineBin{timeframe}:{symbol}" for symbol, timeframe in self.series] + [*ACCOUNT]

    @property
    def environment(self) -> dict[str, str]:
        """The settings of every ingester."""
        account = self.exchange.scenario
        credentials = {
            "BITMART_API_KEY": account.api_key,
            "BITMART_API_SECRET": account.api_secret,
            "BITMART_API_MEMO": account.api_memo,
        }
        return _HURRIED | credentials | self._settings

    async def open(self) -> None:
        """Start the exchange and the store, and wish."""
        await self.exchange.start()
        await self._server.start()
        self.redis = client.commands(Secret(self._server.url))
        self.members = Members(self.redis, self.keys, 3)
        await Desired(self.redis, self.keys).change("shared", add=self.topics)
        self._trading = asyncio.create_task(_trade(self.exchange))

    async def rest(self) -> None:
        """Let the account trade no more."""
        if self._trading is not None:
            self._trading.cancel()
            await asyncio.wait([self._trading])

    async def close(self) -> None:
        """End everything."""
        await self.rest()
        for ingester in self.ingesters.values():
            ingester.kill()
        for relay in self._relays:
            relay.answering.set()
            await relay.__aexit__(None, None, None)
        await self.redis.aclose()
        await self.exchange.stop()
        await self._server.stop()

    async def add(self, *names: str) -> None:
        """Start ingesters."""
        for name in names:
            redis, exchange = Relay(self._server.port), Relay(self.exchange.port)
            for relay in (redis, exchange):
                self._relays.append(await relay.__aenter__())
            self.ingesters[name] = Ingester(name, self._folder, self.environment, redis, exchange)
            self.ingesters[name].start()

    def remove(self, *names: str) -> None:
        """Kill ingesters without a chance to say anything."""
        for name in names:
            self.ingesters.pop(name).kill()

    def holders(self, topic: str) -> int:
        """How many sockets hold a topic, as the exchange sees it."""
        return len(self.exchange.sockets.holders(topic))

    async def served(self, *, without: str = "") -> bool:
        """Whether every topic is active at somebody who is alive and is not `without`."""
        alive = set(await self.members.alive()) - {without}
        states = await self.members.topics(sorted(alive & self.ingesters.keys()))
        return all(topic in states and states[topic].state is State.ACTIVE for topic in self.topics)

    async def settled(self, replicas: int = 1) -> None:
        """Wait until exactly the ingesters here are alive, and every topic is held exactly as often as it should be."""

        async def so() -> bool:
            if set(await self.members.alive()) != set(self.ingesters) or not await self.served():
                return False
            return all(self.holders(topic) == replicas for topic in self.topics)

        await wait_until(so, f"{sorted(self.ingesters)} share the topics", 40)

    async def judged(self) -> Verdict:
        """Let everything come to rest, and hold the streams against the truth."""
        until_ms = self.exchange.now - _MARGIN_MS
        await wait_until(lambda: self._proven(until_ms), "all closed candles are there", 30)
        await self.rest()
        rested_ms = self.exchange.now
        await wait_until(lambda: self._read_since(rested_ms), "the account was read", 30)
        dead = {name for name, contract in self.exchange.market.contracts.items() if contract.life.name == "DEAD"}
        return await judged(Case(self.exchange, self.keys, self.series, frozenset(dead), until_ms), self.redis)

    async def _proven(self, until_ms: int) -> bool:
        for symbol, timeframe in self.series:
            newest = await reader.newest(self.redis, self.keys.closed_klines(symbol, timeframe), 1)
            length = Timeframe(timeframe).milliseconds
            if not newest or int(newest[0][1]["close_time"]) + length < until_ms:
                return False
        return True

    async def _read_since(self, moment_ms: int) -> bool:
        at = await self.redis.hget(self.keys.synced, "at")
        states = (await self.members.alive()).values()
        return int(at or 0) > moment_ms and all(state.get("depth") == "0" for state in states)


@contextmanager
def without_a_hole(exchange: Simulator, topics: Iterable[str], holes: list[str]) -> Iterator[None]:
    """Take note in `holes` whenever the last socket that holds one of these topics lets go of it."""
    sockets, wanted = exchange.sockets, frozenset(topics)
    release: Callable[..., None] = sockets.release

    def watched(socket: object, topic: str) -> None:
        release(socket, topic)
        if topic in wanted and not sockets.holders(topic):
            holes.append(topic)

    sockets.release = watched  # type: ignore[method-assign]
    try:
        yield
    finally:
        sockets.release = release  # type: ignore[method-assign]


@asynccontextmanager
async def crowded(folder: Path, *names: str, **settings: str) -> AsyncIterator[Crowd]:
    """Open the stage with these ingesters on it, and an account that trades."""
    crowd = Crowd(folder, **settings)
    try:
        await crowd.open()
        await crowd.add(*names)
        yield crowd
    finally:
        await crowd.close()


async def _trade(exchange: Simulator) -> None:
    script = Script(exchange.account, 5_000, Random(7))  # noqa: S311 - a repeatable story, not cryptography
    script.begin(exchange.market.start - 600_000)
    while True:
        script.advance(exchange.now)
        await asyncio.sleep(0.03)
