"""The orders' join on a real server: in whatever order frames come, no order goes back and all end the same."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis as Synchronous

from bridge.exchanges.bitmart.codes import status_of
from bridge.records import Order, OrderEvent, PositionMode, Side, Status, field_names
from bridge.settings import load
from bridge.store import scripts
from bridge.store.writing.appends import Appends
from tests.store.support import APPENDS, KEYS, ORDER, changed, column, entries, members, run, said, state

if TYPE_CHECKING:
    from redis.asyncio import Redis

HASH = KEYS.order("1")
RANK = {"unknown": 0, "accepted": 1, "open": 2, "partially_filled": 2, "filled": 3, "canceled": 3}
# What explains one frame, and is no part of the order's state.
EXPLAINING = {"event", "action", "source", "received_at"}

OPEN = ORDER
ACCEPTED = changed(ORDER, status=Status.ACCEPTED, state="1", updated_at=500)
PARTIAL = changed(
    ORDER,
    status=Status.PARTIALLY_FILLED,
    event=OrderEvent.TRADE,
    filled_size="4",
    average_price="101",
    updated_at=2_000,
)
FILLED = changed(PARTIAL, status=Status.FILLED, filled_size="10", average_price="102", state="4", updated_at=3_000)
CANCELED = changed(PARTIAL, status=Status.CANCELED, event=OrderEvent.CANCELED, state="4", updated_at=3_000)


async def test_the_first_word_on_an_order_is_appended_with_all_its_fields_in_order(store: Redis) -> None:
    assert await said(store, OPEN) == [1]
    (entry,) = await entries(store, KEYS.orders)
    assert tuple(entry) == field_names(Order)
    assert await state(store, HASH) == entry
    assert await members(store, KEYS.open_orders) == {"1"}


async def test_a_life_is_appended_step_by_step_and_twice_over_changes_nothing(store: Redis) -> None:
    life = [ACCEPTED, OPEN, PARTIAL, FILLED]
    assert await said(store, *life) == [1, 1, 1, 1]
    assert await said(store, *life) == [0, 0, 0, 0]
    assert await column(store, KEYS.orders, "status", "filled_size", "average_price", "event") == [
        ("accepted", "0", "0", "submitted"),
        ("open", "0", "0", "submitted"),
        ("partially_filled", "4", "101", "trade"),
        ("filled", "10", "102", "trade"),
    ]


@pytest.mark.parametrize(
    ("life", "open_orders"),
    [
        ([ACCEPTED], {"1"}),
        ([OPEN], {"1"}),
        ([PARTIAL], {"1"}),
        ([changed(OPEN, status=Status.UNKNOWN, state="7")], {"1"}),
        ([OPEN, FILLED], set()),
        ([OPEN, CANCELED], set()),
        ([FILLED, OPEN], set()),
        ([CANCELED, PARTIAL], set()),
    ],
)
async def test_open_orders_are_those_that_are_not_finished(
    store: Redis, life: list[Order], open_orders: set[str]
) -> None:
    await said(store, *life)
    assert await members(store, KEYS.open_orders) == open_orders


@pytest.mark.parametrize("finished", [FILLED, CANCELED])
@pytest.mark.parametrize(
    "late", [ACCEPTED, OPEN, PARTIAL, changed(OPEN, updated_at=9_000), changed(ACCEPTED, updated_at=9_000)]
)
async def test_a_finished_order_never_opens_again(store: Redis, finished: Order, late: Order) -> None:
    assert await said(store, finished, late) == [1, 0]
    assert (await state(store, HASH))["status"] == finished.status


async def test_a_canceled_order_stays_canceled_when_a_late_fill_becomes_known(store: Redis) -> None:
    more = changed(PARTIAL, filled_size="6", average_price="103", updated_at=2_500)
    assert await said(store, CANCELED, more) == [1, 1]
    kept = await state(store, HASH)
    assert (kept["status"], kept["filled_size"], kept["average_price"]) == ("canceled", "6", "103")
    assert (kept["updated_at"], kept["state"]) == ("3000", "4")


async def test_an_order_is_filled_once_its_size_is_dealt_whatever_its_state_says(store: Redis) -> None:
    dealt = changed(PARTIAL, filled_size="10.0")
    assert await said(store, OPEN, dealt) == [1, 1]
    assert (await state(store, HASH))["status"] == "filled"


async def test_an_order_without_a_size_is_not_filled_by_nothing(store: Redis) -> None:
    assert await said(store, changed(OPEN, size="", order_type="plan")) == [1]
    assert (await state(store, HASH))["status"] == "open"


async def test_a_late_frame_of_the_open_order_does_not_hide_that_it_is_partially_filled(store: Redis) -> None:
    assert await said(store, changed(ACCEPTED, filled_size="4", average_price="101", updated_at=2_000), OPEN) == [1, 0]
    assert await column(store, KEYS.orders, "status", "filled_size", "average_price") == [
        ("partially_filled", "4", "101"),
    ]


@pytest.mark.parametrize(
    "amended",
    [
        {"price": "99"},
        {"size": "20"},
        {"leverage": "7"},
        {"client_order_id": "mine"},
        {"plan_order_id": "p"},
        {"order_type": "market"},
        {"margin_mode": "isolated"},
        {"reduce_only": "1", "side_code": "2"},
    ],
)
async def test_an_amendment_is_appended_if_it_is_newer(store: Redis, amended: dict[str, object]) -> None:
    newer = changed(OPEN, updated_at=1_001, **amended)
    assert await said(store, OPEN, newer, newer, changed(OPEN, updated_at=1_000)) == [1, 1, 0, 0]
    kept = await state(store, HASH)
    assert {name: kept[name] for name in amended} == amended


async def test_an_older_amendment_changes_nothing(store: Redis) -> None:
    assert await said(store, PARTIAL, changed(OPEN, price="99")) == [1, 0]
    assert (await state(store, HASH))["price"] == "100"


async def test_a_repeat_keeps_its_stamp_so_that_an_older_amendment_is_known_as_such(store: Redis) -> None:
    assert await said(store, OPEN, changed(OPEN, updated_at=3_000)) == [1, 0]
    assert await said(store, changed(OPEN, updated_at=2_000, price="99")) == [0]
    assert (await state(store, HASH))["price"] == "100"


ABSENT = changed(
    OPEN,
    updated_at=2_000,
    client_order_id="",
    side=Side.UNKNOWN,
    position_side="",
    reduce_only="",
    order_type="unknown",
    price="",
    size="",
    average_price="",
    leverage="",
    margin_mode="",
    position_mode="",
    plan_order_id="",
    created_at=0,
)


async def test_what_is_absent_changes_nothing(store: Redis) -> None:
    full = changed(OPEN, client_order_id="mine", plan_order_id="p")
    assert await said(store, full, ABSENT) == [1, 0]
    kept = await state(store, HASH)
    assert kept | {"updated_at": "1000"} == (await entries(store, KEYS.orders))[0]


async def test_what_was_absent_is_filled_in_even_by_older_news(store: Redis) -> None:
    full = changed(OPEN, client_order_id="mine", plan_order_id="p")
    assert await said(store, ABSENT, full) == [1, 1]
    (_, entry) = await entries(store, KEYS.orders)
    same = set(entry) - {"average_price", "updated_at"}
    assert {name: entry[name] for name in same if name != "created_at"} == {
        name: str(getattr(full, name)) if name not in ("type", "v") else {"type": "order", "v": "1"}[name]
        for name in same
        if name != "created_at"
    }
    assert (entry["created_at"], entry["updated_at"]) == ("1000", "2000")


async def test_a_newer_average_price_of_the_same_size_is_a_change(store: Redis) -> None:
    assert await said(store, PARTIAL, changed(PARTIAL, average_price="101.5", updated_at=2_001)) == [1, 1]
    assert await said(store, changed(PARTIAL, average_price="101")) == [0]
    assert (await state(store, HASH))["average_price"] == "101.5"


async def test_a_state_without_a_name_changes_no_status_and_is_passed_on_once(store: Redis) -> None:
    odd = changed(OPEN, status=Status.UNKNOWN, state="7", updated_at=2_000)
    assert await said(store, OPEN, odd, odd, changed(odd, updated_at=2_500)) == [1, 1, 0, 0]
    assert await column(store, KEYS.orders, "status", "state") == [("open", "2"), ("open", "7")]


async def test_a_name_takes_the_place_of_a_state_without_one(store: Redis) -> None:
    odd = changed(OPEN, status=Status.UNKNOWN, state="7", updated_at=500)
    assert await said(store, odd, changed(odd, state="8", updated_at=600), OPEN, FILLED) == [1, 1, 1, 1]
    assert await column(store, KEYS.orders, "status", "state") == [
        ("unknown", "7"),
        ("unknown", "8"),
        ("open", "2"),
        ("filled", "4"),
    ]


async def test_an_older_state_without_a_name_is_nothing(store: Redis) -> None:
    assert await said(store, OPEN, changed(OPEN, status=Status.UNKNOWN, state="7", updated_at=1)) == [1, 0]


async def test_orders_know_nothing_of_each_other(store: Redis) -> None:
    assert await said(store, FILLED, changed(OPEN, order_id="2")) == [1, 1]
    assert await members(store, KEYS.open_orders) == {"2"}


async def test_the_cap_trims_the_stream_and_not_the_state(store: Redis) -> None:
    appends = Appends(KEYS, load({"CAP_ORDERS": "100"}, dotenv=None))
    for number in range(1, 251):
        await run(store, appends.of(changed(OPEN, price=str(number), updated_at=number)))
    assert 100 <= await store.xlen(KEYS.orders) < 250
    assert (await state(store, HASH))["price"] == "250"


@st.composite
def lives(draw: st.DrawFn) -> list[Order]:
    """Draw the frames of one order's life as BitMart would push them: state, sizes, amendments, an end or none."""
    frames: list[Order] = []
    size, filled, price, at = 10, 0, 100, 1_000

    def push(code: int, event: OrderEvent) -> None:
        nonlocal at
        at += draw(st.integers(1, 50))
        known = draw(st.booleans())
        frames.append(
            changed(
                OPEN,
                event=event,
                status=status_of(code, str(size), str(filled)),
                state=str(code),
                size=str(size),
                price=str(price),
                filled_size=str(filled),
                average_price=str(1_000 + filled) if filled else "0",
                client_order_id="mine" if known else "",
                position_mode=PositionMode.HEDGE if known else PositionMode.ABSENT,
                created_at=900 if known else 0,
                updated_at=at,
            )
        )

    if draw(st.booleans()):
        push(1, OrderEvent.SUBMITTED)
    for step in draw(st.lists(st.sampled_from(["open", "price", "size", "trade", "trade"]), max_size=6)):
        if step == "price":
            price += 1
        elif step == "size":
            size += 5
        elif step == "trade" and filled + 2 < size:
            filled += 2
        push(2, OrderEvent.TRADE if step == "trade" else OrderEvent.SUBMITTED)
    match draw(st.sampled_from(["open", "canceled", "filled", "filled early"])):
        case "open":
            push(2, OrderEvent.SUBMITTED)
        case "canceled":
            push(4, OrderEvent.CANCELED)
        case end:
            filled = size
            if end == "filled early":
                push(2, OrderEvent.TRADE)
            push(4, OrderEvent.TRADE)
    return frames


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[Order], list[Order]]:
    """Draw a life, and the order in which its frames arrive, some of them more than once."""
    life = draw(lives())
    return life, draw(st.permutations(life + draw(st.lists(st.sampled_from(life), max_size=4))))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(drawn=arrivals())
