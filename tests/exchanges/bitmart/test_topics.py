"""Topics and what their data becomes, with frames captured from the live service where there are any."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import InvalidTopicError
from bridge.exchanges.base import Channel, Malformed, Topic
from bridge.exchanges.bitmart import BitMart
from bridge.exchanges.bitmart.session import BitMartSession
from bridge.exchanges.bitmart.topics import is_symbol
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
    Side,
    Source,
    Status,
)
from bridge.timeframes import Timeframe

EXCHANGE = BitMart(public_uri="ws://h", private_uri="ws://h", rest_uri="http://h", credentials=None, batch=20)
RECEIVED_AT = 1_785_727_333_123

INTERVALS = {
    Timeframe.M1: "1m",
    Timeframe.M5: "5m",
    Timeframe.M15: "15m",
    Timeframe.M30: "30m",
    Timeframe.H1: "1H",
    Timeframe.H2: "2H",
    Timeframe.H4: "4H",
    Timeframe.D1: "1D",
    Timeframe.W1: "1W",
}


def said(frame: str) -> list[Any]:
    _, notices = BitMartSession(None, 20).receive(frame, RECEIVED_AT)
    return [*notices]


def kline_frame(*items: object, interval: str = "1m") -> str:
    data = {"symbol": "BTCUSDT", "items": items}
    return json.dumps({"group": f"futures/klineBin{interval}:BTCUSDT", "data": data})


def candle(**changed: object) -> dict[str, object]:
    return {"o": "2", "h": "4", "l": "1", "c": "3", "v": "10", "ts": 1785727320, **changed}


def order_frame(action: object = 2, **changed: object) -> str:
    order = {
        "order_id": "2312045036986775",
        "client_order_id": "",
        "price": "71.61707928",
        "size": "10",
        "symbol": "LTCUSDT",
        "state": 2,
        "side": 4,
        "type": "limit",
        "leverage": "1",
        "open_type": "cross",
        "deal_avg_price": "0",
        "deal_size": "0",
        "create_time": 1701625324646,
        "update_time": 1701625324640,
        "plan_order_id": "",
        "last_trade": None,
        **changed,
    }
    return json.dumps({"group": "futures/order", "data": [{"action": action, "order": order}]})


def position_frame(**changed: object) -> str:
    position = {
        "symbol": "BTCUSDT",
        "hold_volume": "2000",
        "position_type": 1,
        "open_type": 1,
        "frozen_volume": "0",
        "close_volume": "0",
        "hold_avg_price": "19406.2092",
        "close_avg_price": "0",
        "open_avg_price": "19406.2092",
        "liquidate_price": "15621.998406",
        "create_time": 1662692862255,
        "update_time": 1662692862256,
        "position_mode": "hedge_mode",
        **changed,
    }
    return json.dumps({"group": "futures/position", "data": [position]})


@pytest.mark.parametrize(("timeframe", "interval"), INTERVALS.items())
def test_a_timeframe_is_spelled_as_the_wire_spells_it_both_ways(timeframe: Timeframe, interval: str) -> None:
    name = EXCHANGE.kline_topic("BTCUSDT", timeframe)
    assert name == f"futures/klineBin{interval}:BTCUSDT"
    assert EXCHANGE.topic(name) == Topic(name, Channel.KLINE, private=False, symbol="BTCUSDT", timeframe=timeframe)


def test_a_wildcard_is_a_topic() -> None:
    assert EXCHANGE.topic("futures/klineBin1m:*").symbol == "*"


@pytest.mark.parametrize(
    ("name", "channel"), [("futures/order", Channel.ORDER), ("futures/position", Channel.POSITION)]
)
def test_orders_and_positions_are_private_topics(name: str, channel: Channel) -> None:
    assert EXCHANGE.topic(name) == Topic(name, channel, private=True)
    assert name in (EXCHANGE.order_topic, EXCHANGE.position_topic)


@pytest.mark.parametrize("interval", ["1h", "1M", "3m", "12H", "1d", "1w", "60", ""])
def test_an_interval_that_bitmart_lacks_is_refused_with_those_it_has(interval: str) -> None:
    with pytest.raises(InvalidTopicError) as refusal:
        EXCHANGE.topic(f"futures/klineBin{interval}:BTCUSDT")
    assert str(refusal.value) == f"interval {interval!r} is none of BitMart's: 1m 5m 15m 30m 1H 2H 4H 1D 1W"


@pytest.mark.parametrize("symbol", ["BTCUSDT", "1000PEPEUSDT", "BTC-USDT", "BTC_USDT", "A.B", "币安人生USDT", "X" * 40])
def test_a_symbol_that_bitmart_could_list_is_taken(symbol: str) -> None:
    assert EXCHANGE.topic(f"futures/klineBin1m:{symbol}").symbol == symbol


@pytest.mark.parametrize(
    "symbol",
    [
        "",
        "B",
        "btc",
        "BTCusdt",
        "\u0431TC",
        "BTC USDT",
        "BTC{USDT}",
        "BTC:USDT",
        "BTC/USDT",
        "BTC@1",
        "**",
        "--",
        "BTC\n",
        "X" * 41,
    ],
)
def test_a_symbol_that_could_not_be_one_is_refused(symbol: str) -> None:
    with pytest.raises(InvalidTopicError, match="is not one that BitMart could have, such as BTCUSDT"):
        EXCHANGE.topic(f"futures/klineBin1m:{symbol}")


@pytest.mark.parametrize(
    "name",
    ["", "*", "futures/ticker:BTC", "futures/asset:USDT", "futures/order:BTC", "klineBin1m:BTC", " futures/order"],
)
def test_any_other_topic_is_refused_with_what_was_expected(name: str) -> None:
    with pytest.raises(InvalidTopicError, match=r"expected futures/klineBin<interval>:<symbol>, futures/order or"):
        EXCHANGE.topic(name)


@given(symbol=st.text(max_size=50))
def test_no_symbol_can_break_a_key(symbol: str) -> None:
    if is_symbol(symbol):
        assert not set(symbol) & set("{}:*/@ \n\r\t\0")
        assert symbol == symbol.upper()


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        pytest.param(
            '{"group":"futures/klineBin1m:BTCUSDT","data":{"symbol":"BTCUSDT","items":[{"o":"63090.9","h":"63090.9",'
            '"l":"63075.2","c":"63075.2","v":"19672","ts":1785727320}]}}',
            ("BTCUSDT", "1m", 1785727320000, 1785727379999, "63090.9", "63090.9", "63075.2", "63075.2", "19672"),
            id="1m-2026",
        ),
        pytest.param(
            '{"group":"futures/klineBin1H:ETHUSDT","data":{"symbol":"ETHUSDT","items":[{"o":"1863.12","h":"1864.86",'
            '"l":"1861.55","c":"1862.5","v":"9985502","ts":1785726000}]}}',
            ("ETHUSDT", "1h", 1785726000000, 1785729599999, "1863.12", "1864.86", "1861.55", "1862.5", "9985502"),
            id="1h-2026",
        ),
        pytest.param(
            '{"data":{"items":[{"c":"1.157","h":"1.158","l":"1.1509","o":"1.1517","ts":1747425900,"v":"29572"}],'
            '"symbol":"WLDUSDT"},"group":"futures/klineBin5m:WLDUSDT"}',
            ("WLDUSDT", "5m", 1747425900000, 1747426199999, "1.1517", "1.158", "1.1509", "1.157", "29572"),
            id="5m-2025-data-first",
        ),
        pytest.param(
            '{"group":"futures/klineBin1m:BTCUSDT","data":{"symbol":"BTCUSDT","items":[{"o":"39635.8","h":"39636",'
            '"l":"39614.4","c":"39629.7","v":"31852","ts":1701617761}]}}',
            ("BTCUSDT", "1m", 1701617760000, 1701617819999, "39635.8", "39636", "39614.4", "39629.7", "31852"),
            id="1m-2023-second-late",
        ),
        pytest.param(
            '{"group": "futures/klineBin1m:BTCUSDT", "data": {"symbol": "BTCUSDT", "o": "146.24", "h": "146.24",'
            ' "l": "146.24", "c": "146.24", "v": "146", "ts": 1700533801}}',
            ("BTCUSDT", "1m", 1700533800000, 1700533859999, "146.24", "146.24", "146.24", "146.24", "146"),
            id="1m-docs-flat",
        ),
    ],
)
def test_a_kline_frame_becomes_a_candle(frame: str, expected: tuple[object, ...]) -> None:
    (kline,) = said(frame)
    assert isinstance(kline, Kline)
    assert msgspec.structs.astuple(kline) == (*expected, 0, "ws", RECEIVED_AT)


@pytest.mark.parametrize(("timeframe", "interval"), INTERVALS.items())
def test_a_stamp_one_second_late_is_floored(timeframe: Timeframe, interval: str) -> None:
    opens_s = 1_785_715_200 if timeframe is not Timeframe.W1 else 1_785_682_800  # a day at midnight, a week at any hour
    (kline,) = said(kline_frame(candle(ts=opens_s + 1), interval=interval))
    assert (kline.timeframe, kline.open_time) == (timeframe.value, opens_s * 1000)
    assert kline.close_time == opens_s * 1000 + timeframe.milliseconds - 1


def test_a_frame_may_bring_several_candles_or_none() -> None:
    both = said(kline_frame(candle(), candle(ts=1785727380, c="4")))
    assert [(kline.open_time, kline.close) for kline in both] == [(1785727320000, "3"), (1785727380000, "4")]
    assert said(kline_frame()) == []


def test_candles_around_a_broken_one_survive() -> None:
    first, broken, last = said(kline_frame(candle(), candle(c="-"), candle(ts=1785727380)))
    assert (first.open_time, last.open_time) == (1785727320000, 1785727380000)
    assert isinstance(broken, Malformed)


@pytest.mark.parametrize("price", ["3", "0.000000001", "1E-7", "+3", "3.", ".3", "9" * 64])
def test_a_price_is_passed_on_as_it_came(price: str) -> None:
    (kline,) = said(kline_frame(candle(o=price)))
    assert kline.open == price


NO_NUMBERS = [
    "nan",
    "NaN",
    "inf",
    "-inf",
    "1_0",
    "",
    "-",
    "-3",
    " 3",
    "3 ",
    "3\n",
    "\t3",
    "3\0",
    "0x10",
    "\u0661\uff13",
]
NO_NUMBERS += ["1,5", "1.2.3", "1e999", "abc", "9" * 65]


@pytest.mark.parametrize("price", [*NO_NUMBERS, "0", "0.00", "-0"])
@pytest.mark.parametrize("member", ["o", "h", "l", "c"])
def test_a_price_that_is_none_is_refused(member: str, price: str) -> None:
    (notice,) = said(kline_frame(candle(**{member: price})))
    assert isinstance(notice, Malformed)


@pytest.mark.parametrize("volume", ["0", "0.0", "7", "0.001"])
def test_a_volume_may_be_zero(volume: str) -> None:
    (kline,) = said(kline_frame(candle(v=volume)))
    assert kline.volume == volume


@pytest.mark.parametrize("volume", NO_NUMBERS)
def test_a_volume_that_is_none_is_refused(volume: str) -> None:
    (notice,) = said(kline_frame(candle(v=volume)))
    assert isinstance(notice, Malformed)


@pytest.mark.parametrize("ts", [0, -1, 1785727320000, 10**30, 1785727320.5, "1785727320", None, True])
def test_a_time_that_is_not_in_seconds_is_refused(ts: object) -> None:
    (notice,) = said(kline_frame(candle(ts=ts)))
    assert isinstance(notice, Malformed)


def test_a_captured_order_becomes_an_order() -> None:
    frame = (
        '{"group":"futures/order","data":[{"action":2,"order":{"order_id":"2312045036986775","client_order_id":"",'
        '"price":"71.61707928","size":"1","symbol":"LTCUSDT","state":1,"side":4,"type":"market","leverage":"1",'
        '"open_type":"cross","deal_avg_price":"0","deal_size":"0","create_time":1701625324646,'
        '"update_time":1701625324640,"plan_order_id":"","last_trade":null}}]}'
    )
    assert said(frame) == [
        Order(
            symbol="LTCUSDT",
            order_id="2312045036986775",
            client_order_id="",
            event=OrderEvent.SUBMITTED,
            status=Status.ACCEPTED,
            side=Side.SELL,
            position_side=PositionSide.ABSENT,
            reduce_only="0",
            order_type=OrderType.MARKET,
            price="71.61707928",
            size="1",
            filled_size="0",
            average_price="0",
            leverage="1",
            margin_mode=MarginMode.CROSS,
            position_mode=PositionMode.ABSENT,
            plan_order_id="",
            created_at=1701625324646,
            updated_at=1701625324640,
            action="2",
            state="1",
            side_code="4",
            source=Source.WS,
            received_at=RECEIVED_AT,
        )
    ]


def test_the_documented_order_becomes_an_order_and_a_fill() -> None:
    frame = """{"group": "futures/order", "data": [{"action": 3, "order": {
        "order_id": "220906179895578", "client_order_id": "BM1234", "price": "1", "size": "1000", "symbol": "BTCUSDT",
        "state": 2, "side": 1, "type": "limit", "leverage": "5", "open_type": "isolated", "deal_avg_price": "0",
        "deal_size": "0", "create_time": 1662368173000, "update_time": 1662368173000,
        "plan_order_id": "220901412155341", "last_trade": {"lastTradeID": 1247592391, "fillQty": "1",
        "fillPrice": "25667.2", "fee": "-0.00027", "feeCcy": "USDT"}, "trigger_price": "-", "trigger_price_type": "-",
        "execution_price": "-", "activation_price_type": "-", "activation_price": "-", "callback_rate": "-",
        "position_mode": "hedge_mode"}}]}"""
    order, fill = said(frame)
    assert (order.event, order.status, order.side, order.position_side) == ("canceled", "open", "buy", "long")
    assert (order.margin_mode, order.position_mode, order.plan_order_id) == ("isolated", "hedge", "220901412155341")
    assert fill == Fill(
        symbol="BTCUSDT",
        order_id="220906179895578",
        client_order_id="BM1234",
        trade_id="1247592391",
        side=Side.BUY,
        price="25667.2",
        size="1",
        fee="0.00027",
        fee_currency="USDT",
        traded_at=1662368173000,
        source=Source.WS,
        received_at=RECEIVED_AT,
    )


@pytest.mark.parametrize(
    ("state", "size", "dealt", "status"),
    [
        (1, "10", "0", "accepted"),
        (1, "10", "", "accepted"),
        (1, "10", "4", "partially_filled"),
        (1, "10", "10", "filled"),
        (2, "10", "0", "open"),
        (2, "10", "-", "open"),
        (2, "10", "4", "partially_filled"),
        (2, "10", "10.0", "filled"),
        (2, "10", "11", "filled"),
        (4, "10", "0", "canceled"),
        (4, "10", "9.999", "canceled"),
        (4, "10", "10", "filled"),
        (4, "-", "-", "canceled"),
        (4, "0", "0", "canceled"),
        (3, "10", "0", "unknown"),
        (0, "10", "4", "unknown"),
        (-1, "10", "10", "filled"),
        (99, "", "", "unknown"),
    ],
)
def test_an_orders_status_comes_from_its_state_and_its_sizes(state: int, size: str, dealt: str, status: str) -> None:
    (order,) = said(order_frame(state=state, size=size, deal_size=dealt))
    assert (order.status, order.state) == (status, str(state))


@pytest.mark.parametrize("member", ["size", "deal_size"])
@pytest.mark.parametrize("text", ["nan", "1_0", " 1", "inf", "ten", "\uff11", "1" * 65])
def test_an_order_whose_sizes_are_no_numbers_is_refused(member: str, text: str) -> None:
    (notice,) = said(order_frame(**{member: text}))
    assert isinstance(notice, Malformed)


@pytest.mark.parametrize(
    ("action", "event"),
    [
        (1, "trade"),
        (2, "submitted"),
        (3, "canceled"),
        (4, "liquidation_canceled"),
        (5, "adl_canceled"),
        (6, "partial_liquidation"),
        (7, "bankruptcy"),
        (8, "adl_passive"),
        (9, "adl_active"),
        (0, "unknown"),
        (10, "unknown"),
        (-7, "unknown"),
    ],
)
def test_an_action_has_a_name_or_is_passed_on_as_unknown(action: int, event: str) -> None:
    (order,) = said(order_frame(action))
    assert (order.event, order.action) == (event, str(action))


@pytest.mark.parametrize(
    ("side", "mode", "expected"),
    [
        (1, "hedge_mode", ("buy", "0", "long")),
        (2, "hedge_mode", ("buy", "1", "short")),
        (3, "hedge_mode", ("sell", "1", "long")),
        (4, "hedge_mode", ("sell", "0", "short")),
        (1, "one_way_mode", ("buy", "0", "both")),
        (2, "one_way_mode", ("buy", "1", "both")),
        (3, "one_way_mode", ("sell", "1", "both")),
        (4, "one_way_mode", ("sell", "0", "both")),
        (1, "", ("buy", "0", "")),
        (4, "three_way_mode", ("sell", "0", "")),
        (5, "hedge_mode", ("unknown", "", "unknown")),
        (5, "one_way_mode", ("unknown", "", "both")),
        (0, "", ("unknown", "", "")),
    ],
)
def test_a_side_means_the_same_way_in_both_modes(side: int, mode: str, expected: tuple[str, ...]) -> None:
    (order,) = said(order_frame(side=side, position_mode=mode))
    assert (order.side, order.reduce_only, order.position_side) == expected
    assert order.side_code == str(side)


@pytest.mark.parametrize(
    ("word", "order_type"),
    [
        ("limit", "limit"),
        ("market", "market"),
        ("plan_order", "plan"),
        ("planorder", "plan"),
        ("trailing_order", "trailing"),
        ("trailing", "trailing"),
        ("take_profit", "take_profit"),
        ("stop_loss", "stop_loss"),
        ("liquidate", "liquidation"),
        ("bankruptcy", "bankruptcy"),
        ("adl", "adl"),
        ("iceberg", "unknown"),
        ("", "unknown"),
    ],
)
def test_socket_and_rest_have_different_words_for_one_order_type(word: str, order_type: str) -> None:
    (order,) = said(order_frame(type=word))
    assert order.order_type == order_type


@pytest.mark.parametrize(
    ("word", "mode"), [("cross", "cross"), ("isolated", "isolated"), ("", ""), ("portfolio", "unknown")]
)
def test_an_orders_margin_mode_is_a_word(word: str, mode: str) -> None:
    (order,) = said(order_frame(open_type=word))
    assert order.margin_mode == mode


def test_a_dash_is_absent() -> None:
    (order,) = said(order_frame(price="-", deal_avg_price="-", plan_order_id="-", size="-", deal_size="-"))
    assert (order.price, order.average_price, order.plan_order_id, order.size, order.filled_size) == ("",) * 4 + ("0",)


def test_ids_may_be_numbers() -> None:
    trade = {"lastTradeID": "3000000000000001", "fillQty": "1", "fillPrice": "2"}
    order, fill = said(order_frame(order_id=220906179895578, last_trade=trade))
    assert (order.order_id, fill.order_id, fill.trade_id) == ("220906179895578", "220906179895578", "3000000000000001")


@pytest.mark.parametrize(
    ("fee", "cost"),
    [
        ("-0.00027", "0.00027"),
        ("0.00027", "-0.00027"),
        ("+0.00027", "-0.00027"),
        ("-0.000000000000000012300", "0.000000000000000012300"),
        ("-1E-7", "1E-7"),
        ("0", "0"),
        ("0.00", "0.00"),
        ("-0.00", "0.00"),
        ("", ""),
        ("-", ""),
    ],
)
def test_a_cost_is_positive_digit_for_digit(fee: str, cost: str) -> None:
    _, fill = said(order_frame(last_trade={"lastTradeID": 1, "fillQty": "1", "fillPrice": "2", "fee": fee}))
    assert fill.fee == cost


@pytest.mark.parametrize(
    "trade",
    [
        {},
        {"lastTradeID": 1, "fillQty": "", "fillPrice": "2"},
        {"lastTradeID": 1, "fillQty": "1", "fillPrice": "nan"},
        {"lastTradeID": None, "fillQty": "1", "fillPrice": "2"},
        "trade",
        [],
    ],
)
def test_an_order_survives_a_broken_trade(trade: object) -> None:
    order, notice = said(order_frame(last_trade=trade))
    assert isinstance(order, Order)
    assert isinstance(notice, Malformed)


@pytest.mark.parametrize("stamp", [-1, 10**14, 10**30, "1701625324640", 1.5, None])
def test_a_state_whose_stamp_would_outlast_all_others_is_refused(stamp: object) -> None:
    for frame in (order_frame(update_time=stamp), position_frame(update_time=stamp)):
        (notice,) = said(frame)
        assert isinstance(notice, Malformed)


@pytest.mark.parametrize("member", ["order_id", "symbol", "size", "state", "side"])
def test_an_order_without_what_makes_it_one_is_refused(member: str) -> None:
    frame = json.loads(order_frame())
    del frame["data"][0]["order"][member]
    (notice,) = said(json.dumps(frame))
    assert isinstance(notice, Malformed)
    assert member in notice.reason


def test_captured_positions_become_positions() -> None:
    frame = (
        '{"group":"futures/position","data":[{"symbol":"LTCUSDT","hold_volume":"5","position_type":2,"open_type":2,'
        '"frozen_volume":"0","close_volume":"0","hold_avg_price":"71.582","close_avg_price":"0",'
        '"open_avg_price":"71.582","liquidate_price":"0","create_time":1701623327513,"update_time":1701627620439},'
        '{"symbol":"LTCUSDT","hold_volume":"6","position_type":1,"open_type":2,"frozen_volume":"0",'
        '"close_volume":"0","hold_avg_price":"71.681666666666666667","close_avg_price":"0",'
        '"open_avg_price":"71.681666666666666667","liquidate_price":"0","create_time":1701621167225,'
        '"update_time":1701628152614}]}'
    )
    short = Position(
        symbol="LTCUSDT",
        side=PositionSide.SHORT,
        size="5",
        average_price="71.582",
        liquidation_price="0",
        frozen_size="0",
        closed_size="0",
        open_average_price="71.582",
        close_average_price="0",
        margin_mode=MarginMode.CROSS,
        position_mode=PositionMode.ABSENT,
        created_at=1701623327513,
        updated_at=1701627620439,
        source=Source.WS,
        received_at=RECEIVED_AT,
    )
    long = msgspec.structs.replace(
        short,
        side=PositionSide.LONG,
        size="6",
        average_price="71.681666666666666667",
        open_average_price="71.681666666666666667",
        created_at=1701621167225,
        updated_at=1701628152614,
    )
    assert said(frame) == [short, long]


@pytest.mark.parametrize(
    ("volume", "position_type", "expected"),
    [
        ("7", 1, ("long", "7")),
        ("7", 2, ("short", "7")),
        ("-7", 1, ("short", "7")),  # whether one-way mode marks a short so is unknown
        ("-7", 2, ("short", "7")),
        ("+7", 1, ("long", "7")),
        ("0", 1, ("long", "0")),
        ("-0", 1, ("long", "0")),
        ("7", 3, ("unknown", "7")),
    ],
)
def test_a_positions_size_is_absolute(volume: str, position_type: int, expected: tuple[str, str]) -> None:
    (position,) = said(position_frame(hold_volume=volume, position_type=position_type, position_mode="one_way_mode"))
    assert (position.side, position.size) == expected
    assert position.position_mode == "one_way"


@pytest.mark.parametrize("volume", ["", "-", "nan", "1_0", "--7", "\uff11"])
def test_a_position_without_a_size_is_refused(volume: str) -> None:
    (notice,) = said(position_frame(hold_volume=volume))
    assert isinstance(notice, Malformed)


@pytest.mark.parametrize(("code", "mode"), [(1, "isolated"), (2, "cross"), (0, ""), (3, "unknown")])
def test_a_positions_margin_mode_is_a_number(code: int, mode: str) -> None:
    (position,) = said(position_frame(open_type=code))
    assert position.margin_mode == mode


def test_a_frame_may_bring_no_positions() -> None:
    assert said('{"group":"futures/position","data":[]}') == []
