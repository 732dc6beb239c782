"""What the tests of this room share: settings that hurry, and a sink that remembers."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import msgspec

from bridge import exchanges
from bridge.clock import ExchangeClock, host_ms
from bridge.exchanges.base import Exchange
from bridge.ingest.rest.fetch import Rest
from bridge.ingest.rest.pace import Pace
from bridge.ingest.sockets.connection import Connection
from bridge.ingest.sockets.gate import Gate
from bridge.ingest.sockets.pool import Pool
from bridge.ingest.sockets.pools import pools
from bridge.ingest.sockets.subscriptions import Phase
from bridge.records import EventName, Kline, Record, Source
from bridge.settings import Settings
from bridge.simulator import Scenario, Simulator
from bridge.simulator.recorded.replay import Replay
from bridge.timeframes import Timeframe
from bridge.values import Secret
from tests.histories import shared
from tests.store.processes import own_port

# 2026-09-23 10:20:00 UTC, a Wednesday.
START: Final = 1_790_158_800_000
BTC: Final = "futures/klineBin1m:BTCUSDT"
ETH: Final = "futures/klineBin5m:ETHUSDT"
ORDERS: Final = "futures/order"
POSITIONS: Final = "futures/position"
# What no test waits for unless it says so: far longer than any test lasts.
NEVER_S: Final = 600.0


def quick(simulator: Simulator | Replay, **changes: Any) -> Settings:  # noqa: ANN401 - the fields of settings
    """Settings that point at a simulator and retry at once; what is to take long must be asked for."""
    account = simulator.scenario
    hurried = Settings(
        bitmart_public_ws_uri=simulator.public_ws_uri,
        bitmart_private_ws_uri=simulator.private_ws_uri,
        bitmart_rest_uri=simulator.rest_uri,
        bitmart_api_key=Secret(account.api_key),
        bitmart_api_secret=Secret(account.api_secret),
        bitmart_api_memo=Secret(account.api_memo),
        subscribe_delay_ms=0,
        connect_delay_ms=0,
        reconnect_delay_s=0.01,
        reconnect_max_s=0.05,
        rest_calls_per_2s=1_000,
    )
    return dataclasses.replace(hurried, **changes)


def market(**changes: Any) -> Simulator:  # noqa: ANN401 - the fields of a scenario
    """A simulator that plays an hour in a minute, limits nobody, and whose account rests unless told otherwise."""
    scenario = Scenario(**({"start": START, "rate": 60.0, "trading": False, "limits": False} | changes))
    return shared(Simulator(scenario, port=own_port()))


def hasty(uri: str, clock: ExchangeClock) -> Rest:
    """Something to call REST with, as fast as it can."""
    return Rest(uri, clock, lambda _: Pace(1_000))


def clock_of(simulator: Simulator) -> ExchangeClock:
    """A clock that shows the simulator's time."""
    clock = ExchangeClock(time.monotonic, host_ms(), simulator.scenario.rate)
    clock.set(simulator.now)
    return clock


class Notebook:
    """A connection's sink that remembers."""

    def __init__(self) -> None:
        """Begin empty."""
        self.records: list[Record] = []
        self.events: list[tuple[EventName, str, str]] = []
        self.times: list[float] = []
        self.stirs = 0
        self.activations: list[str] = []
        self.losses: list[bool] = []
        self.missed: list[set[str]] = []

    def take(self, record: Record) -> None:
        """Take a record."""
        self.records.append(record)

    def happened(self, event: EventName, subject: str, text: str) -> None:
        """Take note of an event."""
        self.events.append((event, subject, text))
        self.times.append(time.monotonic())

    def lost(self, *, private: bool, topics: Collection[str] = ()) -> None:
        """Note that a socket is gone, and what it held."""
        self.losses.append(private)
        self.missed.append(set(topics))

    def activated(self, topic: str) -> None:
        """Note a topic that became active."""
        self.activations.append(topic)

    def stirred(self) -> None:
        """Count a change of state."""
        self.stirs += 1

    def names(self) -> list[EventName]:
        """What happened, in order."""
        return [event for event, _, _ in self.events]

    def texts(self, event: EventName) -> list[str]:
        """What was said of each such event."""
        return [text for name, _, text in self.events if name is event]

    def klines(self, topic: str) -> list[Kline]:
        """The candles of a topic, as they came."""
        prefix, _, symbol = topic.partition(":")
        timeframe = prefix.removeprefix("futures/klineBin").lower()
        return [
            record
            for record in self.records
            if isinstance(record, Kline) and (record.symbol, record.timeframe) == (symbol, timeframe)
        ]


def connect(
    simulator: Simulator,
    settings: Settings,
    notes: Notebook,
    *,
    private: bool = False,
    clock: ExchangeClock | None = None,
    draw: Callable[[], float] = lambda: 1.0,
) -> Connection:
    """A connection that is not running yet; each of its waits is as long as it can be."""
    return Connection(
        private=private,
        exchange=exchanges.chosen(settings),
        clock=clock or clock_of(simulator),
        settings=settings,
        sink=notes,
        draw=draw,
    )


def pool_of(simulator: Simulator, settings: Settings, notes: Notebook, *, name: str = "public") -> Pool:
    """A pool that is not running yet."""
    pair = pools(
        exchange=exchanges.chosen(settings), clock=clock_of(simulator), settings=settings, sink=notes, gate=Gate(0)
    )
    return pair[name == "private"]


@contextmanager
def nobody() -> Iterator[str]:
    """An address, host and port, where nobody listens and nobody else can begin to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@asynccontextmanager
async def running(part: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Run a part that ends only by being cancelled; a part that ended by itself has failed."""
    task = asyncio.create_task(part)
    try:
        yield task
        if task.done():
            task.result()
            raise AssertionError("it ended by itself")
    finally:
        task.cancel()
        await asyncio.wait([task])


def active(connection: Connection) -> set[str]:
    """The topics that the exchange has acknowledged."""
    return {topic for topic, held in connection.held if held.phase is Phase.ACTIVE}


def candle(minute: int, **changes: Any) -> Kline:  # noqa: ANN401 - the fields of a kline
    """A one-minute candle that opens `minute` minutes after the start."""
    open_time = START + minute * 60_000
    made = Kline(
        symbol="BTCUSDT",
        timeframe="1m",
        open_time=open_time,
        close_time=Timeframe.M1.last_ms(open_time),
        open="100",
        high="101",
        low="99",
        close="100",
        volume="5",
        closed=0,
        source=Source.WS.value,
        received_at=1,
    )
    return msgspec.structs.replace(made, **changes)


def credentialless(settings: Settings) -> Settings:
    """The same without an account."""
    return dataclasses.replace(
        settings, bitmart_api_key=Secret(), bitmart_api_secret=Secret(), bitmart_api_memo=Secret()
    )


def exchange_of(settings: Settings) -> Exchange:
    """The exchange that settings speak of."""
    return exchanges.chosen(settings)
