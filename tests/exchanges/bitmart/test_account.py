"""The account over REST: what is asked for, and what the documented answers become."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ProtocolError, RestError
from bridge.exchanges.base import Call, Credentials
from bridge.exchanges.bitmart import BitMart
from bridge.records import (
    Fill,
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
from bridge.values import Secret

NOBODY = BitMart(public_uri="ws://h", private_uri="ws://h", rest_uri="http://h", credentials=None, batch=20)
SOMEBODY = BitMart(
    public_uri="ws://h",
    private_uri="ws://h",
    rest_uri="http://h",
    credentials=Credentials(Secret("the key"), Secret("the secret"), Secret("the memo")),
    batch=20,
)
OPEN, ONE, HISTORY, TRADES, POSITIONS = (
    SOMEBODY.open_orders_call(),
    SOMEBODY.order_call("BTCUSDT", "220906179895578"),
    SOMEBODY.history_call("BTCUSDT", 1_662_368_000_000, 1_662_369_000_000),
    SOMEBODY.trades_call(1_663_663_000_000, 1_663_664_000_000),
    SOMEBODY.positions_call(),
)
LISTS: list[Call[Any]] = [OPEN, HISTORY, TRADES, POSITIONS]

# The documented samples (docs 2025-11), and one that a public client keeps as a reply it was given: quoted numbers.
OPEN_ROW: dict[str, Any] = {
    "order_id": "220908185908509",
    "client_order_id": "BM123",
    "price": "14277",
    "size": "7216",
    "symbol": "BTCUSDT",
    "state": 4,
    "side": 3,
    "type": "limit",
    "position_mode": "hedge_mode",
    "leverage": "0",
    "open_type": "isolated",
    "deal_avg_price": "14277",
    "deal_size": "7216",
    "preset_take_profit_price_type": 1,
    "preset_stop_loss_price_type": 2,
    "preset_take_profit_price": "68000",
    "preset_stop_loss_price": "60000",
    "create_time": 1662368173000,
    "update_time": 1662368173001,
}
HISTORY_ROW: dict[str, Any] = {
    "order_id": "3000101684062644",
    "client_order_id": "PLAN_3000097492004577",
    "price": "0",
    "trigger_price": "0",
    "execution_price": "0",
    "size": "1",
    "symbol": "BTCUSDT",
    "state": 4,
    "side": 2,
    "type": "market",
    "account": "futures",
    "position_mode": "hedge_mode",
    "leverage": "20",
    "open_type": "cross",
    "deal_avg_price": "84802",
    "deal_size": "1",
    "create_time": 1743160485193,
    "update_time": 1743160485258,
    "activation_price_type": 1,
    "activation_price": "0",
    "callback_rate": "0",
}
QUOTED_ROW: dict[str, Any] = {
    "order_id": "231116363679831",
    "client_order_id": "",
    "price": "100",
    "size": "1",
    "symbol": "LTCUSDT",
    "state": "4",
    "side": "4",
    "type": "limit",
    "leverage": "1",
    "open_type": "cross",
    "deal_avg_price": "0",
    "deal_size": "0",
    "create_time": "1699638121672",
    "update_time": "1699638158472",
}
TRADE_ROW: dict[str, Any] = {
    "order_id": "220921197409432",
    "trade_id": "1141853921",
    "symbol": "BTCUSDT",
    "side": 1,
    "price": "19313.3",
    "vol": "108",
    "exec_type": "Maker",
    "profit": False,
    "realised_profit": "-0.00832",
    "paid_fees": "0.5",
    "account": "futures",
    "create_time": 1663663818589,
}
POSITION_ROW: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "leverage": "51",
    "timestamp": 1746687096451,
    "current_fee": "0.0000397",
    "open_timestamp": 1746687000000,
    "close_vol": "2",
    "close_avg_price": "98000.5",
    "open_avg_price": "97000",
    "entry_price": "97000.10",
    "current_amount": "5",
    "position_amount": "5",
    "account": "futures",
    "open_type": "isolated",
    "position_side": "long",
    "liquidation_price": "61000",
}


def body(data: object, **members: object) -> bytes:
    """A reply of BitMart's."""
    return json.dumps({"code": 1000, "message": "Ok", "data": data, "trace": "80ba1f07", **members}).encode()


def order_of(row: dict[str, Any], **changes: object) -> Order:
    """What one row of open orders becomes."""
    (order,) = OPEN.read(200, {}, body([row | changes]))
    return order


