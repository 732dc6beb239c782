"""The bridge's way from a frame to a packed flush, joined as in an ingester, but with nothing on either side.

No socket, no server, no other process: what this costs more than its parts is what joining them costs, and what more
topics cost is what no longer fits the nearest caches.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from bridge.clock import ExchangeClock
from bridge.exchanges.bitmart import topics
from bridge.exchanges.bitmart.session import BitMartSession
from bridge.ingest.candles.opened import Candles
from bridge.ingest.candles.series import Series
from bridge.ingest.router import Router
from bridge.ingest.sockets.connection import Connection
from bridge.ingest.sockets.line import Line
from bridge.store.client import dialled
from bridge.store.writing.appends import Append, Appends
from bridge.store.writing.lane import Lane, Posted
from bridge.store.writing.writer import Writer
from tests.benchmarks.frames import EXCHANGE_MS, SERIES, TOPICS, WIDE, payloads
from tests.benchmarks.stages import DeafExchange
from tests.benchmarks.stand import KEYS, Cost, Stand

if TYPE_CHECKING:
    from bridge.ingest.account.recovery import Recovery
    from bridge.ingest.candles.prover import Prover
    from bridge.settings import Settings

_FEW: Final = 100
# Frames that come together, and leave in one flush.
_CHUNK: Final = 100


async def few(stand: Stand, frames: int) -> Cost:
    """Of topics whose objects stay in the caches."""
    return await _taken(stand, frames, _FEW)


async def wide(stand: Stand, frames: int) -> Cost:
    """Of as many topics as one socket carries."""
    return await _taken(stand, frames, WIDE)


async def _taken(stand: Stand, frames: int, turn: int) -> Cost:
    session, lane = BitMartSession(None, 1), _Mirror(stand.settings)
    writer = Writer(lane, bound=stand.settings.buffer_entries, batch=stand.settings.flush_entries)
    connection = _joined(stand.settings, writer, session, turn)
    given = payloads(turn + frames, turn)

    async def work(first: int, last: int) -> None:
        for at in range(first, last, _CHUNK):
            connection._take(session, given[at : min(at + _CHUNK, last)])  # noqa: SLF001 - without its socket
            await asyncio.sleep(0)  # for the flush, which begins with the loop's next turn

    await work(0, turn)
    cost = await stand.measure(frames, work(turn, turn + frames))
    if lane.taken != turn + frames:
        raise AssertionError(f"{lane.taken} entries of {turn + frames} frames")
    return cost


def _joined(settings: Settings, writer: Writer, session: BitMartSession, turn: int) -> Connection:
    clock = ExchangeClock(time.monotonic, EXCHANGE_MS)
    router = Router(
        name="",
        clock=clock,
        candles=Candles(grace_ms=5_000),
        appends=Appends(KEYS, settings),
        write=writer.append,
        stir=lambda: None,
    )
    router.join(cast("Prover", _Proving()), cast("Recovery", None))
    router.follow(map(topics.parse, TOPICS[:turn]))
    exchange = DeafExchange(session, settings)
    line = Line(router, lost=lambda _: None, stirred=lambda: None)
    return Connection(private=False, exchange=exchange, clock=clock, settings=settings, sink=line)


class _Proving:
    """What a prover keeps of each series, and no proving."""

    def __init__(self) -> None:
        self._series = {
            (symbol, timeframe.value): Series(
                symbol, timeframe, now_ms=EXCHANGE_MS, seed=1, cap=500, timeout_ms=120_000
            )
            for symbol, timeframe in SERIES
        }

    def series(self, symbol: str, timeframe: str) -> Series | None:
        """Return the series of that name."""
        return self._series.get((symbol, timeframe))


class _Mirror(Lane):
    """Packs a flush, and says that all of it was written."""

    ready = True

    def __init__(self, settings: Settings) -> None:
        super().__init__(dialled(settings.redis_url).connection, timeout_s=1)
        self.taken = 0

    def post(self, batch: Sequence[Append], done: Posted) -> None:
        """Pack, and answer at once."""
        self._packed(batch)
        self.taken += len(batch)
        done(batch, [1] * len(batch))
