"""The whole market: every contract in every timeframe, on one ingester and on several, at the exchange's own pace.

Real programs: a simulator, a server, ingesters, each in a process of its own. `python -m tests.benchmarks.market`.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from bridge import exchanges
from bridge.exchanges.base import EVERY_SYMBOL
from bridge.settings import Settings
from bridge.store import client
from bridge.store.desired import Desired
from bridge.store.embedded.server import EmbeddedServer
from bridge.store.keys import Keys
from bridge.store.members import Members, State
from bridge.timeframes import Timeframe
from bridge.values import Secret

if TYPE_CHECKING:
    from redis.asyncio import Redis

_ROOT: Final = Path(__file__).parents[2]
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_LONGEST_S: Final = 300.0
_LIFETIME_S: Final = 30.0
_MIB: Final = 1024 * 1024
_LOOK_S: Final = 0.1
_INTRODUCED: Final = 6
# One ingester would pass the default bound on connections with a whole market: 3,240 topics are 33 connections.
_EACH: Final = {"MAX_CONNECTIONS": "100", "LOG_LEVEL": "error", "BUFFER_ENTRIES": "200000"}


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run showed.

    Attributes:
        ingesters: how many shared the market.
        topics: how many topics there were.
        connections: open sockets to the exchange, all ingesters together.
        active_s: seconds from the ingesters' start to the last topic's acknowledgement.
        frames_per_s: frames received, all ingesters together.
        entries_per_s: entries appended by the server, closed candles and what recovers them included.
        cpu_share: share of one core that an ingester took, on average.
        server_share: the same of the server.
        resident_mb: an ingester's resident memory, on average.
        bare_mb: the same of an ingester without a topic.
        topic_kb: what a topic added to it.
        store_mb: the server's memory for all data.
    """

    ingesters: int
    topics: int
    connections: int
    active_s: float
    frames_per_s: float
    entries_per_s: float
    cpu_share: float
    server_share: float
    resident_mb: float
    bare_mb: float
    topic_kb: float
    store_mb: float


@click.command()
@click.option("--symbols", default=360, show_default=True, type=click.IntRange(min=1))
@click.option("--ingesters", "crowds", default="1,4", show_default=True, help="How many share the market, run by run.")
@click.option("--seconds", default=60.0, show_default=True, help="How long to look, once all topics are active.")
@click.option("--json", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write all figures to a file.")
def main(*, symbols: int, crowds: str, seconds: float, target: Path | None) -> None:
    """Serve a whole market and say what it takes."""
    runs = [asyncio.run(_run(symbols, int(count), seconds)) for count in crowds.split(",")]
    for figures in runs:
        for name, value in asdict(figures).items():
            click.echo(f"{name:<16} {value:.2f}" if isinstance(value, float) else f"{name:<16} {value}")
        click.echo()
    if target:
        target.write_text(json.dumps([asdict(figures) for figures in runs], indent=2) + "\n", encoding="utf-8")


async def _run(symbols: int, count: int, seconds: float) -> Figures:
    with tempfile.TemporaryDirectory() as name, ExitStack() as programs:
        folder = Path(name)
        simulated = programs.enter_context(_simulator(folder, symbols))
        async with (
            EmbeddedServer(folder / "server", port=0, memory_mb=4096, persistent=False) as server,
            _asking(server.url) as redis,
        ):
            settings = {**simulated, **_EACH, "REDIS_URL": server.url}
            started = [
                programs.enter_context(_program(folder, f"ingest-{n}", settings, "ingest")) for n in range(count)
            ]
            return await _look(redis, started, symbols * len(Timeframe), seconds)


async def _look(redis: Redis, started: Sequence[subprocess.Popen[bytes]], topics: int, seconds: float) -> Figures:
    members, count = Members(redis, Keys(), _LIFETIME_S), len(started)
    await _until(lambda: _alive(members, count), "every ingester lives")
    bare = sum(map(_resident_mb, started)) / count
    began = time.monotonic()
    exchange = exchanges.chosen(Settings())
    await Desired(redis, Keys()).change(
        "shared", add=[exchange.kline_topic(EVERY_SYMBOL, timeframe) for timeframe in Timeframe]
    )
    await _until(lambda: _active(members, topics), f"all {topics} topics are active")
    active_s = time.monotonic() - began
    before = await _counts(redis, members, started)
    await asyncio.sleep(seconds)
    after = await _counts(redis, members, started)
    per_s = {name: (after[name] - before[name]) / (after["at"] - before["at"]) for name in after}
    resident = sum(map(_resident_mb, started)) / count
    return Figures(
        ingesters=count,
        topics=topics,
        connections=int(after["connections"]),
        active_s=active_s,
        frames_per_s=per_s["frames"],
        entries_per_s=per_s["entries"],
        cpu_share=per_s["cpu"] / count,
        server_share=per_s["server_cpu"],
        resident_mb=resident,
        bare_mb=bare,
        topic_kb=(resident - bare) * 1024 / (topics / count),
        store_mb=(await redis.info("memory"))["used_memory"] / _MIB,
    )


async def _counts(redis: Redis, members: Members, started: Sequence[subprocess.Popen[bytes]]) -> dict[str, float]:
    states = (await members.alive()).values()
    summed = {name: float(sum(int(state[name]) for state in states)) for name in ("frames", "entries", "connections")}
    info = await redis.info("cpu")
    return {
        **summed,
        "at": time.monotonic(),
        "cpu": sum(_cpu_s(program.pid) for program in started),
        "server_cpu": info["used_cpu_sys"] + info["used_cpu_user"],
    }


async def _alive(members: Members, count: int) -> bool:
    return len(await members.alive()) == count


async def _active(members: Members, topics: int) -> bool:
    states = await members.topics(await members.alive())
    return sum(state.state is State.ACTIVE and not state.partial for state in states.values()) >= topics


async def _until(true: Callable[[], Awaitable[bool]], description: str) -> None:
    try:
        async with asyncio.timeout(_LONGEST_S):
            while not await true():  # noqa: ASYNC110 - what is waited for is in other processes
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        raise click.ClickException(f"not within {_LONGEST_S:g} s: {description}") from None


@asynccontextmanager
async def _asking(url: str) -> AsyncIterator[Redis]:
    redis = client.commands(Secret(url))
    try:
        yield redis
    finally:
        await redis.aclose()


@contextmanager
def _simulator(folder: Path, symbols: int) -> Iterator[dict[str, str]]:
    """A simulator of that many contracts, and the variables that point at it."""
    with _program(folder, "simulate", {}, "simulate", "--port", "0", "--symbols", str(symbols)):
        said = folder / "simulate.out"
        while said.read_text().count("BITMART_") < _INTRODUCED:
            time.sleep(_LOOK_S)
        pairs = (line.partition("=") for line in said.read_text().splitlines() if line.startswith("BITMART_"))
        yield {name: value for name, _, value in pairs}


@contextmanager
def _program(folder: Path, name: str, settings: Mapping[str, str], *words: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(_ROOT), **settings}
    with (folder / f"{name}.out").open("wb") as output:
        program = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "bridge", *words],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield program
    finally:
        program.terminate()
        program.wait()


def _cpu_s(pid: int) -> float:
    """User and system time that a process has taken, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _resident_mb(program: subprocess.Popen[bytes]) -> float:
    pages = int(Path(f"/proc/{program.pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MIB


if __name__ == "__main__":
    main()