def position_of(row: dict[str, Any], **changes: object) -> Position:
    """What one row of positions becomes."""
    (position,) = POSITIONS.read(200, {}, body([row | changes]))
    return position


def test_the_calls_ask_for_these_paths_and_show_the_key_alone() -> None:
    asked = [(call.path.rpartition("/")[2], dict(call.params)) for call in (*LISTS, ONE)]
    assert asked == [
        ("get-open-orders", {}),
        ("order-history", {"symbol": "BTCUSDT", "start_time": "1662368000", "end_time": "1662369000"}),
        ("trades", {"start_time": "1663663000", "end_time": "1663664000"}),
        ("position-v2", {}),
        ("order", {"symbol": "BTCUSDT", "order_id": "220906179895578"}),
    ]
    for call in (*LISTS, ONE):
        assert call.path.startswith("/contract/private/")
        assert call.headers == {"X-BM-KEY": "the key"}
        assert "the key" not in repr(call)


def test_a_symbol_and_an_order_narrow_what_is_asked_for() -> None:
    assert SOMEBODY.open_orders_call("ETHUSDT").params == {"symbol": "ETHUSDT"}
    assert SOMEBODY.positions_call("ETHUSDT").params == {"symbol": "ETHUSDT"}
    assert SOMEBODY.trades_call(1_000, 2_000, "7").params == {"start_time": "1", "end_time": "2", "order_id": "7"}
    window = {"symbol": "ETHUSDT", "start_time": "1", "end_time": "2"}
    assert SOMEBODY.history_call("ETHUSDT", 1_000, 2_000, "7").params == window | {"order_id": "7"}


def test_no_path_is_called_more_often_than_documented() -> None:
    assert [call.per_2s for call in LISTS] == [40, 5, 5, 5]
    assert ONE.per_2s == 40


def test_without_credentials_there_is_no_account_to_ask_for() -> None:
    for call in (
        NOBODY.open_orders_call,
        lambda: NOBODY.order_call("BTCUSDT", "1"),
        lambda: NOBODY.history_call("BTCUSDT", 0, 1),
        lambda: NOBODY.trades_call(0, 1),
        NOBODY.positions_call,
    ):
        with pytest.raises(ProtocolError, match="need credentials"):
            call()


def test_an_open_order_becomes_a_record() -> None:
    assert order_of(OPEN_ROW, state=2, deal_size="7000") == Order(
        symbol="BTCUSDT",
        order_id="220908185908509",
        client_order_id="BM123",
        event=OrderEvent.TRADE,
        status=Status.PARTIALLY_FILLED,
        side=Side.SELL,
        position_side=PositionSide.LONG,
        reduce_only="1",
        order_type=OrderType.LIMIT,
        price="14277",
        size="7216",
        filled_size="7000",
        average_price="14277",
        leverage="0",
        margin_mode=MarginMode.ISOLATED,
        position_mode=PositionMode.HEDGE,
        plan_order_id="",
        created_at=1662368173000,
        updated_at=1662368173001,
        action="",
        state="2",
        side_code="3",
        source=Source.REST.value,
        received_at=0,
    )


def test_a_finished_order_becomes_a_record() -> None:
    (order,) = HISTORY.read(200, {}, body([HISTORY_ROW]))
    assert (order.order_id, order.status, order.event) == ("3000101684062644", Status.FILLED, OrderEvent.TRADE)
    assert (order.side, order.position_side, order.reduce_only) == (Side.BUY, PositionSide.SHORT, "1")
    assert (order.order_type, order.price, order.average_price) == (OrderType.MARKET, "0", "84802")
    assert (order.margin_mode, order.leverage, order.client_order_id) == (
        MarginMode.CROSS,
        "20",
        "PLAN_3000097492004577",
    )


def test_numbers_may_stand_in_quotes_and_the_code_too() -> None:
    (order,) = HISTORY.read(200, {}, body([QUOTED_ROW], code="1000"))
    assert (order.order_id, order.status, order.event) == ("231116363679831", Status.CANCELED, OrderEvent.CANCELED)
    assert (order.created_at, order.updated_at, order.state) == (1699638121672, 1699638158472, "4")
    assert (order.side, order.side_code) == (Side.SELL, "4")
    assert (order.position_mode, order.position_side) == (PositionMode.ABSENT, PositionSide.ABSENT)


