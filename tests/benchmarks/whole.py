"""The whole way, by a real ingester: from the socket to entries that a reader has been given.

Three loads. One turn of all topics at a time, the next when its last entry has been read: nothing gives way, each frame
becomes an entry. All frames at once: unsent states of a candle give way to newer ones, as they are meant to when the
exchange is faster than Redis. And evenly spread: what an ingester costs on a quiet day, where waking up costs most.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, cast

from redis.asyncio import Redis

from bridge import exchanges
from bridge.ingest.ingester import Ingester
from bridge.store import client
from bridge.store.desired import Desired
from tests.benchmarks.frames import TOPICS, TURN, volume_of
from tests.benchmarks.stand import KEYS, STREAMS, Cost, Stand

# After the last subscription an ingester reports the state of its topics; that is over by then.
_SETTLE_S: Final = 0.6
_READ_MS: Final = 20_000

_Answer = list[tuple[str, list[tuple[str, dict[str, str]]]]]


async def turn_by_turn(stand: Stand, frames: int) -> Cost:
    """Nothing gives way."""
    async with _ingesting(stand), _reading(stand) as last:

        async def work() -> None:
            for sent in range(0, frames, TURN):
                stand.source.send(TURN)
                await last.shows(volume_of(sent))

        return await stand.measure_store(frames, work(), entries=frames)


async def at_once(stand: Stand, frames: int) -> Cost:
    """Unsent states give way."""
    async with _ingesting(stand), _reading(stand) as last:

        async def work() -> None:
            stand.source.send(frames)
            await last.shows(volume_of(frames - 1))

        return await stand.measure_store(frames, work())


async def evenly(stand: Stand, frames: int, per_second: float) -> Cost:
    """A frame at a time."""
    async with _ingesting(stand), _reading(stand) as last:

        async def work() -> None:
            stand.source.send(frames, per_second)
            await last.shows(volume_of(frames - 1))

        return await stand.measure_store(frames, work(), entries=frames)


@asynccontextmanager
async def _ingesting(stand: Stand) -> AsyncIterator[None]:
    await stand.empty()
    await Desired(stand.redis, KEYS).change("shared", add=TOPICS)
    ingester = Ingester(stand.settings, exchanges.chosen(stand.settings))
    async with asyncio.TaskGroup() as group:
        group.create_task(ingester.run())
        await stand.source.ready()
        await asyncio.sleep(_SETTLE_S)
        yield
        ingester.stop()


@asynccontextmanager
async def _reading(stand: Stand) -> AsyncIterator[_LastStream]:
    redis = client.blocking(stand.settings.redis_url)
    try:
        await redis.ping()
        yield _LastStream(redis)
    finally:
        await redis.aclose()


class _LastStream:
    """The stream of the topic that each turn ends with, read as a consumer reads it.

    Entries are written in the order of their frames, so what stands here stands behind all others of its turn.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._seen = "0"

    async def shows(self, volume: str) -> None:
        """Wait for the entry of that volume."""
        while True:
            answer = cast("_Answer", await self._redis.xread({STREAMS[-1]: self._seen}, block=_READ_MS))
            if not answer:
                raise TimeoutError("the last entry of a turn did not come")
            for entry_id, fields in answer[0][1]:
                self._seen = entry_id
                if fields["volume"] == volume:
                    return
