"""What a user would write in an afternoon: websockets, json and redis-py, each as its documentation shows it.

Two ways: one awaited XADD a frame, and pipelines of a hundred. They write the fields that the bridge writes and never
compare: what is repeated is written twice, what is older goes behind what is newer. Their parts, each alone, are what
the bridge's parts are compared with.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from redis.asyncio import Redis
from redis.asyncio.connection import Connection
from websockets.asyncio.client import connect

from bridge.clock import host_ms
from bridge.timeframes import Timeframe
from tests.benchmarks.frames import payloads
from tests.benchmarks.stand import Cost, Stand, measure

if TYPE_CHECKING:
    from redis.typing import EncodableT, FieldT
    from websockets.asyncio.client import ClientConnection

    Fields = dict[FieldT, EncodableT]

PIPELINE: Final = 100
_CAP: Final = 200
_LENGTHS_MS: Final = {timeframe.value: timeframe.milliseconds for timeframe in Timeframe}


async def receive(stand: Stand, frames: int) -> Cost:
    """The socket alone, texts as they come."""
    async with connect(stand.source.uri) as socket:

        async def work() -> None:
            stand.source.send(frames)
            for _ in range(frames):
                await socket.recv()

        await stand.source.subscribe(socket)
        return await stand.measure(frames, work())


async def decode(_stand: Stand, frames: int) -> Cost:
    """From a text to stream and fields."""
    given = [payload.decode() for payload in payloads(frames)]

    def work() -> None:
        for text in given:
            _entry(text)

    return measure(frames, work)


async def pack(_stand: Stand, frames: int) -> Cost:
    """From stream and fields to bytes, as `Redis.xadd` does it."""
    given = [_entry(payload.decode()) for payload in payloads(frames)]
    packed = Connection().pack_command

    def work() -> None:
        for stream, fields in given:
            flat = [word for pair in fields.items() for word in pair]
            packed("XADD", stream, "MAXLEN", "~", _CAP, "*", *flat)

    return measure(frames, work)


async def commit_awaited(stand: Stand, frames: int) -> Cost:
    """From stream and fields to acknowledged entries, one by one."""
    given = [_entry(payload.decode()) for payload in payloads(frames)]
    async with _store(stand) as redis:

        async def work() -> None:
            for stream, fields in given:
                await redis.xadd(stream, fields, maxlen=_CAP)

        return await stand.measure_store(frames, work(), entries=frames)


async def commit_pipelined(stand: Stand, frames: int) -> Cost:
    """From stream and fields to acknowledged entries, a hundred at once."""
    given = [_entry(payload.decode()) for payload in payloads(frames)]
    async with _store(stand) as redis, redis.pipeline(transaction=False) as pipe:

        async def work() -> None:
            for stream, fields in given:
                pipe.xadd(stream, fields, maxlen=_CAP)
                if len(pipe) == PIPELINE:
                    await pipe.execute()

        return await stand.measure_store(frames, work(), entries=frames)


async def awaited(stand: Stand, frames: int, per_second: float = 0) -> Cost:
    """The whole way, one awaited XADD a frame."""
    async with _socket(stand) as socket, _store(stand) as redis:

        async def work() -> None:
            stand.source.send(frames, per_second)
            for _ in range(frames):
                stream, fields = _entry(await socket.recv())
                await redis.xadd(stream, fields, maxlen=_CAP)

        return await stand.measure_store(frames, work(), entries=frames)


async def pipelined(stand: Stand, frames: int, per_second: float = 0) -> Cost:
    """The whole way, pipelines of a hundred."""
    async with _socket(stand) as socket, _store(stand) as redis, redis.pipeline(transaction=False) as pipe:

        async def work() -> None:
            stand.source.send(frames, per_second)
            for _ in range(frames):
                stream, fields = _entry(await socket.recv())
                pipe.xadd(stream, fields, maxlen=_CAP)
                if len(pipe) == PIPELINE:
                    await pipe.execute()

        return await stand.measure_store(frames, work(), entries=frames)


@asynccontextmanager
async def writing(stand: Stand) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Yield what passes so many frames on, each by an awaited XADD."""
    async with _socket(stand) as socket, _store(stand) as redis:

        async def pass_on(frames: int) -> None:
            for _ in range(frames):
                stream, fields = _entry(await socket.recv())
                await redis.xadd(stream, fields, maxlen=_CAP)

        yield pass_on


@asynccontextmanager
async def _socket(stand: Stand) -> AsyncIterator[ClientConnection]:
    async with connect(stand.source.uri) as socket:
        await stand.source.subscribe(socket)
        yield socket


@asynccontextmanager
async def _store(stand: Stand) -> AsyncIterator[Redis]:
    await stand.empty()
    async with Redis.from_url(stand.settings.redis_url.reveal()) as redis:
        await redis.ping()
        yield redis


def _entry(text: str | bytes) -> tuple[str, Fields]:
    frame = json.loads(text)
    interval, _, symbol = frame["group"].removeprefix("futures/klineBin").partition(":")
    timeframe = interval.lower()
    candle = frame["data"]["items"][0]
    open_time = candle["ts"] * 1000
    fields: Fields = {
        "type": "kline",
        "v": "1",
        "symbol": symbol,
        "timeframe": timeframe,
        "open_time": open_time,
        "close_time": open_time + _LENGTHS_MS[timeframe] - 1,
        "open": candle["o"],
        "high": candle["h"],
        "low": candle["l"],
        "close": candle["c"],
        "volume": candle["v"],
        "closed": 0,
        "source": "ws",
        "received_at": host_ms(),
    }
    return f"bitmart:klines:{{{symbol}}}:{timeframe}", fields
