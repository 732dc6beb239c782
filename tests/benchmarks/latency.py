"""How long a frame takes from the exchange's socket to a reader whose blocked `XREAD` returns it.

The reader has a process of its own, as a bot has, and follows every tenth topic: a server that looks through hundreds
of streams at each `XREAD` takes longer for that than for all that is measured. Both ends note monotonic time, which one
machine's processes share.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from statistics import quantiles
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import hiredis

from bridge.records import Kline, field_names
from tests.benchmarks import peers
from tests.benchmarks.frames import TURN, frame_of
from tests.benchmarks.program import ingesting
from tests.benchmarks.stand import STREAMS

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from tests.benchmarks.stand import Stand

_WARM: Final = 0.2
# Of so many topics one is followed; the last frame's is among them, and stands behind all others.
_EACH: Final = 10
_READ_MS: Final = 2_000
_READ: Final = 1 << 18
_VOLUME: Final = 2 * field_names(Kline).index("volume") + 1


async def ingester(stand: Stand, frames: int, per_second: float) -> dict[str, float]:
    """By the program as it is."""
    async with ingesting(stand, stand.source):
        return await _measured(stand, frames, per_second, asyncio.sleep(0))


async def bare(stand: Stand, frames: int, per_second: float) -> dict[str, float]:
    """By the least that can be: read, write, nothing else; on the same loop as the program's."""
    async with peers.writing(stand) as pass_on:
        return await _measured(stand, frames, per_second, pass_on(frames))


async def _measured(stand: Stand, frames: int, per_second: float, work: Awaitable[None]) -> dict[str, float]:
    async with _reader(stand, frames) as came:
        stand.source.send(frames, per_second)
        await work
        at = await came()
    sent = await stand.source.sent_at()
    took_ms = [(at[frame] - sent[frame]) / 1e6 for frame in at if frame >= frames * _WARM]
    cuts = quantiles(took_ms, n=100)
    return {"p50_ms": cuts[49], "p99_ms": cuts[98], "missing": float(frames - await stand.entries())}


@asynccontextmanager
async def _reader(stand: Stand, frames: int) -> AsyncIterator[Callable[[], Awaitable[dict[int, int]]]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", __name__, stand.settings.redis_url.reveal(), str(frames)),
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )
    try:
        await _line(process)

        async def came() -> dict[int, int]:
            return dict(json.loads(await _line(process)))

        yield came
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _line(process: Process) -> bytes:
    return await process.stdout.readline() if process.stdout else b""


def _read(url: str, frames: int) -> None:
    # By the server's own words and hiredis: what a client library takes for so many streams is not what is measured.
    where = urlsplit(url)
    seen = dict.fromkeys((stream.encode() for stream in STREAMS[_EACH - 1 : TURN : _EACH]), b"0")
    places = dict(zip(seen, range(_EACH - 1, TURN, _EACH), strict=True))
    reader, came = hiredis.Reader(), list[tuple[int, int]]()
    with socket.create_connection((where.hostname, where.port)) as server:
        print("ready", flush=True)  # noqa: T201 - this is how it speaks
        while len(came) < frames // _EACH:
            command = ("XREAD", "BLOCK", _READ_MS, "STREAMS", *seen, *seen.values())
            server.sendall(hiredis.pack_command(command))  # type: ignore[arg-type]  # its stub says one word
            while (answer := reader.gets()) is False:
                reader.feed(server.recv(_READ))
            at = time.monotonic_ns()
            if not answer:
                break
            for stream, entries in answer:
                seen[stream] = entries[-1][0]
                for _, flat in entries:
                    came.append((frame_of(places[stream], flat[_VOLUME], TURN), at))
    print(json.dumps(came), flush=True)  # noqa: T201 - as above


if __name__ == "__main__":
    _read(sys.argv[1], int(sys.argv[2]))
