"""BitMart's channels, one row each: how the topic is named, and how its data becomes records.

To add a channel: a struct for its data in `wire`, a function here that turns one element into records, and a row. Write
beside the row what is evidence and what is assumption.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from bridge.errors import InvalidTopicError
from bridge.exchanges.base import EVERY_SYMBOL, Channel, Topic
from bridge.exchanges.bitmart import codes
from bridge.exchanges.bitmart.wire import Candle, Klines, LastTrade, OrderChange, PositionState
from bridge.records import (
    Fill,
    Kline,
    MarginMode,
    Order,
    OrderEvent,
    OrderType,
    Position,
    PositionMode,
    PositionSide,
    Record,
    Side,
    Source,
    Status,
)
from bridge.timeframes import Timeframe

# wire 2026-08: minutes are lower case, hours, days and weeks upper case; `klineBin1h` and `klineBin3m` were refused.
INTERVALS: Final = {
    **{frame: frame.value for frame in Timeframe if frame.value.endswith("m")},
    **{frame: frame.value.upper() for frame in Timeframe if not frame.value.endswith("m")},
}
_TIMEFRAMES: Final = {interval: frame for frame, interval in INTERVALS.items()}


@dataclass(frozen=True, slots=True)
class Row:
    """One channel: the elements of a frame's data, and each element's records. Both raise for what they can't read."""

    channel: Channel
    private: bool
    elements: Callable[[bytes], list[msgspec.Raw]]
    records: Callable[[msgspec.Raw, Topic, int], Iterator[Record]]


def _candles(data: bytes) -> list[msgspec.Raw]:
    # Every capture has `items`; the documentation shows the candle's members in its place (flat). Both are read.
    try:
        return _read_klines(data).items
    except msgspec.ValidationError:
        return [msgspec.Raw(data)]


def _klines(element: msgspec.Raw, topic: Topic, received_at: int) -> Iterator[Record]:
    yield kline_of(_read_candle(element), topic.symbol, topic.timeframe or Timeframe.M1, Source.WS, received_at)


def kline_of(candle: Candle, symbol: str, timeframe: Timeframe, source: Source, received_at: int) -> Kline:
    """Return the record of a candle.

    Raises:
        ValueError: it holds something that can be no price, no volume or no time.
    """
    _check(candle)
    # Frames of 2023-24 say one second after the open, those of 2025-26 the open itself (wire): flooring makes both one.
    open_time = timeframe.floor(candle.ts * 1000)
    return Kline(
        symbol=symbol,
        timeframe=timeframe.value,
        open_time=open_time,
        close_time=timeframe.last_ms(open_time),
        open=candle.o,
        high=candle.h,
        low=candle.l,
        close=candle.c,
        volume=candle.v,
        closed=0,
        source=source.value,
        received_at=received_at,
    )


def _check(candle: Candle) -> None:
    if not 0 < candle.ts < 10**11:
        raise ValueError("time out of range")
    if codes.are_candle(candle.o, candle.h, candle.l, candle.c, candle.v):
        return
    for price in (candle.o, candle.h, candle.l, candle.c):
        if codes.decimal(price) <= 0:
            raise ValueError(f"{price[:20]!r} is no price")
    if codes.decimal(candle.v) < 0:
        raise ValueError("volume out of range")


class CandleTopic:
    """One topic's candles as they come by the socket, one after another: nearly all are of the period before."""

    __slots__ = (
        *("_symbol", "_timeframe", "_frame", "_ts", "_open_time", "_close_time", "_open", "_high", "_low"),
        "name",
    )

    def __init__(self, topic: Topic) -> None:
        """Begin before the first; raise ValueError for a topic that brings no candles."""
        if topic.timeframe is None:
            raise ValueError(f"{topic.name} brings no candles")
        self.name = topic.name
        self._symbol = topic.symbol
        self._timeframe = topic.timeframe
        self._frame = topic.timeframe.value
        self._ts: int | None = None
        self._open_time = self._close_time = -1
        self._open = self._high = self._low = ""

    def kline(self, candle: Candle, received_at: int) -> Kline:
        """Return the record of a candle; raise ValueError as `kline_of` does."""
        close, volume = candle.c, candle.v
        if (
            candle.ts != self._ts
            or candle.h != self._high
            or candle.l != self._low
            or candle.o != self._open
            or not codes.are_plain(close, volume)
        ):
            self._look(candle, received_at)
        # By position: names would cost as much as all the rest.
        return Kline(
            self._symbol,
            self._frame,
            self._open_time,
            self._close_time,
            self._open,  # its own text, not the new one of the same letters: what is old is let go where it was made
            self._high,
            self._low,
            close,
            volume,
            0,
            "ws",
            received_at,
        )

    def _look(self, candle: Candle, received_at: int) -> None:
        """Look closely at a candle that is not like the one before it but for close and volume."""
        if candle.ts != self._ts or not codes.are_candle(candle.o, candle.h, candle.l, candle.c, candle.v):
            kline = kline_of(candle, self._symbol, self._timeframe, Source.WS, received_at)
            self._ts, self._open_time, self._close_time = candle.ts, kline.open_time, kline.close_time
        self._open, self._high, self._low = candle.o, candle.h, candle.l


