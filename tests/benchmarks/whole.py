"""The whole way, by the program as users run it: from the socket to entries that a reader has been given.

Two loads. All frames at once: unsent states of a candle give way to newer ones, as they are meant to when the exchange
is faster than Redis. And evenly spread: what an ingester costs on a quiet day, where waking up costs most. How fast it
goes when nothing gives way is `window`'s.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, cast

from redis.asyncio import Redis

from bridge.store import client
from tests.benchmarks.frames import volume_of
from tests.benchmarks.program import Program, ingesting
from tests.benchmarks.stand import STREAMS, Cost, Stand

if TYPE_CHECKING:
    from tests.benchmarks.source import Source

_READ_MS: Final = 20_000

_Answer = list[tuple[str, list[tuple[str, dict[str, str]]]]]


async def at_once(stand: Stand, frames: int) -> Cost:
    """Unsent states give way."""
    async with ingesting(stand, stand.source) as program, reading(stand, stand.source) as last:

        async def work() -> None:
            stand.source.send(frames)
            await last.shows(volume_of(frames - 1))

        return await stand.measure_store(frames, work(), cpu_s=program.cpu_s)


async def evenly(stand: Stand, frames: int, per_second: float) -> Cost:
    """A frame at a time."""
    async with ingesting(stand, stand.source) as program, reading(stand, stand.source) as last:
        return await stand.measure_store(
            frames, paced(stand.source, last, frames, per_second), entries=frames, cpu_s=program.cpu_s
        )


async def market(stand: Stand, pushes: int, per_second: float) -> tuple[Cost, Program, float]:
    """The whole market at the exchange's own pace, so many pushes of each topic, after a first one at once.

    Return its cost, the program, and the memory it held at the end. A topic's first candle has its way to find, which
    happens once a day and not at that pace.
    """
    source = stand.market
    async with ingesting(stand, source) as program, reading(stand, source) as last:
        await paced(source, last, source.turn, 0)
        sent = (pushes + 1) * source.turn

        async def work() -> None:
            source.send(sent - source.turn, per_second)
            await last.shows(volume_of(sent - 1, source.turn))

        cost = await stand.measure_store(sent - source.turn, work(), cpu_s=program.cpu_s)
        if cost.entries != sent:
            raise AssertionError(f"{cost.entries} entries came of {sent} frames")
        return cost, program, program.resident_mb()


async def paced(source: Source, last: LastStream, frames: int, per_second: float) -> None:
    """Have so many frames sent evenly, and wait until the last has been read."""
    source.send(frames, per_second)
    await last.shows(volume_of(frames - 1, source.turn))


@asynccontextmanager
async def reading(stand: Stand, source: Source) -> AsyncIterator[LastStream]:
    """Read the stream of the topic that each turn ends with."""
    redis = client.blocking(stand.settings.redis_url)
    try:
        await redis.ping()
        yield LastStream(redis, STREAMS[source.turn - 1])
    finally:
        await redis.aclose()


class LastStream:
    """The stream of the topic that each turn ends with, read as a consumer reads it.

    Entries are written in the order of their frames, so what stands here stands behind all others of its turn.
    """

    def __init__(self, redis: Redis, stream: str) -> None:
        """Read `stream` from its beginning."""
        self._redis = redis
        self._stream = stream
        self._seen = "0"

    async def shows(self, volume: str) -> None:
        """Wait for the entry of that volume."""
        while True:
            answer = cast("_Answer", await self._redis.xread({self._stream: self._seen}, block=_READ_MS))
            if not answer:
                raise TimeoutError("the last entry of a turn did not come")
            for entry_id, fields in answer[0][1]:
                self._seen = entry_id
                if fields["volume"] == volume:
                    return
