"""The stage of one run: a simulated exchange, an account that trades, a real store, two real ingesters, the wishes."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from redis.exceptions import RedisError

from bridge.simulator import Simulator
from bridge.simulator.market.contracts import Life
from bridge.simulator.trading.script import Script
from bridge.store import client
from bridge.store.desired import Desired
from bridge.store.embedded.server import EmbeddedServer
from bridge.store.keys import Keys
from bridge.values import Secret
from tests.chaos.dates import HostDate
from tests.chaos.plan import Plan
from tests.chaos.programs import IngesterProgram, Program
from tests.chaos.strangers import Strangers
from tests.histories import shared
from tests.store.processes import own_port

if TYPE_CHECKING:
    from redis.asyncio import Redis

MakeProgram = Callable[[str, Path, Mapping[str, str]], Program]

_ORDER_EVERY_S: Final = 5.0
_STARTS: Final = 20
_TURN_S: Final = 0.03
_ENDLESS: Final = "10000000"
_HURRIED: Final = {
    "SUBSCRIBE_BATCH": "60",
    "SUBSCRIBE_DELAY_MS": "5",
    "CONNECT_DELAY_MS": "5",
    "PING_INTERVAL_S": "1",
    "PONG_TIMEOUT_S": "1",
    "CONNECT_TIMEOUT_S": "2",
    "ACK_TIMEOUT_S": "1",
    "RECONNECT_DELAY_S": "0.1",
    "RECONNECT_MAX_S": "0.5",
    "LOGIN_RETRY_S": "0.5",
    "REJECTED_RETRY_S": "1",
    "CONTRACTS_REFRESH_S": "1",
    "SEED_CANDLES": "20",
    "REST_CALLS_PER_2S": "400",
    "RECONCILE_INTERVAL_S": "0.5",
    "HEARTBEAT_INTERVAL_S": "0.3",
    "MEMBER_LIFETIME_S": "2",
    "REDIS_TIMEOUT_S": "2",
    "CAP_KLINES": _ENDLESS,
    "CAP_CLOSED_1M": _ENDLESS,
    "CAP_CLOSED": _ENDLESS,
    "CAP_ORDERS": _ENDLESS,
    "CAP_FILLS": _ENDLESS,
    "CAP_POSITIONS": _ENDLESS,
    "CAP_EVENTS": _ENDLESS,
}


class Stage:
    """All that a fault can strike, and all that a verdict needs."""

    def __init__(self, plan: Plan, folder: Path, program: MakeProgram = IngesterProgram) -> None:
        """Set it up in `folder`; nothing runs yet. `program` makes an ingester of a name, a folder and settings."""
        self.plan = plan
        self.folder = folder
        self.keys = Keys()
        self.exchange = shared(Simulator(plan.scenario, port=own_port()))
        self.store = EmbeddedServer(folder / "store", port=own_port())
        self.ingesters: list[Program] = []
        self.dates: list[HostDate] = []
        self.symbols = [name for name, item in self.exchange.market.contracts.items() if item.life is not Life.DELISTED]
        self.dead = {name for name, item in self.exchange.market.contracts.items() if item.life is Life.DEAD}
        self._program = program
        self._trading: asyncio.Task[None] | None = None

    @property
    def series(self) -> list[tuple[str, str]]:
        """All that is wanted of candles: symbols and timeframes."""
        return [(symbol, timeframe) for symbol in self.symbols for timeframe in self.plan.timeframes]

    def redis(self) -> Redis:
        """A client of the store; whoever takes it closes it."""
        return client.commands(Secret(self.store.url))

    async def open(self) -> None:
        """Start the exchange, the store and the ingesters, and wish."""
        await self.exchange.start()
        await self.start_store()
        async with self.redis() as redis:
            await Desired(redis, self.keys).change("chaos", add=self.plan.topics(self.symbols))
        self._trading = asyncio.create_task(self._trade(), name="trader")
        for number, off_s in enumerate(self.plan.dates_off_s):
            name = f"ingester{number}"
            self.dates.append(HostDate(self.folder / f"{name}.date", off_s))
            program = self._program(name, self.folder, {**self._environment(), **self.dates[-1].environment()})
            self.ingesters.append(program)
            program.start()

    async def close(self) -> None:
        """End everything."""
        await self.stop_trading()
        for program in self.ingesters:
            program.kill()
            await program.gone()
        await self.exchange.stop()
        await self.store.stop()

    async def stop_trading(self) -> None:
        """Let the account rest from now on."""
        if self._trading is not None:
            trading, self._trading = self._trading, None
            trading.cancel()
            with suppress(asyncio.CancelledError):
                await trading

    async def start_store(self) -> None:
        """Start the store; what it answers is on disk, so that its sudden death loses nothing that it took."""
        await self.store.start()
        for _ in range(_STARTS):
            # Another fault may cut all clients in this very moment, us included.
            with suppress(RedisError):
                async with self.redis() as redis:
                    await redis.config_set("appendfsync", "always")
                    return
        raise RuntimeError("the store takes no settings")

    async def kill_store(self) -> None:
        """End the store's process without a chance to say anything, and wait until it is gone.

        On a busy disk that takes a while; a store that has not ended is not started again.
        """
        with suppress(ProcessLookupError):
            os.kill(self.store.pid, signal.SIGKILL)
        await self.store.wait_closed()

    def halt_store(self, *, halted: bool) -> None:
        """Let the store's process stand still, or go on."""
        with suppress(ProcessLookupError):
            os.kill(self.store.pid, signal.SIGSTOP if halted else signal.SIGCONT)

    def empty_store(self) -> None:
        """Remove the data of a store that has ended."""
        shutil.rmtree(self.folder / "store" / "appendonlydir", ignore_errors=True)

    async def limit_store(self, memory: str) -> None:
        """Set how much memory the store's data may take."""
        async with self.redis() as redis:
            with suppress(RedisError, OSError):
                await redis.config_set("maxmemory", memory)

    async def wish(self, *, add: list[str], remove: list[str]) -> None:
        """Change the wishes, if the store is there."""
        async with self.redis() as redis:
            with suppress(RedisError, OSError):
                await Desired(redis, self.keys).change("chaos", add=add, remove=remove)

    async def _trade(self) -> None:
        dice = Random(self.plan.seed)  # noqa: S311 - a repeatable story, not cryptography
        script = Script(self.exchange.account, _ORDER_EVERY_S * 1000, dice)
        script.begin(self.exchange.market.start - 600_000)
        rare = [symbol for symbol in self.symbols if self.plan.strangers and symbol not in script.symbols]
        dice = Random(-self.plan.seed)  # noqa: S311 - as above
        strangers = Strangers(self.exchange.account, rare, dice, self.exchange.now)
        while True:
            script.advance(self.exchange.now)
            strangers.advance(self.exchange.now)
            await asyncio.sleep(_TURN_S)

    def _environment(self) -> dict[str, str]:
        exchange, account = self.exchange, self.exchange.scenario
        return {
            **_HURRIED,
            "REDIS_URL": self.store.url,
            "BITMART_PUBLIC_WS_URI": exchange.public_ws_uri,
            "BITMART_PRIVATE_WS_URI": exchange.private_ws_uri,
            "BITMART_REST_URI": exchange.rest_uri,
            "BITMART_API_KEY": account.api_key,
            "BITMART_API_SECRET": account.api_secret,
            "BITMART_API_MEMO": account.api_memo,
            # With two, both hear and write everything: that is where entries could be doubled.
            "REPLICAS": str(self.plan.replicas),
            "PRIVATE_SYNC_S": str(self.plan.private_sync_s),
            "PROOF_TIMEOUT_S": str(self.plan.proof_timeout_s),
        }


@asynccontextmanager
async def staged(plan: Plan, folder: Path, program: MakeProgram = IngesterProgram) -> AsyncIterator[Stage]:
    """Open a stage, and close it whatever happens."""
    stage = Stage(plan, folder, program)
    try:
        await stage.open()
        yield stage
    finally:
        await stage.close()