def test_ids_may_be_numbers() -> None:
    assert order_of(OPEN_ROW, order_id=220908185908509).order_id == "220908185908509"
    (fill,) = TRADES.read(200, {}, body([TRADE_ROW | {"trade_id": 1141853921, "order_id": 220921197409432}]))
    assert (fill.trade_id, fill.order_id) == ("1141853921", "220921197409432")


@pytest.mark.parametrize(
    ("state", "dealt", "status", "event"),
    [
        (1, "0", Status.ACCEPTED, OrderEvent.SUBMITTED),
        (2, "0", Status.OPEN, OrderEvent.SUBMITTED),
        (2, "", Status.OPEN, OrderEvent.SUBMITTED),
        (2, "-", Status.OPEN, OrderEvent.SUBMITTED),
        (2, "1", Status.PARTIALLY_FILLED, OrderEvent.TRADE),
        (2, "7216", Status.FILLED, OrderEvent.TRADE),
        (4, "7216.00", Status.FILLED, OrderEvent.TRADE),
        (4, "7215", Status.CANCELED, OrderEvent.CANCELED),
        (4, "0", Status.CANCELED, OrderEvent.CANCELED),
        (9, "0", Status.UNKNOWN, OrderEvent.UNKNOWN),
    ],
)
def test_state_and_sizes_tell_how_far_an_order_has_come(
    state: int, dealt: str, status: Status, event: OrderEvent
) -> None:
    order = order_of(OPEN_ROW, state=state, deal_size=dealt)
    assert (order.status, order.event, order.state) == (status, event, str(state))


@pytest.mark.parametrize(
    ("mode", "code", "side", "position_side", "reduce_only"),
    [
        ("hedge_mode", 1, Side.BUY, PositionSide.LONG, "0"),
        ("hedge_mode", 2, Side.BUY, PositionSide.SHORT, "1"),
        ("hedge_mode", 3, Side.SELL, PositionSide.LONG, "1"),
        ("hedge_mode", 4, Side.SELL, PositionSide.SHORT, "0"),
        ("one_way_mode", 1, Side.BUY, PositionSide.BOTH, "0"),
        ("one_way_mode", 2, Side.BUY, PositionSide.BOTH, "1"),
        ("one_way_mode", 3, Side.SELL, PositionSide.BOTH, "1"),
        ("one_way_mode", 4, Side.SELL, PositionSide.BOTH, "0"),
        ("hedge_mode", 7, Side.UNKNOWN, PositionSide.UNKNOWN, ""),
    ],
)
def test_a_side_means_what_the_accounts_mode_makes_of_it(
    mode: str, code: int, side: Side, position_side: PositionSide, reduce_only: str
) -> None:
    order = order_of(OPEN_ROW, position_mode=mode, side=code)
    assert (order.side, order.position_side, order.reduce_only) == (side, position_side, reduce_only)
    assert order.side_code == str(code)


def test_words_that_are_new_are_unknown_and_do_not_stop_the_rest() -> None:
    order = order_of(OPEN_ROW, type="iceberg", open_type="portfolio", position_mode="three_way_mode")
    assert order.order_type is OrderType.UNKNOWN
    assert order.margin_mode is MarginMode.UNKNOWN
    assert order.position_mode is PositionMode.UNKNOWN


@pytest.mark.parametrize(("word", "kind"), [("planorder", OrderType.PLAN), ("trailing", OrderType.TRAILING)])
def test_rest_has_words_of_its_own_for_some_orders(word: str, kind: OrderType) -> None:
    assert order_of(OPEN_ROW, type=word).order_type is kind


@pytest.mark.parametrize(("executed", "status"), [("31", "triggered"), ("", "canceled"), ("0", "canceled")])
def test_a_finished_plan_order_says_whether_it_made_another(executed: str, status: str) -> None:
    changes = {"type": "planorder", "deal_size": "0", "execution_price": "84800", "executive_order_id": executed}
    (order,) = HISTORY.read(200, {}, body([HISTORY_ROW | changes]))
    assert (order.status, order.event, order.order_type, order.price) == (status, status, "plan", "84800")


def test_an_order_that_waited_for_no_price_is_not_triggered() -> None:
    (order,) = HISTORY.read(200, {}, body([HISTORY_ROW | {"deal_size": "0", "executive_order_id": "7"}]))
    assert order.status == "canceled"


