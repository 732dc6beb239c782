"""What the bridge publishes: normalised records, their fields in stream order, and every word a field can hold.

A record's attributes stand in the order in which its entry's fields are written, between the leading `type v` and the
closing `source received_at`. Prices and sizes are the exchange's own decimal strings; times are UTC milliseconds; what
is absent is the empty string. Entries are flat, so that `redis-cli` and every client language read them as they are.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

SCHEMA_VERSION: Final = "1"


class Source(StrEnum):
    """Where a record's content comes from."""

    WS = "ws"
    REST = "rest"
    EMPTY = "empty"
    LOST = "lost"
    BRIDGE = "bridge"


class Status(StrEnum):
    """How far an order has come. Rank: accepted, then open and partially filled, then the finished ones.

    An order that waited for a price, and made another order when it came, ends as `triggered`.
    """

    ACCEPTED = "accepted"
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    TRIGGERED = "triggered"
    UNKNOWN = "unknown"


class OrderEvent(StrEnum):
    """Why an order changed."""

    SUBMITTED = "submitted"
    TRADE = "trade"
    CANCELED = "canceled"
    TRIGGERED = "triggered"
    LIQUIDATION_CANCELED = "liquidation_canceled"
    ADL_CANCELED = "adl_canceled"
    PARTIAL_LIQUIDATION = "partial_liquidation"
    BANKRUPTCY = "bankruptcy"
    ADL_PASSIVE = "adl_passive"
    ADL_ACTIVE = "adl_active"
    UNKNOWN = "unknown"


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "buy"
    SELL = "sell"
    UNKNOWN = "unknown"


class PositionSide(StrEnum):
    """Which position is meant: `both` is the single position of one-way mode; absent where the exchange left it out."""

    LONG = "long"
    SHORT = "short"
    BOTH = "both"
    UNKNOWN = "unknown"
    ABSENT = ""


class OrderType(StrEnum):
    """What kind of order it is."""

    LIMIT = "limit"
    MARKET = "market"
    PLAN = "plan"
    TRAILING = "trailing"
    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"
    LIQUIDATION = "liquidation"
    BANKRUPTCY = "bankruptcy"
    ADL = "adl"
    UNKNOWN = "unknown"


class MarginMode(StrEnum):
    """How a position is margined."""

    ISOLATED = "isolated"
    CROSS = "cross"
    UNKNOWN = "unknown"
    ABSENT = ""


class PositionMode(StrEnum):
    """Whether an account holds one position a symbol, or a long and a short beside each other."""

    HEDGE = "hedge"
    ONE_WAY = "one_way"
    UNKNOWN = "unknown"
    ABSENT = ""


class EventName(StrEnum):
    """What can happen to the bridge."""

    CONNECTED = "connected"
    LOST = "lost"
    LOGIN_REFUSED = "login_refused"
    TOPIC_REJECTED = "topic_rejected"
    OVERFLOW = "overflow"
    GAP_FOUND = "gap_found"
    GAP_FILLED = "gap_filled"
    HISTORY_SKIPPED = "history_skipped"
    CONTRADICTION = "contradiction"
    UNPROVEN = "unproven"
    REST_AWAY = "rest_away"
    REST_BACK = "rest_back"
    MUTE = "mute"
    RESYNCED = "resynced"
    SWEPT = "swept"
    STORE_LOST = "store_lost"
    STORE_FULL = "store_full"
    INCOMPLETE = "incomplete"
    ENTRY_REFUSED = "entry_refused"
    NO_ROOM = "no_room"
    MEMBER_LOST = "member_lost"
    STARTED = "started"
    STOPPED = "stopped"


class Kline(msgspec.Struct, frozen=True, gc=False):
    """One state of one candle. `close_time` is the period's last millisecond; `volume` counts contracts."""

    symbol: str
    timeframe: str
    open_time: int
    close_time: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    closed: int
    source: str
    received_at: int


class Order(msgspec.Struct, frozen=True, gc=False):
    """One state of one order. `reduce_only` is `0`, `1` or empty; `action`, `state`, `side_code` are the raw codes."""

    symbol: str
    order_id: str
    client_order_id: str
    event: OrderEvent
    status: Status
    side: Side
    position_side: PositionSide
    reduce_only: str
    order_type: OrderType
    price: str
    size: str
    filled_size: str
    average_price: str
    leverage: str
    margin_mode: MarginMode
    position_mode: PositionMode
    plan_order_id: str
    created_at: int
    updated_at: int
    action: str
    state: str
    side_code: str
    source: str
    received_at: int


class Fill(msgspec.Struct, frozen=True, gc=False):
    """One execution. A positive `fee` is a cost."""

    symbol: str
    order_id: str
    client_order_id: str
    trade_id: str
    side: Side
    price: str
    size: str
    fee: str
    fee_currency: str
    traded_at: int
    source: str
    received_at: int


class Position(msgspec.Struct, frozen=True, gc=False):
    """One state of one position; `size` is absolute and `0` means flat."""

    symbol: str
    side: PositionSide
    size: str
    average_price: str
    liquidation_price: str
    frozen_size: str
    closed_size: str
    open_average_price: str
    close_average_price: str
    margin_mode: MarginMode
    position_mode: PositionMode
    created_at: int
    updated_at: int
    source: str
    received_at: int


class Resync(msgspec.Struct, frozen=True, gc=False):
    """From here on the state in a stream is complete again, whatever was missed; `reason` says why it was read anew."""

    account: str
    reason: str
    source: str
    received_at: int


class Event(msgspec.Struct, frozen=True, gc=False):
    """What happened to the bridge: to which `subject` (a topic, a connection, a key), in words, at which ingester."""

    event: EventName
    subject: str
    text: str
    ingester: str
    source: str
    received_at: int


Record = Kline | Order | Fill | Position | Event
Entry = Record | Resync

_TYPES: Final[dict[type[Entry], str]] = {
    Kline: "kline",
    Order: "order",
    Fill: "fill",
    Position: "position",
    Resync: "resync",
    Event: "event",
}
_TIMES: Final = frozenset({"created_at", "updated_at", "traded_at"})
_NAMES: Final = {cls: cls.__struct_fields__ for cls in _TYPES}


def slot_of(position: Position) -> PositionSide:
    """Tell which of a symbol's positions this is: long, short, or the one of one-way mode (`both`)."""
    return PositionSide.BOTH if position.position_mode is PositionMode.ONE_WAY else position.side


def fields_of(record: Entry) -> list[str]:
    """Return a record's entry: names and values in turn, `type` and `v` first, every value a string."""
    cls = type(record)
    flat = ["type", _TYPES[cls], "v", SCHEMA_VERSION]
    for name in _NAMES[cls]:
        value = getattr(record, name)
        # No time of ours is 1970: a zero is a time that the exchange left out.
        flat += (name, "" if value == 0 and name in _TIMES else str(value))
    return flat


def field_names(record_type: type[Entry]) -> tuple[str, ...]:
    """Return the names of a record type's entry fields, in the order in which they are written."""
    return ("type", "v", *_NAMES[record_type])
