"""Where everything is measured: a server of its own, a source of frames, and the clocks that are read.

What is measured runs in this process, alone; the server and the source have theirs. Cost is CPU time, user and system
together: on a busy machine it says more than the time that passes.
"""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.settings import Settings
from bridge.store import client, scripts
from bridge.store.embedded.server import EmbeddedServer
from bridge.store.keys import Keys
from bridge.values import Secret
from tests.benchmarks.frames import MARKET, SERIES, WIDE
from tests.benchmarks.source import Source

if TYPE_CHECKING:
    from redis.asyncio import Redis

_LONGEST_S: Final = 60.0

KEYS: Final = Keys()
STREAMS: Final = [KEYS.klines(symbol, timeframe) for symbol, timeframe in SERIES]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one measurement took: CPU seconds here and in the server, seconds that passed, entries that came of it.

    Where no server is involved, `server_s` and `entries` are 0.
    """

    frames: int
    client_s: float
    wall_s: float
    server_s: float = 0.0
    entries: int = 0


@dataclass(frozen=True, slots=True)
class Stand:
    """Everything a measurement may use: sources of few topics, of as many as one socket carries, and of all."""

    source: Source
    wide: Source
    market: Source
    redis: Redis
    settings: Settings

    async def measure(self, frames: int, work: Awaitable[None], cpu_s: Callable[[], float] = time.process_time) -> Cost:
        """Do `work`, which handles `frames` frames, and return its cost; `cpu_s` tells whose CPU time, else ours."""
        with _quiet_collector():
            wall, cpu = time.perf_counter(), cpu_s()
            async with asyncio.timeout(_LONGEST_S):
                await work
            cpu, wall = cpu_s() - cpu, time.perf_counter() - wall
        return Cost(frames, cpu, wall)

    async def measure_store(
        self,
        frames: int,
        work: Awaitable[None],
        *,
        entries: int | None = None,
        cpu_s: Callable[[], float] = time.process_time,
    ) -> Cost:
        """The same, with the server's cost and the entries that came of it; see that they are `entries`, if given."""
        before = await self._server_s()
        cost = await self.measure(frames, work, cpu_s)
        cost = replace(cost, server_s=await self._server_s() - before, entries=await self.entries())
        if entries is not None and cost.entries != entries:
            raise AssertionError(f"{cost.entries} entries came of {frames} frames, not {entries}")
        return cost

    async def empty(self) -> None:
        """Forget all data, and let the server know the scripts."""
        await self.redis.flushall()
        for script in (*scripts.APPENDS, scripts.together(scripts.APPENDS)):
            await self.redis.script_load(script.text)

    async def _server_s(self) -> float:
        used = await self.redis.info("cpu")
        return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])

    async def entries(self) -> int:
        """Return how many entries there are in all streams together."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for stream in STREAMS:
                pipe.xlen(stream)
            return sum(await pipe.execute())


def measure(frames: int, work: Callable[[], None]) -> Cost:
    """Do `work`, which handles `frames` frames and waits for nobody, and return its cost."""
    with _quiet_collector():
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Cost(frames, cpu, wall)


@contextmanager
def _quiet_collector() -> Iterator[None]:
    """Leave the garbage of others to others: what exists already is not looked at while something is measured."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@asynccontextmanager
async def built(frames: int) -> AsyncIterator[Stand]:
    """Build the stand, with as many different frames as the longest measurement takes."""
    with tempfile.TemporaryDirectory(prefix="bitmart-bridge-benchmark-") as directory:
        server = EmbeddedServer(Path(directory), port=0, persistent=False)
        async with (
            server,
            Source.started(frames) as source,
            Source.started(frames, WIDE) as wide,
            Source.started(2 * MARKET, MARKET) as market,
        ):
            settings = Settings(
                bitmart_public_ws_uri=source.uri,
                bitmart_private_ws_uri=source.uri,
                bitmart_rest_uri=source.rest_uri,
                redis_url=Secret(server.url),
                subscribe_delay_ms=0,
                rest_calls_per_2s=1,  # proving candles is not what is measured
            )
            redis = client.commands(settings.redis_url)
            try:
                yield Stand(source, wide, market, redis, settings)
            finally:
                await redis.aclose()
