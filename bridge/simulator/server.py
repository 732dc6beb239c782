"""The simulator as the rest of the house sees it."""

from __future__ import annotations

import asyncio
import logging
from random import Random
from typing import TYPE_CHECKING, Self

from bridge.simulator.clock import MarketClock
from bridge.simulator.faults import Faults
from bridge.simulator.klines import Klines
from bridge.simulator.ledger import Ledger
from bridge.simulator.market.market import Market
from bridge.simulator.place import Place
from bridge.simulator.rest.rest import Rest
from bridge.simulator.scenario import Scenario
from bridge.simulator.sockets.delivery import Delivery
from bridge.simulator.sockets.dialogue import Dialogue
from bridge.simulator.sockets.door import Door
from bridge.simulator.sockets.sockets import Sockets
from bridge.simulator.stats import Stats
from bridge.simulator.topics import is_private
from bridge.simulator.trading.account import Account
from bridge.simulator.trading.script import Script
from bridge.simulator.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from websockets.asyncio.server import Server

    from bridge.simulator.market.market import CandleFact
    from bridge.simulator.sockets.sockets import Socket

_log = logging.getLogger(__name__)


class Simulator(Place):
    """A BitMart futures exchange on a loopback port.

    Use it as an async context manager, or call `start` and `stop`. After `stop` it may be started again: on the same
    port, with the market and the account having gone on meanwhile.

    Attributes:
        scenario: What it plays.
        faults: Its switches.
        ledger: The truth it dealt.
        stats: What it counted.
        sockets: The open WebSockets.
        account: The account, for orders by hand.
        market: The market, for reading.
    """

    def __init__(
        self,
        scenario: Scenario | None = None,
        *,
        faults: Faults | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        ledger_path: Path | None = None,
    ) -> None:
        """Prepare; nothing listens yet, and market time stands still.

        Args:
            scenario: What to play; the default scenario if left out.
            faults: Switches to begin with; all off if left out.
            host: The address to listen on.
            port: The port to listen on; 0 takes a free one.
            ledger_path: A file to append the ledger to as lines of JSON.
        """
        super().__init__(host, port)
        self.scenario = scenario or Scenario()
        self.faults = faults or Faults()
        self.ledger = Ledger(ledger_path)
        self.stats = Stats()
        self.sockets = Sockets(self.stats)
        self.market = Market(self.scenario, MarketClock(self.scenario.rate, self.scenario.start))
        self.account = Account(self.scenario, self.faults, self.market, self.ledger, self._tell)
        self._delivery = Delivery(self.faults, self.stats)
        self._klines = Klines(self.market, self.faults, self.sockets, self._delivery)
        self._door = self._hang_door()
        self._turns = self._plan_turns()
        self._server: Server | None = None
        self._work: asyncio.Task[None] | None = None

    @property
    def now(self) -> int:
        """Market time in Unix milliseconds."""
        return self.market.clock.now()

    @property
    def running(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    async def start(self) -> None:
        """Listen. What happened while it was stopped is caught up with first, untold to anyone.

        Raises:
            OSError: The port is taken.
        """
        if self._server is not None:
            return
        self.market.clock.begin()
        self._turns.turn()
        self._server = await self._door.open(self.host, self.port)
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        self._work = asyncio.create_task(self._take_turns(), name="simulator")

    async def stop(self, *, abrupt: bool = False) -> None:
        """Close all sockets and the port, and write the ledger. Market time runs on.

        Args:
            abrupt: Cut the sockets without a close frame; otherwise they are closed with code 1001.

        Raises:
            Exception: What made the loop of turns fail, if anything did.
        """
        if self._server is None or self._work is None:
            return
        server, work, self._server, self._work = self._server, self._work, None, None
        work.cancel()
        if abrupt:
            self.cut_sockets()
        await self._door.shut(server)
        await asyncio.wait([work])
        self._turns.turn()
        self.ledger.close()
        if not work.cancelled() and (failure := work.exception()):
            raise failure

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()

    def cut_sockets(self, which: str = "all") -> int:
        """Cut sockets without a close frame, and return how many.

        Args:
            which: "public", "private" or "all".

        Raises:
            ValueError: It is none of these.
        """
        return self.sockets.cut(which)

    def truth_candles(self, symbol: str, timeframe: str, start: int, end: int) -> Iterator[CandleFact]:
        """Yield every candle that opens in a window, as ledger facts, history and empty periods included.

        Args:
            symbol: A listed contract.
            timeframe: "1m", "5m", "15m", "30m", "1h", "2h", "4h", "1d" or "1w".
            start: Unix milliseconds, inclusive.
            end: Unix milliseconds, exclusive. Candles that market time has not finished are given as they will be.

        Yields:
            The facts, oldest first. An empty period repeats the close before it and has volume "0".
        """
        return self.market.truth(symbol, timeframe, start, end)

    def _tell(self, topic: str, data: object) -> None:
        """Push private data to all who hold its topic."""
        self._delivery.data(topic, self.sockets.holders(topic), {"group": topic, "data": data})

    def _held(self, socket: Socket, topic: str) -> None:
        """Begin what a newly held topic brings."""
        if not is_private(topic):
            self._klines.begin(socket, topic)
        elif self.faults.private_snapshot:
            self._delivery.data(topic, (socket,), {"group": topic, "data": self.account.snapshot(topic)})

    def _hang_door(self) -> Door:
        stats, sockets, faults = self.stats, self.sockets, self.faults
        dialogue = Dialogue(self.scenario, faults, self.market, sockets, stats, on_hold=self._held)
        rest = Rest(self.scenario, faults, self.market, self.account, stats)
        return Door(self.scenario, faults, self.market.clock, stats, sockets, self._delivery, dialogue, rest)

    def _plan_turns(self) -> Turns:
        dice = Random(self.scenario.seed)  # noqa: S311 - a repeatable story, not cryptography
        script = Script(self.account, self.scenario.order_interval_s * 1000, dice)
        if self.scenario.trading:
            script.begin(self.market.start - self.scenario.account_history_s * 1000)
        return Turns(
            self.market,
            self.account,
            script,
            self._klines,
            self._delivery,
            self.sockets,
            self.ledger,
            self.faults,
            self._door.close,
        )

    async def _take_turns(self) -> None:
        try:
            while True:
                self._turns.turn()
                await asyncio.sleep(self._turns.pause_s)
        except Exception:
            _log.exception("the simulator's market came to a halt")
            raise
