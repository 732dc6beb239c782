"""What happens by itself: the market goes on, the account trades, frames become due."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.simulator.timeframes import MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.simulator.faults import Faults
    from bridge.simulator.klines import Klines
    from bridge.simulator.ledger import Ledger
    from bridge.simulator.market.market import Market
    from bridge.simulator.sockets.delivery import Delivery
    from bridge.simulator.sockets.sockets import Socket, Sockets
    from bridge.simulator.trading.account import Account
    from bridge.simulator.trading.script import Script

_POSITIONS_EVERY_MS = 10_000  # documented
_IDLE_S, _LIFELESS_S = 20.0, 5.0  # documented

# Wall seconds between two turns. A tenth of a second is as fine as anything on this wire; a fast market needs more.
_SHORTEST_S, _LONGEST_S, _MARKET_S = 0.02, 0.1, 0.25


@dataclass(slots=True)
class Turns:
    """One turn after the other brings everything up to the present.

    Attributes:
        close: Closes a socket with a close frame.
    """

    market: Market
    account: Account
    script: Script
    klines: Klines
    delivery: Delivery
    sockets: Sockets
    ledger: Ledger
    faults: Faults
    close: Callable[[Socket], None]
    _minute: int = field(init=False)
    _positions_due: int = field(init=False)
    _frozen: bool = False

    def __post_init__(self) -> None:
        """Begin at the market's start."""
        self._minute = self.market.start // MINUTE_MS
        self._positions_due = self.market.start + _POSITIONS_EVERY_MS

    @property
    def pause_s(self) -> float:
        """Wall seconds until the next turn."""
        return min(max(_MARKET_S / self.market.clock.rate, _SHORTEST_S), _LONGEST_S)

    def turn(self) -> None:
        """Do all that is due now."""
        now = self.market.clock.now()
        self._freeze()
        self.script.advance(now)
        self._note_candles(now)
        self.klines.push(now)
        self._push_positions(now)
        self.delivery.forward()
        self._close_idle()
        self.ledger.flush()
        self.market.warm()

    def _note_candles(self, now: int) -> None:
        """Note the candles that became final, minute by minute, also those of a time without turns."""
        while self._minute < now // MINUTE_MS:
            self._minute += 1
            for fact in self.market.closing(self._minute):
                self.ledger.note(fact)

    def _push_positions(self, now: int) -> None:
        if now < self._positions_due:
            return
        missed = (now - self._positions_due) // _POSITIONS_EVERY_MS
        self._positions_due += (missed + 1) * _POSITIONS_EVERY_MS
        self.account.push_positions()

    def _close_idle(self) -> None:
        now = time.monotonic()
        for socket in self.sockets:
            idle = self.faults.idle_close_20s and now - socket.heard > _IDLE_S
            lifeless = self.faults.lifeless_close_5s and not socket.topics and now - socket.opened > _LIFELESS_S
            if idle or lifeless:
                self.close(socket)

    def _freeze(self) -> None:
        """While frozen the server does not even read, so the library cannot answer a WebSocket ping."""
        if self.faults.freeze == self._frozen and not self.faults.freeze:
            return
        self._frozen = self.faults.freeze
        for socket in self.sockets:
            transport = socket.connection.transport
            if self._frozen and transport.is_reading():
                transport.pause_reading()
            elif not self._frozen and not transport.is_reading() and not transport.is_closing():
                transport.resume_reading()
