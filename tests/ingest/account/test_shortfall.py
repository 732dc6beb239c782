"""Which orders lack executions: counted, asked for ever more seldom, forgotten once settled."""

from __future__ import annotations

import itertools
import math
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ingest.account.shortfall import Shortfall
from bridge.records import Fill, Order, Status
from tests.store.support import FILL, ORDER

changed = msgspec.structs.replace


def order(filled: str, status: Status = Status.PARTIALLY_FILLED, order_id: str = "1") -> Order:
    """An order that has come so far."""
    return changed(ORDER, order_id=order_id, filled_size=filled, status=status)


def fill(size: str, trade_id: str = "7", order_id: str = "1") -> Fill:
    """An execution."""
    return changed(FILL, order_id=order_id, trade_id=trade_id, size=size)


def told(*notices: Order | Fill) -> Shortfall:
    """What is left to ask for after these notices."""
    shortfall = Shortfall()
    for notice in notices:
        if isinstance(notice, Order):
            shortfall.order(notice)
        else:
            shortfall.fill(notice)
    return shortfall


def kept(shortfall: Shortfall) -> int:
    """How many orders it remembers."""
    return len(shortfall._orders)  # noqa: SLF001 - what it forgets can be seen nowhere else


def test_an_order_without_a_match_lacks_nothing() -> None:
    assert told(order("0", Status.OPEN)).due(0.0) == []
    assert told(order("", Status.OPEN)).due(0.0) == []


def test_an_order_whose_last_match_was_its_only_one_lacks_nothing() -> None:
    assert told(order("4"), fill("4")).due(0.0) == []


def test_an_order_that_traded_more_than_was_told_is_due_at_once() -> None:
    assert told(order("9"), fill("4")).due(0.0) == ["1"]


def test_the_executions_that_were_asked_for_settle_it() -> None:
    shortfall = told(order("9"), fill("4", "7"))
    for trade_id, size in [("6", "5"), ("7", "4")]:
        shortfall.fill(fill(size, trade_id))
    assert shortfall.due(math.inf) == []


def test_the_same_execution_counts_once_however_often_it_is_told() -> None:
    assert told(order("8"), fill("4"), fill("4")).due(0.0) == ["1"]


def test_figures_are_compared_as_numbers() -> None:
    assert told(order("0.30"), fill("0.1", "1"), fill("0.1", "2"), fill("0.10", "3")).due(0.0) == []


def test_an_older_notice_takes_nothing_back() -> None:
    assert told(order("9"), order("4"), fill("4")).due(0.0) == ["1"]


def test_executions_of_an_order_never_heard_of_are_nobodys() -> None:
    assert told(fill("4")).due(math.inf) == []


def test_it_is_asked_for_again_ever_more_seldom_but_never_given_up() -> None:
    shortfall = told(order("9"))
    asked = [second for second in range(12_000) if shortfall.due(float(second))]
    waits = [later - sooner for sooner, later in itertools.pairwise(asked)]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]


def test_a_finished_order_is_due_until_its_executions_are_known() -> None:
    shortfall = told(order("9", Status.CANCELED), fill("4"))
    assert shortfall.due(0.0) == ["1"]
    shortfall.fill(fill("5", "8"))
    assert shortfall.due(math.inf) == []


@pytest.mark.parametrize("status", [Status.FILLED, Status.CANCELED])
def test_what_is_settled_is_forgotten(status: Status) -> None:
    shortfall = told(order("4"), fill("4"), order("4", status))
    assert kept(shortfall) == 0
    assert kept(told(order("4"), fill("4"))) == 1


def test_an_order_cancelled_without_a_match_is_forgotten() -> None:
    assert kept(told(order("0", Status.OPEN), order("0", Status.CANCELED))) == 0


STATUSES = st.sampled_from([Status.OPEN, Status.PARTIALLY_FILLED, Status.FILLED, Status.CANCELED, Status.UNKNOWN])
NOTICES = st.lists(
    st.builds(order, st.integers(0, 9).map(str), STATUSES, st.sampled_from("123"))
    | st.builds(fill, st.integers(1, 4).map(str), st.sampled_from("abcde"), st.sampled_from("123")),
    max_size=40,
)


@given(notices=NOTICES)
def test_whatever_is_told_in_whatever_order_those_are_due_that_traded_more_than_is_known(
    notices: list[Order | Fill],
) -> None:
    """Counted here without forgetting: an order is heard of until it is finished and all its executions are known."""
    filled: dict[str, Decimal] = {}
    fills: dict[str, dict[str, Decimal]] = {}
    finished: set[str] = set()
    for notice in notices:
        name = notice.order_id
        if isinstance(notice, Order):
            filled[name] = max(filled.get(name, Decimal(0)), Decimal(notice.filled_size))
            finished |= {name} if notice.status in (Status.FILLED, Status.CANCELED) else set()
        elif name in filled:
            fills.setdefault(name, {})[notice.trade_id] = Decimal(notice.size)
        if name in finished and filled[name] <= sum(fills.get(name, {}).values()):
            del filled[name]
            fills.pop(name, None)
            finished.remove(name)
    shortfall = told(*notices)
    assert set(shortfall.due(math.inf)) == {
        name for name, size in filled.items() if size > sum(fills.get(name, {}).values())
    }
    assert kept(shortfall) == len(filled)


@given(times=st.lists(st.floats(0, 500), max_size=30).map(sorted))
def test_whoever_is_asked_for_is_left_alone_for_a_while(times: list[float]) -> None:
    shortfall = told(order("9"), order("9", order_id="2"))
    asked = [now for now in times if shortfall.due(now)]
    waits = [later - sooner for sooner, later in itertools.pairwise(asked)]
    assert all(wait >= least for wait, least in zip(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256], strict=False))