def _orders(element: msgspec.Raw, _topic: Topic, received_at: int) -> Iterator[Record]:
    change = _read_order(element)
    order = change.order
    mode = codes.POSITION_MODES.get(order.position_mode, PositionMode.UNKNOWN)
    side = codes.SIDES.get(order.side, Side.UNKNOWN)
    size, filled = codes.present(order.size), codes.present(order.deal_size) or "0"
    kind = codes.ORDER_TYPES.get(order.type, OrderType.UNKNOWN)
    event = codes.EVENTS.get(change.action, OrderEvent.UNKNOWN)
    status = codes.status_of(order.state, size, filled)
    if codes.made_another(kind, status, filled, event):
        status, event = Status.TRIGGERED, OrderEvent.TRIGGERED
    yield Order(
        symbol=order.symbol,
        order_id=str(order.order_id),
        client_order_id=order.client_order_id,
        event=event,
        status=status,
        side=side,
        position_side=codes.position_side(order.side, mode),
        reduce_only=codes.REDUCE_ONLY.get(order.side, ""),
        order_type=kind,
        price=codes.price_of(kind, order.price, order.execution_price),
        size=size,
        filled_size=filled,
        average_price=codes.present(order.deal_avg_price),
        leverage=order.leverage,
        margin_mode=codes.MARGIN_MODES.get(order.open_type, MarginMode.UNKNOWN),
        position_mode=mode,
        plan_order_id=codes.present(order.plan_order_id),
        created_at=order.create_time,
        updated_at=order.update_time,
        action=str(change.action),
        state=str(order.state),
        side_code=str(order.side),
        source=Source.WS.value,
        received_at=received_at,
    )
    trade = _read_trade(order.last_trade)
    if trade:
        codes.decimal(trade.fillQty)
        codes.decimal(trade.fillPrice)
        yield Fill(
            symbol=order.symbol,
            order_id=str(order.order_id),
            client_order_id=order.client_order_id,
            trade_id=str(trade.lastTradeID),
            side=side,
            price=trade.fillPrice,
            size=trade.fillQty,
            fee=codes.cost(trade.fee),
            fee_currency=trade.feeCcy,
            traded_at=order.update_time,
            source=Source.WS.value,
            received_at=received_at,
        )


def _positions(element: msgspec.Raw, _topic: Topic, received_at: int) -> Iterator[Record]:
    state = _read_position(element)
    # Whether one-way mode marks a short by its type or by a negative volume is unknown: either makes it a short.
    short = codes.decimal(state.hold_volume) < 0
    yield Position(
        symbol=state.symbol,
        side=PositionSide.SHORT if short else codes.POSITION_TYPES.get(state.position_type, PositionSide.UNKNOWN),
        size=state.hold_volume.lstrip("-+"),
        average_price=state.hold_avg_price,
        liquidation_price=state.liquidate_price,
        frozen_size=state.frozen_volume,
        closed_size=state.close_volume,
        open_average_price=state.open_avg_price,
        close_average_price=state.close_avg_price,
        margin_mode=codes.MARGIN_MODES.get(state.open_type, MarginMode.UNKNOWN),
        position_mode=codes.POSITION_MODES.get(state.position_mode, PositionMode.UNKNOWN),
        created_at=state.create_time,
        updated_at=state.update_time,
        source=Source.WS.value,
        received_at=received_at,
    )


_read_klines: Final = msgspec.json.Decoder(Klines).decode
_read_candle: Final = msgspec.json.Decoder(Candle).decode
_read_trade: Final = msgspec.json.Decoder(LastTrade | None).decode
_read_order: Final = msgspec.json.Decoder(OrderChange).decode
_read_position: Final = msgspec.json.Decoder(PositionState).decode
_read_array: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode

KLINE_PREFIX: Final = "futures/klineBin"
ORDER_TOPIC: Final = "futures/order"
POSITION_TOPIC: Final = "futures/position"

ROWS: Final = {
    # wire 2023-12 to 2026-08: `futures/klineBin1m:BTCUSDT`
    KLINE_PREFIX: Row(Channel.KLINE, private=False, elements=_candles, records=_klines),
    # wire 2023-12 (submitted market orders); fills, cancels and plan orders (as `type` plan_order, ...): docs
    ORDER_TOPIC: Row(Channel.ORDER, private=True, elements=_read_array, records=_orders),
    # wire 2023-12; `position_mode`: docs
    POSITION_TOPIC: Row(Channel.POSITION, private=True, elements=_read_array, records=_positions),
}


def parse(name: str) -> Topic:
    """Read a topic's name.

    Raises:
        InvalidTopicError: there is no such topic.
    """
    if name in (ORDER_TOPIC, POSITION_TOPIC):
        return Topic(name, ROWS[name].channel, private=True)
    interval, _, symbol = name.removeprefix(KLINE_PREFIX).partition(":")
    if not name.startswith(KLINE_PREFIX):
        raise InvalidTopicError(
            f"no BitMart futures topic: expected {KLINE_PREFIX}<interval>:<symbol>, {ORDER_TOPIC} or {POSITION_TOPIC}"
        )
    timeframe = _TIMEFRAMES.get(interval)
    if timeframe is None:
        raise InvalidTopicError(f"interval {interval[:20]!r} is none of BitMart's: {' '.join(_TIMEFRAMES)}")
    if not is_symbol(symbol) and symbol != EVERY_SYMBOL:
        raise InvalidTopicError(f"symbol {symbol[:40]!r} is not one that BitMart could have, such as BTCUSDT")
    # One text for all who name it: they meet at each frame, and equal texts would be compared letter by letter.
    return Topic(name, Channel.KLINE, private=False, symbol=sys.intern(symbol), timeframe=timeframe)


def row_of(topic: Topic) -> Row:
    """Return the row of a topic's channel."""
    return ROWS[KLINE_PREFIX if topic.channel is Channel.KLINE else topic.name]


def is_symbol(text: str) -> bool:
    """Tell whether BitMart could list `text`: letters of any script in upper case and digits, with - _ . inside."""
    plain = text.replace("-", "").replace("_", "").replace(".", "")
    return 1 < len(text) <= 40 and plain.isalnum() and text == text.upper()  # noqa: PLR2004 - longest symbol we key by
