"""What BitMart's frames look like: one struct a shape, exactly as it stands on the wire.

Members that a source leaves out have defaults, members that we don't use are skipped. Prices and sizes are strings on
the wire and stay strings. Ids are numbers in some places and strings in others.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

# What decides which of two states is newer: a nonsense one would outlast every other.
Stamp = Annotated[int, msgspec.Meta(ge=0, lt=10**14)]


class Frame(msgspec.Struct, gc=False):
    """Any text frame: data carries `group` and `data`; answers carry `action` and `success` (wire).

    Some services of the same vendor put a number into `action` of data frames, so numbers are accepted there.
    """

    group: str = ""
    data: msgspec.Raw = msgspec.Raw()
    action: str | int | None = None
    success: bool | None = None
    error: str | None = None


class Candle(msgspec.Struct, gc=False):
    """One candle state: strings, `v` in contracts, `ts` in seconds (wire)."""

    o: str
    h: str
    l: str  # noqa: E741 - the wire's own name
    c: str
    v: str
    ts: int


class Klines(msgspec.Struct, gc=False):
    """A kline frame's data: `items` of one candle in every capture (wire)."""

    items: list[msgspec.Raw]


class Candles(msgspec.Struct, gc=False):
    """A kline frame's data, all of whose candles are as they should be."""

    items: list[Candle]


class KlineFrame(msgspec.Struct, gc=False):
    """A kline frame as in every capture (wire), read in one pass."""

    group: str
    data: Candles


class LastTrade(msgspec.Struct, gc=False):
    """The match that caused an order frame; a cost is a negative `fee` (docs; no capture exists)."""

    lastTradeID: int | str  # noqa: N815 - the wire's own name
    fillQty: str  # noqa: N815 - the wire's own name
    fillPrice: str  # noqa: N815 - the wire's own name
    fee: str = ""
    feeCcy: str = ""  # noqa: N815 - the wire's own name


class OrderState(msgspec.Struct, gc=False):
    """One order as socket frames show it (wire 2023-12 for the older members, docs for the rest)."""

    order_id: int | str
    symbol: str
    size: str
    state: int
    side: int
    client_order_id: str = ""
    price: str = ""
    type: str = ""
    leverage: str = ""
    open_type: str = ""
    deal_avg_price: str = ""
    deal_size: str = ""
    create_time: int = 0
    update_time: Stamp = 0
    plan_order_id: str = ""
    execution_price: str = ""
    last_trade: msgspec.Raw = msgspec.Raw(b"null")
    position_mode: str = ""


class OrderChange(msgspec.Struct, gc=False):
    """One element of an order frame's data: what happened, and the order after it."""

    order: OrderState
    action: int = 0


class PositionState(msgspec.Struct, gc=False):
    """One element of a position frame's data (wire 2023-12; `position_mode` docs 2025-04)."""

    symbol: str
    hold_volume: str
    position_type: int
    open_type: int = 0
    frozen_volume: str = ""
    close_volume: str = ""
    hold_avg_price: str = ""
    close_avg_price: str = ""
    open_avg_price: str = ""
    liquidate_price: str = ""
    create_time: int = 0
    update_time: Stamp = 0
    position_mode: str = ""


class TimeBody(msgspec.Struct):
    """`/system/time`: milliseconds (docs)."""

    server_time: int


class ContractRow(msgspec.Struct):
    """One row of `/contract/public/details` (wire)."""

    symbol: str
    status: str = ""
    last_price: str = ""
    volume_24h: str = ""
    # In seconds; it can lie in the past on rows that still say `Trading` (wire 2026-09).
    delist_time: int = 0


class KlineRow(msgspec.Struct, gc=False):
    """One row of `/contract/public/kline`: `timestamp` in seconds is the open, `volume` in contracts."""

    timestamp: int
    open_price: str
    high_price: str
    low_price: str
    close_price: str
    volume: str


class KlineStamp(msgspec.Struct, gc=False):
    """What is left of such a row when the rest of it cannot be read."""

    timestamp: int


class ContractsBody(msgspec.Struct):
    """`/contract/public/details`."""

    symbols: list[ContractRow]


class Reply(msgspec.Struct):
    """Any REST reply. Errors of the gateway say `msg`, those of the contract service `message` (wire)."""

    code: int | str = 0
    message: str = ""
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")
