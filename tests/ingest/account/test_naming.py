"""Whether two sources name executions alike: only a complete list tells, and each finds its twin once."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bridge.ingest.account.naming import Naming, naming, twins
from bridge.records import Fill
from tests.store.support import FILL, changed


def fill(trade_id: str, size: str = "4", price: str = "100", at: int = 1_000, order_id: str = "1") -> Fill:
    return changed(FILL, trade_id=trade_id, size=size, price=price, traded_at=at, order_id=order_id)


def test_a_list_that_holds_all_that_was_told_names_them_alike() -> None:
    assert naming([fill("1")], [fill("1"), fill("2")], Decimal(8)) is Naming.SAME
    assert naming([], [fill("2")], Decimal(8)) is Naming.SAME


def test_a_complete_list_that_lacks_what_was_told_names_it_otherwise() -> None:
    assert naming([fill("1")], [fill("9"), fill("8")], Decimal(8)) is Naming.OTHER


def test_while_the_list_is_not_complete_nobody_knows() -> None:
    assert naming([fill("1")], [fill("9")], Decimal(8)) is Naming.UNSURE
    assert naming([fill("1")], [], Decimal(0)) is Naming.UNSURE


def test_a_twin_has_the_same_order_price_and_size_however_they_are_spelled() -> None:
    told = [fill("1", size="4.0", price="100.00")]
    others = [fill("7", size="5"), fill("8", price="101"), fill("9", order_id="2")]
    assert twins(told, others) == []
    assert twins(told, [*others, fill("6")]) == [fill("6")]


def test_of_several_that_could_be_meant_the_nearest_in_time_is() -> None:
    told = [fill("1", at=5_000), fill("2", at=9_000)]
    listed = [fill("7", at=1_000), fill("8", at=5_010), fill("9", at=8_990)]
    assert twins(told, listed) == listed[1:]


@given(sizes=st.lists(st.sampled_from(["1", "2", "3"]), max_size=12), data=st.data())
def test_each_execution_that_was_told_finds_one_twin(sizes: list[str], data: st.DataObject) -> None:
    listed = [fill(f"r{number}", size, at=number * 1_000) for number, size in enumerate(sizes)]
    shown = data.draw(st.lists(st.sampled_from(listed), unique=True)) if listed else []
    told = [changed(one, trade_id=one.trade_id.replace("r", "w"), traded_at=one.traded_at + 7) for one in shown]
    assert {one.trade_id for one in twins(told, listed)} == {one.trade_id for one in shown}
