"""What the server itself can take, from bytes packed beforehand."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import hiredis

from bridge.records import Kline, fields_of
from bridge.store.client import dialled
from bridge.store.writing.appends import Append, Appends
from bridge.store.writing.lane import Lane
from tests.benchmarks.frames import TURN
from tests.benchmarks.stages import klines
from tests.benchmarks.stand import KEYS, Cost, Stand

_DEPTH: Final = 100
_READ: Final = 1 << 18


async def bare(stand: Stand, frames: int) -> Cost:
    """XADD with the fields and caps of the bridge."""
    cap = str(stand.settings.cap_klines)

    def pack(some: list[Kline]) -> bytes:
        return b"".join(_xadd(kline, cap) for kline in some)

    return await _taken(stand, frames, pack, replies=_DEPTH, at_once=_DEPTH)


async def guarded(stand: Stand, frames: int) -> Cost:
    """The bridge's own append, in flushes as large as its own."""
    lane = Lane(dialled(stand.settings.redis_url).connection, timeout_s=1)
    make = Appends(KEYS, stand.settings).kline

    def pack(some: list[Kline]) -> bytes:
        appends: list[Append] = [make(kline) for kline in some]
        return lane._packed(appends)  # noqa: SLF001 - the bytes, and not their sending

    return await _taken(stand, frames, pack, replies=1, at_once=TURN)


async def _taken(
    stand: Stand, frames: int, pack: Callable[[list[Kline]], bytes], *, replies: int, at_once: int
) -> Cost:
    await stand.empty()
    given = klines(frames)
    packed = [pack(given[first : first + at_once]) for first in range(0, frames, at_once)]
    where = urlsplit(stand.settings.redis_url.reveal())
    with socket.create_connection((where.hostname, where.port)) as server:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        async def work() -> None:
            reader = hiredis.Reader()
            for one in packed:
                server.sendall(one)
                for _ in range(replies):
                    while (answer := reader.gets()) is False:
                        reader.feed(server.recv(_READ))
                    if isinstance(answer, hiredis.ReplyError):
                        raise answer

        return await stand.measure_store(frames, work(), entries=frames)


def _xadd(kline: Kline, cap: str) -> bytes:
    words = ("XADD", KEYS.klines(kline.symbol, kline.timeframe), "MAXLEN", "~", cap, "*", *fields_of(kline))
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # its stub says one word
    return packed