def test_one_order_is_read_by_name() -> None:
    order = ONE.read(200, {}, body({**OPEN_ROW, "account": "futures", "deal_size": "0", "state": 2}))
    assert order is not None
    assert (order.order_id, order.status) == ("220908185908509", Status.OPEN)


@pytest.mark.parametrize(("code", "text"), [(40035, "Order Not Exist"), (40037, "Order id not exist")])
def test_an_order_that_bitmart_does_not_know_is_none(code: int, text: str) -> None:
    assert ONE.read(400, {}, body(None, code=code, message=text)) is None
    assert ONE.read(400, {}, json.dumps({"code": code, "message": text}).encode()) is None


def test_an_execution_becomes_a_record() -> None:
    assert TRADES.read(200, {}, body([TRADE_ROW])) == [
        Fill(
            symbol="BTCUSDT",
            order_id="220921197409432",
            client_order_id="",
            trade_id="1141853921",
            side=Side.BUY,
            price="19313.3",
            size="108",
            fee="0.5",
            fee_currency="",
            traded_at=1663663818589,
            source=Source.REST.value,
            received_at=0,
        )
    ]


@pytest.mark.parametrize("fee", ["0", "0.5", "-0.00832", ""])
def test_a_fee_is_passed_on_a_cost_positive(fee: str) -> None:
    (fill,) = TRADES.read(200, {}, body([TRADE_ROW | {"paid_fees": fee}]))
    assert fill.fee == fee


def test_a_position_becomes_a_record() -> None:
    assert position_of(POSITION_ROW) == Position(
        symbol="BTCUSDT",
        side=PositionSide.LONG,
        size="5",
        average_price="97000.10",
        liquidation_price="61000",
        frozen_size="",
        closed_size="2",
        open_average_price="97000",
        close_average_price="98000.5",
        margin_mode=MarginMode.ISOLATED,
        position_mode=PositionMode.HEDGE,
        created_at=1746687000000,
        updated_at=0,
        source=Source.REST.value,
        received_at=0,
    )


@pytest.mark.parametrize(
    ("word", "amount", "side", "size", "mode"),
    [
        ("long", "5", PositionSide.LONG, "5", PositionMode.HEDGE),
        ("short", "5", PositionSide.SHORT, "5", PositionMode.HEDGE),
        ("short", "-5", PositionSide.SHORT, "5", PositionMode.HEDGE),
        ("short", "0", PositionSide.SHORT, "0", PositionMode.HEDGE),
        ("both", "5", PositionSide.LONG, "5", PositionMode.ONE_WAY),
        ("both", "+5", PositionSide.LONG, "5", PositionMode.ONE_WAY),
        ("both", "-5.50", PositionSide.SHORT, "5.50", PositionMode.ONE_WAY),
        ("both", "0", PositionSide.LONG, "0", PositionMode.ONE_WAY),
        ("sideways", "5", PositionSide.UNKNOWN, "5", PositionMode.HEDGE),
    ],
)
def test_a_positions_side_comes_from_its_slot_and_in_one_way_mode_from_its_sign(
    word: str, amount: str, side: PositionSide, size: str, mode: PositionMode
) -> None:
    position = position_of(POSITION_ROW, position_side=word, position_amount=amount)
    assert (position.side, position.size, position.position_mode) == (side, size, mode)


def test_the_replys_own_time_is_no_version_of_a_position() -> None:
    assert position_of(POSITION_ROW, timestamp=9_999_999_999_999).updated_at == 0


@pytest.mark.parametrize("call", LISTS)
@pytest.mark.parametrize("nothing", [[], None])
def test_no_rows_are_an_empty_list_and_bitmart_says_null_too(call: Call[Any], nothing: object) -> None:
    """On the wire the empty sides of a book are null (2026-09), so an empty list of rows may well be."""
    assert call.read(200, {}, body(nothing)) == []


@pytest.mark.parametrize("nothing", [[], None, {}])
def test_nothing_in_the_place_of_one_order_is_an_error_and_not_an_unknown_order(nothing: object) -> None:
    with pytest.raises(RestError, match="HTTP 200 with unexpected data"):
        ONE.read(200, {}, body(nothing))


