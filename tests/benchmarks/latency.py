"""How long a frame takes from the exchange's socket to a reader whose blocked `XREAD` returns it.

The reader has a process of its own, as a bot has. Both ends note monotonic time, which one machine's processes share.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from statistics import quantiles
from typing import TYPE_CHECKING, Any, Final

from redis import Redis

from tests.benchmarks import peers
from tests.benchmarks.frames import TURN, frame_of
from tests.benchmarks.program import ingesting
from tests.benchmarks.stand import STREAMS

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from tests.benchmarks.stand import Stand

_WARM: Final = 0.2
_READ_MS: Final = 2_000


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
    first = int(frames * _WARM)
    took_ms = [(at[frame] - sent[frame]) / 1e6 for frame in range(first, frames) if frame in at]
    cuts = quantiles(took_ms, n=100)
    return {"p50_ms": cuts[49], "p99_ms": cuts[98], "missing": float(frames - len(at))}


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
    connection: Any = Redis.from_url(url, decode_responses=True, protocol=2).connection_pool.get_connection()
    seen = dict.fromkeys(STREAMS[:TURN], "0")
    places = {stream: place for place, stream in enumerate(seen)}
    came: list[tuple[int, int]] = []
    print("ready", flush=True)  # noqa: T201 - this is how it speaks
    while len(came) < frames:
        connection.send_command("XREAD", "BLOCK", _READ_MS, "STREAMS", *seen, *seen.values())
        answer = connection.read_response()
        at = time.monotonic_ns()
        if not answer:
            break
        for stream, entries in answer:
            seen[stream] = entries[-1][0]
            for _, flat in entries:
                came.append((frame_of(places[stream], flat[flat.index("volume") + 1], TURN), at))
    print(json.dumps(came), flush=True)  # noqa: T201 - as above


if __name__ == "__main__":
    _read(sys.argv[1], int(sys.argv[2]))
