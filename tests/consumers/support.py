"""The samples as processes of their own, and entries for them, written as the bridge writes them."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Final

from bridge.records import Kline, Order, Record
from bridge.store import client
from bridge.store.client import dialled
from bridge.store.keys import Keys
from bridge.store.writing.lane import Lane
from bridge.store.writing.writer import Writer
from bridge.timeframes import Timeframe
from bridge.values import Secret
from tests.children import child
from tests.store.support import APPENDS, KLINE, MINUTE_MS, ORDER, changed, run
from tests.support import wait_until

SAMPLES: Final = Path(__file__).parents[2] / "consumers"
KEYS: Final = Keys()


class Sample:
    """A sample at work: what it has printed so far, and its end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Read what `process` prints."""
        assert process.stdout
        assert process.stderr
        self.process = process
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._reading = [
            asyncio.create_task(_collect(process.stdout, self.lines)),
            asyncio.create_task(_collect(process.stderr, self.errors)),
        ]

    async def says(self, count: int) -> list[str]:
        """Wait for as many lines, and return all there are."""
        await wait_until(lambda: len(self.lines) >= count, f"{count} lines; {self.lines} {self.errors}")
        return self.lines

    async def complains(self, words: str) -> None:
        """Wait until `words` stand in what it prints on standard error."""
        await wait_until(lambda: any(words in line for line in self.errors), f"{words}; {self.errors}")

    async def ended(self) -> int:
        """Wait for its end and return its exit code."""
        async with asyncio.timeout(20):
            await asyncio.wait(self._reading)
            return await self.process.wait()

    async def kill(self) -> None:
        """End it as the system does when memory is short: without a word."""
        self.process.kill()
        await self.ended()


@asynccontextmanager
async def sample(name: str, *words: str | Path, url: str) -> AsyncIterator[Sample]:
    """Run `consumers/<name>` against the Redis at `url`."""
    async with program(sys.executable, SAMPLES / name, *words, url=url) as started:
        yield started


@asynccontextmanager
async def program(*words: str | Path, url: str, folder: Path | None = None) -> AsyncIterator[Sample]:
    """Run a program against the Redis at `url`, in a folder."""
    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
    async with child(words, cwd=folder, env=environment(url), **pipes) as process:
        started = Sample(process)
        try:
            yield started
        finally:
            if process.returncode is None:
                await started.kill()


def environment(url: str) -> dict[str, str]:
    """Return our environment with nothing in it that changes where the samples look, but `url`."""
    names = ("BRIDGE_PREFIX", "BITMART_ACCOUNT")
    return {name: value for name, value in os.environ.items() if name not in names} | {"REDIS_URL": url}


async def publish(url: str, *records: Record) -> None:
    """Bring records into Redis by the bridge's own writer; states of the same candle in calls of their own."""
    lane = Lane(dialled(Secret(url)).connection, timeout_s=10)
    writer = Writer(lane, bound=100_000, batch=500)
    running = asyncio.create_task(writer.run())
    for record in records:
        writer.append(APPENDS.of(record))
    assert await writer.drain(10)
    assert writer.tally.entries == len(records)
    running.cancel()
    await asyncio.wait([running])


def candle(minute: int, *, symbol: str = "BTCUSDT", close: str = "11", closed: int = 0) -> Kline:
    """Return a state of the candle that many minutes after the first."""
    start = KLINE.open_time + minute * MINUTE_MS
    end = start + MINUTE_MS - 1
    return changed(KLINE, symbol=symbol, open_time=start, close_time=end, close=close, closed=closed)


async def publish_closed(url: str, *klines: Kline) -> None:
    """Bring closed candles into Redis by the bridge's own script, oldest first; they may leave out periods."""
    connected = client.commands(Secret(url))
    for kline in klines:
        length_ms = Timeframe(kline.timeframe).milliseconds
        for how in ("jump", "start"):
            await run(connected, APPENDS.closed(changed(kline, closed=1), how, length_ms, lambda _: None))
    await connected.aclose()


def orders(count: int, *, first: int = 1) -> list[Order]:
    """Return that many different orders."""
    return [changed(ORDER, order_id=str(first + number)) for number in range(count)]


def journaled(file: Path) -> list[tuple[str, str | None]]:
    """Return the type and the order, if it names one, of each row, in the order of their entries."""
    with closing(sqlite3.connect(file)) as db:
        return db.execute("SELECT type, order_id FROM journal ORDER BY ms, seq").fetchall()


async def _collect(stream: asyncio.StreamReader, lines: list[str]) -> None:
    while line := await stream.readline():
        lines.append(line.decode().rstrip("\n"))
