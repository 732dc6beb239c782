"""The bridge's own parts, each alone: the same code that runs in an ingester, on the same frames."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

import hiredis
from websockets.asyncio.client import ClientConnection

from bridge.clock import ExchangeClock
from bridge.exchanges.base import Notice
from bridge.exchanges.bitmart import BitMart
from bridge.exchanges.bitmart.session import BitMartSession
from bridge.ingest.candles.opened import Candles
from bridge.ingest.candles.series import Series
from bridge.ingest.sockets.connection import Connection
from bridge.ingest.sockets.frames import opened
from bridge.records import EventName, Kline, Record, fields_of
from bridge.settings import Settings
from bridge.store import scripts
from bridge.store.client import dialled
from bridge.store.writing.appends import Append, Appends
from bridge.store.writing.lane import Lane
from bridge.store.writing.writer import Writer
from tests.benchmarks.frames import EXCHANGE_MS, SERIES, TOPICS, TURN, payloads
from tests.benchmarks.stand import KEYS, Cost, Stand, measure

_FEW: Final = 10
_WRITE_S: Final = 30.0


async def connection(stand: Stand, frames: int) -> Cost:
    """A connection as it is, with a session that understands nothing."""
    session = DeafSession()
    socket = Connection(
        private=False,
        exchange=DeafExchange(session, stand.settings),
        clock=ExchangeClock(time.monotonic, EXCHANGE_MS),
        settings=stand.settings,
        sink=_Nowhere(),
    )
    socket.want(frozenset(TOPICS[:TURN]))
    running = asyncio.create_task(socket.run())

    async def work() -> None:
        stand.source.send(frames)
        await session.heard(TURN + frames)

    try:
        await stand.source.ready()
        await session.heard(TURN)  # the answers to our subscriptions
        return await stand.measure(frames, work())
    finally:
        running.cancel()
        await asyncio.wait([running])


async def bare_socket(stand: Stand, frames: int) -> Cost:
    """The connection's socket, and nothing else."""
    async with opened(stand.source.uri, stand.settings, ClientConnection) as socket:

        async def work() -> None:
            stand.source.send(frames)
            for _ in range(frames):
                await socket.recv(decode=False)

        await stand.source.subscribe(socket)
        return await stand.measure(frames, work())


async def session(_stand: Stand, frames: int) -> Cost:
    """From a frame to the record in it."""
    receive = BitMartSession(None, 1).receive
    given = payloads(frames)

    def work() -> None:
        for payload in given:
            receive(payload, EXCHANGE_MS)

    return measure(frames, work)


async def candles(_stand: Stand, frames: int) -> Cost:
    """From a record to whether it is published."""
    following = Candles(grace_ms=5_000)
    given = klines(frames)
    for kline in given[:TURN]:
        following.take(kline, EXCHANGE_MS)
    later = [(following.newest(kline.symbol, kline.timeframe).grown, kline) for kline in given]

    def work() -> None:
        for grown, kline in later:
            grown(kline)

    return measure(frames, work)


async def series(_stand: Stand, frames: int) -> Cost:
    """What is remembered of a record until its candle is proven."""
    followed = {
        (symbol, timeframe.value): Series(symbol, timeframe, now_ms=EXCHANGE_MS, seed=1, cap=500, timeout_ms=120_000)
        for symbol, timeframe in SERIES[:TURN]
    }
    given = klines(frames)
    for kline in given[:TURN]:
        followed[kline.symbol, kline.timeframe].show(kline)
    # A topic's frame before is one turn earlier.
    later = [
        (followed[kline.symbol, kline.timeframe].shown.grown, kline, given[max(0, number - TURN)])
        for number, kline in enumerate(given)
    ]

    def work() -> None:
        for grown, kline, earlier in later:
            grown(kline, earlier)

    return measure(frames, work)


async def appends(stand: Stand, frames: int) -> Cost:
    """From a record to its append."""
    series = Appends(KEYS, stand.settings).klines
    given = [(series(kline.symbol, kline.timeframe).of, kline) for kline in klines(frames)]

    def work() -> None:
        for make, kline in given:
            make(kline)

    return measure(frames, work)


