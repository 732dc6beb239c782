"""What to tell Redis for each record: which script, which keys, which cap."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import msgspec

from bridge.records import Event, Fill, Kline, Order, Position, Record, Resync, fields_of, slot_of
from bridge.settings import Settings
from bridge.store import scripts
from bridge.store.keys import Keys
from bridge.timeframes import Timeframe


class Append(msgspec.Struct, frozen=True, gc=False):
    """One entry on its way: the command that appends it, and the stream it belongs to.

    A newer append of the same `slot` may take an unsent one's place; `None` marks what must never be replaced. While a
    `final` one waits, nothing of its slot follows.
    """

    stream: str
    command: tuple[str | int, ...]
    slot: Hashable = None
    settled: Callable[[int], None] | None = None
    final: bool = False


@dataclass(frozen=True, slots=True)
class Appends:
    """Makes appends, under one prefix and with one set of caps."""

    keys: Keys
    settings: Settings

    def of(self, record: Record) -> Append:
        """Return the append of any record."""
        match record:
            case Kline():
                return self.kline(record)
            case Order():
                return self._order(record)
            case Fill():
                return self._fill(record)
            case Position():
                return self._position(record)
            case Event():
                return _log(self.keys.events, self.settings.cap_events, record)

    def markers(self, marker: Resync, *, orders: bool, positions: bool) -> list[Append]:
        """A marker for each stream that is complete again: orders and fills together, positions."""
        caps: dict[str, int] = {}
        if orders:
            caps |= {self.keys.orders: self.settings.cap_orders, self.keys.fills: self.settings.cap_fills}
        if positions:
            caps[self.keys.positions] = self.settings.cap_positions
        return [_log(stream, cap, marker) for stream, cap in caps.items()]

    def kline(self, kline: Kline) -> Append:
        """A candle: a newer state of the same period may take an unsent one's place, unless that was its last."""
        stream = self.keys.klines(kline.symbol, kline.timeframe)
        keys = (stream, self.keys.last_kline(kline.symbol, kline.timeframe))
        command = _evalsha(scripts.KLINE, keys, self.settings.cap_klines, *fields_of(kline))
        return Append(stream, command, slot=(stream, kline.open_time), final=bool(kline.closed))

    def closed(self, kline: Kline, how: str, length_ms: int, settled: Callable[[int], None]) -> Append:
        """A closed candle, whose id is its open; `how` it follows is `next`, `start` or `jump`."""
        stream = self.keys.closed_klines(kline.symbol, kline.timeframe)
        cap = self.closed_cap(Timeframe(kline.timeframe))
        command = _evalsha(scripts.CLOSED, (stream,), cap, how, length_ms, *fields_of(kline))
        return Append(stream, command, settled=settled)

    def closed_cap(self, timeframe: Timeframe) -> int:
        """Return how many entries a closed stream keeps."""
        return self.settings.cap_closed_1m if timeframe is Timeframe.M1 else self.settings.cap_closed

    def _order(self, order: Order) -> Append:
        keys = (self.keys.orders, self.keys.order(order.order_id), self.keys.open_orders)
        return Append(keys[0], _evalsha(scripts.ORDER, keys, self.settings.cap_orders, *fields_of(order)))

    def _fill(self, fill: Fill) -> Append:
        keys = (self.keys.fills, self.keys.seen_fills)
        return Append(keys[0], _evalsha(scripts.FILL, keys, self.settings.cap_fills, *fields_of(fill)))

    def _position(self, position: Position) -> Append:
        slot = slot_of(position)
        keys = (self.keys.positions, self.keys.position(position.symbol, slot), self.keys.open_positions)
        member = f"{position.symbol}:{slot}"
        command = _evalsha(scripts.POSITION, keys, self.settings.cap_positions, member, *fields_of(position))
        return Append(keys[0], command)


def _log(stream: str, cap: int, entry: Event | Resync) -> Append:
    return Append(stream, ("XADD", stream, "MAXLEN", "~", cap, "*", *fields_of(entry)))


def _evalsha(script: scripts.Script, keys: tuple[str, ...], *arguments: str | int) -> tuple[str | int, ...]:
    return ("EVALSHA", script.sha, len(keys), *keys, *arguments)
