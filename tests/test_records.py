"""Entries: which fields, in which order, and every word a field can hold."""

from __future__ import annotations

from enum import StrEnum

import msgspec
import pytest

from bridge import records
from bridge.records import (
    Event,
    EventName,
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
    field_names,
    fields_of,
    slot_of,
)

KLINE = Kline(
    symbol="BTCUSDT",
    timeframe="1m",
    open_time=1_785_727_320_000,
    close_time=1_785_727_379_999,
    open="63090.9",
    high="63090.9",
    low="63075.2",
    close="63075.20",
    volume="19672",
    closed=0,
    source=Source.WS,
    received_at=1_785_727_333_123,
)
ORDER = Order(
    symbol="BTCUSDT",
    order_id="220906179895578",
    client_order_id="",
    event=OrderEvent.TRADE,
    status=Status.PARTIALLY_FILLED,
    side=Side.BUY,
    position_side=PositionSide.ABSENT,
    reduce_only="0",
    order_type=OrderType.LIMIT,
    price="1",
    size="1000",
    filled_size="10",
    average_price="1",
    leverage="5",
    margin_mode=MarginMode.ISOLATED,
    position_mode=PositionMode.ABSENT,
    plan_order_id="",
    created_at=1_662_368_173_000,
    updated_at=1_662_368_173_001,
    action="1",
    state="2",
    side_code="1",
    source=Source.WS,
    received_at=1,
)
FILL = Fill(
    symbol="BTCUSDT",
    order_id="220906179895578",
    client_order_id="",
    trade_id="1247592391",
    side=Side.BUY,
    price="25667.2",
    size="1",
    fee="0.00027",
    fee_currency="USDT",
    traded_at=1_662_368_173_000,
    source=Source.WS,
    received_at=1,
)
POSITION = Position(
    symbol="BTCUSDT",
    side=PositionSide.LONG,
    size="2000",
    average_price="19406.2092",
    liquidation_price="15621.998406",
    frozen_size="0",
    closed_size="0",
    open_average_price="19406.2092",
    close_average_price="0",
    margin_mode=MarginMode.ISOLATED,
    position_mode=PositionMode.HEDGE,
    created_at=1_662_692_862_255,
    updated_at=1_662_692_862_255,
    source=Source.WS,
    received_at=1,
)
EVENT = Event(
    event=EventName.LOST, subject="public", text="closed", ingester="one", source=Source.BRIDGE, received_at=1
)

# What bots rely on: it changes with the schema version only.
FIELDS = {
    Kline: "type v symbol timeframe open_time close_time open high low close volume closed source received_at",
    Order: "type v symbol order_id client_order_id event status side position_side reduce_only order_type price size"
    " filled_size average_price leverage margin_mode position_mode plan_order_id created_at updated_at"
    " action state side_code source received_at",
    Fill: "type v symbol order_id client_order_id trade_id side price size fee fee_currency traded_at"
    " source received_at",
    Position: "type v symbol side size average_price liquidation_price frozen_size closed_size open_average_price"
    " close_average_price margin_mode position_mode created_at updated_at source received_at",
    Event: "type v event subject text ingester source received_at",
}
WORDS = {
    Source: "ws rest empty lost bridge",
    Status: "accepted open partially_filled filled canceled triggered unknown",
    OrderEvent: "submitted trade canceled triggered liquidation_canceled adl_canceled partial_liquidation bankruptcy"
    " adl_passive adl_active unknown",
    Side: "buy sell unknown",
    PositionSide: "long short both unknown ",
    OrderType: "limit market plan trailing take_profit stop_loss liquidation bankruptcy adl unknown",
    MarginMode: "isolated cross unknown ",
    PositionMode: "hedge one_way unknown ",
}
ALL = [KLINE, ORDER, FILL, POSITION, EVENT]


@pytest.mark.parametrize(("cls", "names"), FIELDS.items())
def test_an_entry_has_the_promised_fields_in_the_promised_order(cls: type[Record], names: str) -> None:
    assert field_names(cls) == tuple(names.split())


@pytest.mark.parametrize("record", ALL, ids=lambda record: type(record).__name__)
def test_an_entry_is_names_and_strings_in_turn(record: Record) -> None:
    flat = fields_of(record)
    assert tuple(flat[::2]) == field_names(type(record))
    assert flat[5::2] == [str(getattr(record, name)) for name in record.__struct_fields__]
    assert all(isinstance(value, str) for value in flat)


@pytest.mark.parametrize(
    ("record", "name"), [*zip(ALL, ["kline", "order", "fill", "position", "event"], strict=True)], ids=lambda _: ""
)
def test_an_entry_begins_with_its_type_and_the_schemas_version(record: Record, name: str) -> None:
    assert fields_of(record)[:4] == ["type", name, "v", "1"]
    assert records.SCHEMA_VERSION == "1"


def test_prices_stay_as_they_came() -> None:
    entry = dict(zip(fields_of(KLINE)[::2], fields_of(KLINE)[1::2], strict=True))
    assert (entry["close"], entry["volume"], entry["open_time"]) == ("63075.20", "19672", "1785727320000")


def test_what_is_absent_is_the_empty_string() -> None:
    entry = dict(zip(fields_of(ORDER)[::2], fields_of(ORDER)[1::2], strict=True))
    assert [name for name, value in entry.items() if value == ""] == [
        "client_order_id",
        "position_side",
        "position_mode",
        "plan_order_id",
    ]


@pytest.mark.parametrize(("cls", "words"), WORDS.items())
def test_a_field_holds_one_of_these_words(cls: type[StrEnum], words: str) -> None:
    assert [word.value for word in cls] == words.split(" ")


@pytest.mark.parametrize(
    ("mode", "side", "slot"),
    [
        (PositionMode.HEDGE, PositionSide.LONG, "long"),
        (PositionMode.HEDGE, PositionSide.SHORT, "short"),
        (PositionMode.ONE_WAY, PositionSide.LONG, "both"),
        (PositionMode.ONE_WAY, PositionSide.SHORT, "both"),
        (PositionMode.ABSENT, PositionSide.LONG, "long"),
        (PositionMode.UNKNOWN, PositionSide.UNKNOWN, "unknown"),
    ],
)
def test_one_way_mode_has_one_position_a_symbol(mode: PositionMode, side: PositionSide, slot: str) -> None:
    position = msgspec.structs.replace(POSITION, position_mode=mode, side=side)
    assert slot_of(position) == slot


@pytest.mark.parametrize("record", ALL, ids=lambda record: type(record).__name__)
def test_a_record_cannot_be_changed(record: Record) -> None:
    with pytest.raises(AttributeError):
        record.received_at = 2  # type: ignore[misc]