async def packing(stand: Stand, frames: int) -> Cost:
    """From an append to bytes, as the writer packs it."""
    make = Appends(KEYS, stand.settings).kline
    given = [make(kline).command for kline in klines(frames)]

    def work() -> None:
        for command in given:
            hiredis.pack_command(command)  # type: ignore[arg-type]  # its stub says one word

    return measure(frames, work)


async def guarded(stand: Stand, frames: int) -> Cost:
    """From appends to acknowledged entries, as many at once as there are topics."""
    return await _written(stand, frames, Appends(KEYS, stand.settings).kline, at_once=TURN)


async def guarded_few(stand: Stand, frames: int) -> Cost:
    """The same, a few at once."""
    return await _written(stand, frames, Appends(KEYS, stand.settings).kline, at_once=_FEW)


async def unguarded(stand: Stand, frames: int) -> Cost:
    """The writer with a bare XADD of the same fields."""
    return await _written(stand, frames, _bare(stand.settings), at_once=TURN)


async def unguarded_few(stand: Stand, frames: int) -> Cost:
    """The same, a few at once."""
    return await _written(stand, frames, _bare(stand.settings), at_once=_FEW)


async def _written(stand: Stand, frames: int, make: Callable[[Kline], Append], *, at_once: int) -> Cost:
    await stand.empty()
    given = [make(kline) for kline in klines(frames)]
    writer = Writer(
        Lane(dialled(stand.settings.redis_url).connection, timeout_s=stand.settings.redis_timeout_s),
        bound=stand.settings.buffer_entries,
        batch=stand.settings.flush_entries,
    )
    running = asyncio.create_task(writer.run())

    async def work() -> None:
        for first in range(0, frames, at_once):
            for append in given[first : first + at_once]:
                writer.append(append)
            await writer.drain(_WRITE_S)

    try:
        return await stand.measure_store(frames, work(), entries=frames)
    finally:
        running.cancel()
        await asyncio.wait([running])


def _bare(settings: Settings) -> Callable[[Kline], Append]:
    def make(kline: Kline) -> Append:
        stream = KEYS.klines(kline.symbol, kline.timeframe)
        return Append(scripts.LOG, (stream,), (settings.cap_klines, *fields_of(kline)))

    return make


def klines(frames: int) -> list[Kline]:
    """Return the records of the first frames."""
    receive = BitMartSession(None, 1).receive
    said = [record for payload in payloads(frames) for record in receive(payload, EXCHANGE_MS)[1]]
    return [record for record in said if isinstance(record, Kline)]


class DeafSession(BitMartSession):
    """Counts frames, and understands none."""

    def __init__(self) -> None:
        """Begin with none."""
        super().__init__(None, 20)
        self._count = self._awaited = 0
        self._reached = asyncio.Event()

    def receive(self, frame: str | bytes, received_at: int) -> tuple[str, Sequence[Record | Notice]]:  # noqa: ARG002 - deaf
        """Count a frame."""
        self._count += 1
        if self._count == self._awaited:
            self._reached.set()
        return "", ()

    async def heard(self, count: int) -> None:
        """Wait until `count` frames have come since the beginning."""
        self._reached.clear()
        self._awaited = count
        if self._count < count:
            await self._reached.wait()


class DeafExchange(BitMart):
    """BitMart, with that session."""

    def __init__(self, session: BitMartSession, settings: Settings) -> None:
        """Converse by `session` alone."""
        uri = settings.bitmart_public_ws_uri
        super().__init__(
            public_uri=uri, private_uri=uri, rest_uri=settings.bitmart_rest_uri, credentials=None, batch=20
        )
        self._session = session

    def session(self) -> BitMartSession:
        """Return the deaf session."""
        return self._session


class _Nowhere:
    """A sink that keeps nothing."""

    def take(self, record: Record) -> None:
        """Take a record."""

    def happened(self, event: EventName, subject: str, text: str) -> None:
        """Take note of an event."""

    def lost(self, *, private: bool) -> None:
        """Take note of a loss."""

    def activated(self, topic: str) -> None:
        """Take note of a topic."""

    def stirred(self) -> None:
        """Take note of a change."""