@pytest.mark.parametrize("call", [*LISTS, ONE])
@pytest.mark.parametrize(
    ("status", "said", "code", "text"),
    [
        (401, {"code": 30002, "msg": "Header X-BM-KEY not found"}, 30002, "Header X-BM-KEY not found"),
        (429, {"code": 30013, "msg": "Request too many requests"}, 30013, "Request too many requests"),
        (200, {"code": 30016, "msg": "maintenance"}, 30016, "maintenance"),
        (200, {"code": 40012, "message": "system error", "data": []}, 40012, "system error"),
        (400, {"code": "40007", "message": "Parse parameter error", "data": {}}, 40007, "Parse parameter error"),
        (500, {"code": 1000, "message": "Ok", "data": []}, 1000, "Ok"),
        (200, {"data": []}, 0, ""),
    ],
)
def test_every_other_code_is_an_error_in_bitmarts_words(
    call: Call[Any], status: int, said: dict[str, Any], code: int, text: str
) -> None:
    with pytest.raises(RestError) as refused:
        call.read(status, {}, json.dumps(said).encode())
    assert (refused.value.status, refused.value.code) == (status, code)
    assert str(refused.value) == f"HTTP {status}, code {code}: {text}"


def test_of_a_symbol_that_is_gone_there_is_nothing_to_tell_but_not_of_all_symbols() -> None:
    gone = json.dumps({"code": 40034, "message": "Symbol Not Exist"}).encode()
    of_it: list[Call[Any]] = [SOMEBODY.open_orders_call("A"), SOMEBODY.plan_orders_call("A"), HISTORY]
    of_all: list[Call[Any]] = [*LISTS, SOMEBODY.plan_orders_call(), ONE]
    for call in (*of_it, SOMEBODY.positions_call("A")):
        assert call.read(400, {}, gone) == []
    for call in of_all:
        if call is not HISTORY:
            with pytest.raises(RestError, match="Symbol Not Exist"):
                call.read(400, {}, gone)


@pytest.mark.parametrize("call", [*LISTS, ONE])
@pytest.mark.parametrize(
    "rubbish", [b"", b"<html>blocked</html>", b"[]", b"null", b'{"code":1000,"data":' + b"[" * 9999]
)
def test_what_is_not_bitmarts_is_an_error(call: Call[Any], rubbish: bytes) -> None:
    with pytest.raises(RestError):
        call.read(200, {}, rubbish)


@pytest.mark.parametrize(
    ("call", "row"),
    [
        (OPEN, OPEN_ROW | {"size": "many"}),
        (OPEN, OPEN_ROW | {"deal_size": "nan"}),
        (OPEN, OPEN_ROW | {"update_time": 10**15}),
        (OPEN, OPEN_ROW | {"update_time": -1}),
        (OPEN, {name: OPEN_ROW[name] for name in OPEN_ROW if name != "state"}),
        (HISTORY, {**HISTORY_ROW, "symbol": None}),
        (TRADES, TRADE_ROW | {"vol": ""}),
        (TRADES, TRADE_ROW | {"price": "1_0"}),
        (TRADES, TRADE_ROW | {"create_time": 10**15}),
        (TRADES, {name: TRADE_ROW[name] for name in TRADE_ROW if name != "trade_id"}),
        (POSITIONS, POSITION_ROW | {"position_amount": "-"}),
        (POSITIONS, POSITION_ROW | {"position_amount": ""}),
        (POSITIONS, {name: POSITION_ROW[name] for name in POSITION_ROW if name != "position_side"}),
    ],
)
def test_a_row_that_cannot_be_true_is_an_error(call: Call[Any], row: dict[str, Any]) -> None:
    with pytest.raises(RestError, match=r"^HTTP 200 with "):
        call.read(200, {}, body([row]))


def test_one_order_that_cannot_be_true_is_an_error() -> None:
    with pytest.raises(RestError, match="HTTP 200 with an unreadable order"):
        ONE.read(200, {}, body(OPEN_ROW | {"size": "many"}))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["0", "-1", "4", "both", "long"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(
    row=st.sampled_from([OPEN_ROW, TRADE_ROW, POSITION_ROW]),
    changes=st.dictionaries(st.sampled_from([*OPEN_ROW, *TRADE_ROW, *POSITION_ROW]), ANYTHING, max_size=4),
)
def test_whatever_a_row_says_it_is_read_or_refused(row: dict[str, Any], changes: dict[str, Any]) -> None:
    for call in (OPEN, TRADES, POSITIONS):
        try:
            records = call.read(200, {}, body([row | changes]))
        except RestError:
            continue
        for record in records:
            assert all(isinstance(value, str | int) for value in msgspec.structs.astuple(record))
