"""The truth dealt: what really happened, whether or not anyone was connected."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import msgspec

from bridge.simulator.trading.orders import plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bridge.simulator.trading.orders import Fill, Order
    from bridge.simulator.trading.positions import Position

Fact = dict[str, str | int | None]

# The memory keeps the newest facts; the file keeps all.
_MOST_FACTS, _DROPPED_FACTS = 250_000, 50_000


class Ledger:
    """Facts in the order in which they became true. Times are market milliseconds, figures exact decimal strings.

    Every fact has a member `fact`, one of:
        candle: symbol, timeframe ("1m" to "1w"), open_time, open, high, low, close, volume. Noted when it is final;
            empty candles are not noted (the simulator's `truth_candles` yields them).
        order: at, order_id, client_order_id, symbol, side, type, price, size, state, action, deal_size,
            deal_avg_price, create_time, update_time. Noted at every change.
        fill: at, trade_id, order_id, symbol, side, price, size, fee (positive for a cost), fee_currency, exec_type.
        position: at, symbol, position_side ("long", "short" or "both"), volume (negative for a short), entry_price.

    Attributes:
        facts: The newest facts, oldest first; about a quarter of a million are kept in memory.
        dropped: How many older ones are not there any more.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Begin an empty ledger.

        Args:
            path: A file to append each fact to as a line of JSON; opened with the first fact.
        """
        self.facts: list[Fact] = []
        self.dropped = 0
        self._path = path
        self._file: IO[bytes] | None = None
        self._encoder = msgspec.json.Encoder()
        self._lines = bytearray()

    def note(self, fact: Fact) -> None:
        """Add a fact."""
        self.facts.append(fact)
        if len(self.facts) > _MOST_FACTS:
            del self.facts[:_DROPPED_FACTS]
            self.dropped += _DROPPED_FACTS
        if self._path is not None:
            self._lines += self._encoder.encode(fact) + b"\n"

    def order(self, order: Order, action: int, at: int) -> None:
        """Note a change of an order."""
        self.note(
            {
                "fact": "order",
                "at": at,
                "order_id": order.order_id,
                "client_order_id": order.client_order_id,
                "symbol": order.symbol,
                "side": order.side,
                "type": order.kind,
                "price": plain(order.price),
                "size": str(order.size),
                "state": order.state,
                "action": action,
                "deal_size": str(order.deal_size),
                "deal_avg_price": order.average_price,
                "create_time": order.create_time,
                "update_time": order.update_time,
            }
        )

    def fill(self, fill: Fill) -> None:
        """Note a match."""
        self.note(
            {
                "fact": "fill",
                "at": fill.at,
                "trade_id": str(fill.trade_id),
                "order_id": fill.order_id,
                "symbol": fill.symbol,
                "side": fill.side,
                "price": plain(fill.price),
                "size": str(fill.size),
                "fee": plain(fill.fee),
                "fee_currency": "USDT",
                "exec_type": "Maker" if fill.maker else "Taker",
            }
        )

    def position(self, position: Position, at: int) -> None:
        """Note a position after a change."""
        self.note(
            {
                "fact": "position",
                "at": at,
                "symbol": position.symbol,
                "position_side": position.side,
                "volume": str(position.volume),
                "entry_price": plain(position.entry),
            }
        )

    def select(self, kind: str, **members: str | int) -> list[Mapping[str, str | int | None]]:
        """The facts of a kind whose members have these values, oldest first."""
        wanted = (("fact", kind), *members.items())
        return [fact for fact in self.facts if all(fact.get(name) == value for name, value in wanted)]

    def flush(self) -> None:
        """Write what was noted since the last time; a few kilobytes when called every turn."""
        if self._path is None or not self._lines:
            return
        if self._file is None:
            self._file = self._path.open("ab")
        self._file.write(self._lines)
        self._file.flush()
        self._lines.clear()

    def close(self) -> None:
        """Write everything and close the file; the next fact opens it again."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None
