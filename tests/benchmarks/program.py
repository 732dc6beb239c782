"""The program, `bitmart-bridge ingest`, in a process of its own, and what it takes; Linux alone tells."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.store.desired import Desired
from tests.benchmarks.frames import TOPICS, WIDE
from tests.benchmarks.stand import KEYS

if TYPE_CHECKING:
    from tests.benchmarks.source import Source
    from tests.benchmarks.stand import Stand

# After the last subscription an ingester reports the state of its topics; that is over by then.
_SETTLE_S: Final = 0.6
_NOTHING: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Program:
    """An ingester that runs."""

    pid: int
    idle_mb: float
    connected_s: float

    def cpu_s(self) -> float:
        """Return the CPU seconds it has used, all threads together."""
        threads = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9

    def resident_mb(self) -> float:
        """Return how much memory it holds."""
        return _resident_mb(self.pid)


@asynccontextmanager
async def ingesting(stand: Stand, source: Source, more: Mapping[str, str] = _NOTHING) -> AsyncIterator[Program]:
    """Run an ingester on a source's topics; when the block begins it has subscribed to all of them.

    `more` are settings that differ from those of all measurements.
    """
    await stand.empty()
    desired = Desired(stand.redis, KEYS)
    with tempfile.TemporaryDirectory(prefix="bitmart-bridge-ingester-") as directory:
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "bridge", "ingest"),
            env={**_environment(stand, source), **more, "PYTHONPATH": str(Path(__file__).parents[2])},
            cwd=directory,  # no .env of anybody's
        )
        try:
            await desired.change("shared", add=TOPICS[:1])
            await source.opened()
            connected_s = time.perf_counter() - began
            idle_mb = _resident_mb(process.pid)
            await desired.change("shared", add=TOPICS[: source.turn])
            await source.ready()
            await asyncio.sleep(_SETTLE_S)
            yield Program(process.pid, idle_mb, connected_s)
        finally:
            process.terminate()
            await process.wait()


def _environment(stand: Stand, source: Source) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "BITMART_PUBLIC_WS_URI": source.uri,
        "BITMART_PRIVATE_WS_URI": source.uri,
        "BITMART_REST_URI": source.rest_uri,
        "REDIS_URL": stand.settings.redis_url.reveal(),
        "SUBSCRIBE_DELAY_MS": "0",
        # A flood comes by one socket, as it does to the peers; the market by as many as an ingester opens by itself.
        **({"TOPICS_PER_CONNECTION": str(source.turn)} if source.turn <= WIDE else {}),
        "REST_CALLS_PER_2S": "1",  # proving candles is not what is measured
        "LOG_LEVEL": "error",
    }


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
