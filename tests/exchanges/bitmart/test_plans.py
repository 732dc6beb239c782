"""Plan orders over REST, and what the socket is documented to say of them."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.errors import RestError
from bridge.records import MarginMode, Order, OrderEvent, OrderType, PositionMode, PositionSide, Side, Source, Status
from tests.exchanges.bitmart.test_account import SOMEBODY, body
from tests.exchanges.bitmart.test_topics import order_frame, said

PLANS = SOMEBODY.plan_orders_call()
# A reply that a user of a public client showed (wire 2024-01), its numbers quoted by that client.
CAPTURED: dict[str, Any] = {
    "order_id": "2401030030902135",
    "executive_price": "55",
    "trigger_price": "120",
    "size": "1",
    "symbol": "LTCUSDT",
    "state": "1",
    "price_way": "1",
    "price_type": "1",
    "side": "1",
    "mode": "1",
    "type": "plan",
    "plan_category": "1",
    "leverage": "1",
    "open_type": "cross",
    "create_time": "1704216861889",
    "update_time": "1704216861889",
}
# The documented sample (docs 2025-11).
DOCUMENTED: dict[str, Any] = {
    "order_id": "220908185908509",
    "client_order_id": "BM123",
    "executive_price": "14277",
    "trigger_price": "14277",
    "size": "7216",
    "symbol": "BTCUSDT",
    "state": 4,
    "side": 3,
    "mode": 1,
    "position_mode": "hedge_mode",
    "price_way": 2,
    "price_type": 1,
    "plan_category": 2,
    "type": "stop_loss",
    "leverage": "0",
    "open_type": "isolated",
    "create_time": 1662368173000,
    "update_time": 1662368173000,
}


def plan_of(row: dict[str, Any], **changes: object) -> Order:
    """What one row becomes."""
    (order,) = PLANS.read(200, {}, body([row | changes]))
    return order


def test_the_call_asks_for_all_of_them_or_those_of_a_symbol() -> None:
    assert (PLANS.path, PLANS.params, PLANS.per_2s) == ("/contract/private/current-plan-order", {}, 40)
    assert SOMEBODY.plan_orders_call("ETHUSDT").params == {"symbol": "ETHUSDT"}


def test_the_captured_plan_order_becomes_a_record() -> None:
    assert plan_of(CAPTURED) == Order(
        symbol="LTCUSDT",
        order_id="2401030030902135",
        client_order_id="",
        event=OrderEvent.SUBMITTED,
        status=Status.ACCEPTED,
        side=Side.BUY,
        position_side=PositionSide.ABSENT,
        reduce_only="0",
        order_type=OrderType.PLAN,
        price="55",
        size="1",
        filled_size="0",
        average_price="",
        leverage="1",
        margin_mode=MarginMode.CROSS,
        position_mode=PositionMode.ABSENT,
        plan_order_id="",
        created_at=1704216861889,
        updated_at=1704216861889,
        action="",
        state="1",
        side_code="1",
        source=Source.REST.value,
        received_at=0,
    )


def test_the_documented_one_waits_though_its_state_says_that_it_is_finished() -> None:
    order = plan_of(DOCUMENTED)
    assert (order.status, order.state, order.order_type) == (Status.OPEN, "4", OrderType.STOP_LOSS)
    assert (order.side, order.position_side, order.reduce_only) == (Side.SELL, PositionSide.LONG, "1")


def test_a_state_that_is_a_word_is_passed_on() -> None:
    order = plan_of(CAPTURED, state="active")
    assert (order.status, order.state) == (Status.OPEN, "active")


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("plan", "plan"),
        ("take_profit", "take_profit"),
        ("stop_loss", "stop_loss"),
        ("market", "plan"),
        ("x", "unknown"),
    ],
)
def test_whatever_type_it_shows_it_is_known_for_one_that_waits(word: str, kind: str) -> None:
    assert plan_of(CAPTURED, type=word).order_type == kind


@pytest.mark.parametrize("price", ["0", "", "-", "market price"])
def test_one_that_will_trade_at_the_markets_price_has_none(price: str) -> None:
    assert plan_of(CAPTURED, executive_price=price).price == ""


def test_one_that_closes_a_whole_position_need_have_no_size() -> None:
    assert plan_of({name: CAPTURED[name] for name in CAPTURED if name != "size"}).size == ""


@pytest.mark.parametrize("changes", [{"size": "many"}, {"order_id": None}, {"update_time": -1}, {"side": "x"}])
def test_a_row_that_cannot_be_true_is_an_error(changes: dict[str, Any]) -> None:
    with pytest.raises(RestError, match=r"^HTTP 200 with "):
        PLANS.read(200, {}, body([CAPTURED | changes]))


@pytest.mark.parametrize(
    ("action", "state", "status", "event"),
    [
        (2, 1, "accepted", "submitted"),
        (2, 2, "open", "submitted"),
        (1, 4, "triggered", "triggered"),
        (2, 4, "triggered", "triggered"),
        (3, 4, "canceled", "canceled"),
        (4, 4, "canceled", "liquidation_canceled"),
        (0, 4, "canceled", "unknown"),
    ],
)
@pytest.mark.parametrize("word", ["plan_order", "take_profit", "stop_loss", "trailing_order"])
def test_the_socket_tells_how_one_that_waits_has_come_to_its_end(
    word: str, action: int, state: int, status: str, event: str
) -> None:
    (order,) = said(order_frame(action, type=word, state=state, price="0", execution_price="100"))
    assert isinstance(order, Order)
    assert (order.status, order.event, order.price) == (status, event, "100")


def test_an_order_that_traded_is_never_called_triggered() -> None:
    (order,) = said(order_frame(1, type="trailing_order", state=4, deal_size="4"))
    assert isinstance(order, Order)
    assert order.status == "canceled"


@pytest.mark.parametrize("execution", ["-", "", "market", "0"])
def test_without_a_price_of_its_own_it_has_what_the_frame_calls_its_price(execution: str) -> None:
    (order,) = said(order_frame(type="plan_order", price="7", execution_price=execution))
    assert isinstance(order, Order)
    assert order.price == "7"
