"""The exchange's list of contracts: what a wish for every symbol means, and which contracts do not trade at all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from bridge.errors import RestError
from bridge.log import Sampled

if TYPE_CHECKING:
    from bridge.clock import ExchangeClock
    from bridge.exchanges.base import Contract, Exchange
    from bridge.ingest.rest.fetch import Rest

log = logging.getLogger(__name__)

_RETRY_S: Final = 5.0


class Listing:
    """The symbols that trade now; read only while somebody needs them.

    Attributes:
        symbols: those that trade.
        contracts: all that are listed, by symbol.
        asked_ms: the exchange's time when the list was asked for; 0 before that is known.
        trouble: why the list cannot be read, if so.
    """

    def __init__(
        self,
        rest: Rest,
        exchange: Exchange,
        clock: ExchangeClock,
        *,
        refresh_s: float,
        on_change: Callable[[], None],
    ) -> None:
        """Read the list by `rest` every `refresh_s` seconds, and call `on_change` when other symbols trade."""
        self._rest = rest
        self._clock = clock
        self._exchange = exchange
        self._refresh_s = refresh_s
        self._on_change = on_change
        self._needed = asyncio.Event()
        self.symbols: frozenset[str] = frozenset()
        self.contracts: dict[str, Contract] = {}
        self.asked_ms = 0
        self.trouble = ""

    def need(self, *, needed: bool) -> None:
        """Say whether the list is needed at present."""
        if needed:
            self._needed.set()
        else:
            self._needed.clear()

    async def run(self) -> None:
        """Keep the list for ever, while it is needed."""
        odd = Sampled(log, every_s=60)
        while True:
            await self._needed.wait()
            call = self._exchange.contracts_call()
            await self._rest.turn(call)
            asked_ms = self._clock.now_ms() if self._clock.synchronised else 0
            try:
                contracts = await self._rest.send(call)
            except RestError as trouble:
                self.trouble = str(trouble)
                odd.warning("the list of contracts cannot be read: %s", trouble)
                await asyncio.sleep(_RETRY_S)
                continue
            if not contracts:
                # An exchange that lists nothing at all is in trouble, and no reason to give everything up.
                self.trouble = "the list of contracts came empty"
                await asyncio.sleep(_RETRY_S)
                continue
            self.contracts = {contract.symbol: contract for contract in contracts}
            self.asked_ms = asked_ms
            self._learn(frozenset(contract.symbol for contract in contracts if contract.trading))
            await asyncio.sleep(self._refresh_s)

    def _learn(self, symbols: frozenset[str]) -> None:
        self.trouble = ""
        if symbols != self.symbols:
            log.info("%d contracts trade now (%d before)", len(symbols), len(self.symbols))
            self.symbols = symbols
            self._on_change()