def test_a_life_ends_the_same_in_whatever_order_its_frames_arrive_and_never_goes_back(
    valkey_url: str, drawn: tuple[list[Order], list[Order]]
) -> None:
    life, arriving = drawn
    with Synchronous.from_url(valkey_url, decode_responses=True) as client:
        client.flushall()
        client.script_load(scripts.ORDER.text)
        for frame in arriving:
            client.execute_command(*APPENDS.of(frame).command)
        kept = cast("dict[str, str]", client.hgetall(HASH))
        open_orders = client.smembers(KEYS.open_orders)
        stream = [cast("dict[str, str]", entry) for _, entry in client.xrange(KEYS.orders)]

    last, known = life[-1], any(frame.client_order_id for frame in life)
    dealt = max(int(frame.filled_size) for frame in life)
    assert {name: kept[name] for name in ("status", "state", "size", "price", "updated_at")} == {
        "status": last.status,
        "state": last.state,
        "size": last.size,
        "price": last.price,
        "updated_at": str(last.updated_at),
    }
    assert (kept["filled_size"], kept["average_price"]) == (str(dealt), str(1_000 + dealt) if dealt else "0")
    assert (kept["client_order_id"], kept["position_mode"]) == (("mine", "hedge") if known else ("", ""))
    assert kept["created_at"] == ("900" if known else "")
    assert open_orders == (set() if RANK[last.status] == 3 else {"1"})

    told = [{name: value for name, value in entry.items() if name not in EXPLAINING} for entry in stream]
    for before, after in pairwise(told):
        assert RANK[before["status"]] <= RANK[after["status"]]
        assert int(before["filled_size"]) <= int(after["filled_size"])
        assert int(before["updated_at"]) <= int(after["updated_at"])
        changes = {name for name in before if before[name] != after[name]} - {"updated_at", "created_at", "state"}
        assert changes
    final = {name: told[-1][name] for name in ("status", "filled_size", "average_price", "size", "price")}
    assert final.items() <= kept.items()
