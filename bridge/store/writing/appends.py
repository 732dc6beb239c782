"""What to tell Redis for each record: which script, which keys, which arguments."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import msgspec

from bridge.records import Event, Fill, Kline, Order, Position, PositionSide, Record, Resync, fields_of, slot_of
from bridge.settings import Settings
from bridge.store import scripts
from bridge.store.keys import Keys
from bridge.store.writing import resp
from bridge.timeframes import Timeframe

# What entries are counted by: the script that appends them, or what is logged without one of its own.
_KINDS: Final = {
    scripts.KLINE: "kline",
    scripts.CLOSED: "closed",
    scripts.ORDER: "order",
    scripts.FILL: "fill",
    scripts.POSITION: "position",
}
KINDS: Final = (*_KINDS.values(), "event", "resync")

# Times of receipt: what comes together has the same.
_spelled: Final = lru_cache(maxsize=16)(str)


class Append(msgspec.Struct, frozen=True, gc=False):
    """One entry on its way: the script that appends it, with its keys, the first of which is the stream.

    A newer append of the same `slot` may take an unsent one's place; `None` marks what must never be replaced. While a
    `final` one waits, nothing of its slot follows. `settled` is called with the script's answer if there is no slot.
    `packed` are the keys as they stand in a command, if many appends share them.
    """

    script: scripts.Script
    keys: tuple[str, ...]
    arguments: tuple[str | int, ...]
    slot: Hashable = None
    settled: Callable[[int], None] | None = None
    final: bool = False
    packed: bytes = b""

    @property
    def stream(self) -> str:
        """The stream it belongs to."""
        return self.keys[0]

    @property
    def kind(self) -> str:
        """What it is counted by: one of `KINDS`."""
        # An entry that is merely logged says in its first field, behind the stream's cap, what it is.
        return _KINDS.get(self.script) or str(self.arguments[2])

    @property
    def received_at(self) -> int:
        """When its content came, in UTC milliseconds of the host: every entry's last field."""
        return int(self.arguments[-1])

    @property
    def command(self) -> tuple[str | int, ...]:
        """The command that does it alone, on a server that knows the script."""
        return ("EVALSHA", self.script.sha, len(self.keys), *self.keys, *self.arguments)


class KlineAppends:
    """Makes the appends of one series: what they share is spelled once, because a candle changes thousands of times."""

    __slots__ = ("_cap", "_closes", "_keys", "_open_time", "_opens", "_packed", "_slot")

    def __init__(self, keys: tuple[str, str], cap: int) -> None:
        """Begin before the first period; `keys` are those of the stream and of its newest state."""
        self._keys = keys
        self._packed = resp.words(keys)
        self._cap = cap
        self._open_time = -1
        self._opens = self._closes = self._slot = ""

    def of(self, kline: Kline) -> Append:
        """A candle: a newer state of the same period may take an unsent one's place, unless that was its last."""
        if kline.open_time != self._open_time:
            self._turn(kline)
        arguments = (
            self._cap,
            kline.symbol,
            kline.timeframe,
            self._opens,
            self._closes,
            kline.open,
            kline.high,
            kline.low,
            kline.close,
            kline.volume,
            "1" if kline.closed else "0",
            kline.source,
            _spelled(kline.received_at),
        )
        return Append(scripts.KLINE, self._keys, arguments, self._slot, None, kline.closed == 1, self._packed)

    def _turn(self, kline: Kline) -> None:
        """Spell the period of a candle."""
        self._open_time = kline.open_time
        # All series of a timeframe turn together: one text for all stays within reach.
        self._opens, self._closes = sys.intern(str(kline.open_time)), sys.intern(str(kline.close_time))
        self._slot = f"{self._keys[0]} {self._opens}"  # a text, which knows its hash


@dataclass(frozen=True, slots=True)
class Appends:
    """Makes appends, under one prefix and with one set of caps."""

    keys: Keys
    settings: Settings
    _series: dict[tuple[str, str], KlineAppends] = field(default_factory=dict, compare=False, repr=False)

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
        """A candle's state; where many of one series come, `klines` is the shorter way."""
        return self.klines(kline.symbol, kline.timeframe).of(kline)

    def klines(self, symbol: str, timeframe: str) -> KlineAppends:
        """Return what makes the appends of one series."""
        made = self._series.get((symbol, timeframe))
        if made is None:
            keys = (self.keys.klines(symbol, timeframe), self.keys.newest_kline(symbol, timeframe))
            made = self._series[symbol, timeframe] = KlineAppends(keys, self.settings.cap_klines)
        return made

    def closed(self, kline: Kline, how: str, length_ms: int, settled: Callable[[int], None]) -> Append:
        """A closed candle, whose id is its open; `how` it follows is `next`, `start` or `jump`."""
        stream = self.keys.closed_klines(kline.symbol, kline.timeframe)
        cap = self.closed_cap(Timeframe(kline.timeframe))
        return Append(scripts.CLOSED, (stream,), (cap, how, length_ms, *fields_of(kline)), settled=settled)

    def closed_cap(self, timeframe: Timeframe) -> int:
        """Return how many entries a closed stream keeps."""
        return self.settings.cap_closed_1m if timeframe is Timeframe.M1 else self.settings.cap_closed

    def _order(self, order: Order) -> Append:
        state = (self.keys.order(order.order_id), self.keys.open_orders, self.keys.finished_orders)
        keys = (self.keys.orders, *state, self.keys.synced)
        return Append(scripts.ORDER, keys, (self.settings.cap_orders, *fields_of(order)))

    def _fill(self, fill: Fill) -> Append:
        state = (self.keys.seen_fills, self.keys.synced, self.keys.fill_sizes, self.keys.order(fill.order_id))
        return Append(scripts.FILL, (self.keys.fills, *state), (self.settings.cap_fills, *fields_of(fill)))

    def _position(self, position: Position) -> Append:
        slots = (self.keys.position(position.symbol, slot) for slot in PositionSide if slot)
        keys = (self.keys.positions, self.keys.open_positions, self.keys.synced, *slots)
        slot = slot_of(position)
        return Append(scripts.POSITION, keys, (self.settings.cap_positions, slot, *fields_of(position)))


def _log(stream: str, cap: int, entry: Event | Resync) -> Append:
    return Append(scripts.LOG, (stream,), (cap, *fields_of(entry)))
