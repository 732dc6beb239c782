"""The positions' script on a real server: changes only, never an older one, flat only when said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.records import Position, PositionMode, PositionSide, field_names
from bridge.settings import load
from bridge.store.writing.appends import Appends
from tests.store.support import KEYS, POSITION, changed, column, entries, members, run, said, state

if TYPE_CHECKING:
    from redis.asyncio import Redis

HASH = KEYS.position("BTCUSDT", "long")
LATER = changed(POSITION, updated_at=2_000)
FLAT = changed(LATER, size="0")


async def test_a_position_is_appended_and_kept_with_all_its_fields_in_order(store: Redis) -> None:
    assert await said(store, POSITION) == [1]
    (entry,) = await entries(store, KEYS.positions)
    assert tuple(entry) == field_names(Position)
    assert await state(store, HASH) == entry
    assert await members(store, KEYS.open_positions) == {"BTCUSDT:long"}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"updated_at": 2_000},
        {"received_at": 9},
        {"liquidation_price": "21", "updated_at": 2_000},
    ],
)
async def test_a_repeat_refreshes_the_state_and_not_the_stream(store: Redis, change: dict[str, object]) -> None:
    repeat = changed(POSITION, **change)
    assert await said(store, POSITION, repeat) == [1, 0]
    kept = await state(store, HASH)
    assert {name: kept[name] for name in change} == {name: str(value) for name, value in change.items()}
    assert len(await entries(store, KEYS.positions)) == 1


async def test_rest_decides_by_size_side_and_mode_alone_and_has_no_stamp(store: Redis) -> None:
    rest = changed(POSITION, source="rest", updated_at=0, frozen_size="", average_price="100.000", closed_size="7")
    assert await said(store, POSITION, rest) == [1, 0]
    assert (await state(store, HASH))["source"] == "ws"
    assert await said(store, changed(rest, size="3")) == [1]
    kept = await state(store, HASH)
    assert (kept["size"], kept["frozen_size"]) == ("3", POSITION.frozen_size)
    assert kept["updated_at"] == str(POSITION.updated_at)


@pytest.mark.parametrize(
    "change",
    [
        {"size": "5"},
        {"average_price": "101"},
        {"frozen_size": "1"},
        {"closed_size": "1"},
        {"open_average_price": "101"},
        {"close_average_price": "101"},
        {"margin_mode": "isolated"},
        {"created_at": 1_500},
        {"liquidation_price": "21", "size": "5"},
    ],
)
async def test_a_change_is_appended_once(store: Redis, change: dict[str, object]) -> None:
    second = changed(LATER, **change)
    assert await said(store, POSITION, second, second) == [1, 1, 0]
    assert (await column(store, KEYS.positions, *change))[1] == tuple(str(value) for value in change.values())


async def test_a_change_within_the_same_millisecond_counts(store: Redis) -> None:
    assert await said(store, POSITION, changed(POSITION, size="5")) == [1, 1]


async def test_what_is_older_changes_neither_stream_nor_state(store: Redis) -> None:
    old = changed(POSITION, size="9", updated_at=1_999, liquidation_price="1")
    assert await said(store, LATER, old) == [1, 0]
    assert (await state(store, HASH))["size"] == "4"
    assert (await state(store, HASH))["liquidation_price"] == "20"


async def test_an_old_zero_does_not_close_what_is_newer(store: Redis) -> None:
    assert await said(store, LATER, changed(FLAT, updated_at=1_999)) == [1, 0]
    assert await members(store, KEYS.open_positions) == {"BTCUSDT:long"}


async def test_a_repeat_keeps_its_stamp_so_that_older_changes_are_known_as_such(store: Redis) -> None:
    assert await said(store, POSITION, changed(POSITION, updated_at=3_000)) == [1, 0]
    assert await said(store, changed(POSITION, size="9", updated_at=2_000)) == [0]


@pytest.mark.parametrize("zero", ["0", "0.00"])
async def test_a_zero_closes_a_position_once(store: Redis, zero: str) -> None:
    flat = changed(FLAT, size=zero)
    assert await said(store, POSITION, flat, changed(flat, updated_at=3_000)) == [1, 1, 0]
    assert await column(store, KEYS.positions, "size") == [("4",), (zero,)]
    assert await members(store, KEYS.open_positions) == set()
    assert (await state(store, HASH))["size"] == zero


async def test_a_zero_of_a_position_never_known_is_nothing(store: Redis) -> None:
    assert await said(store, FLAT) == [0]
    assert await store.keys("*positions*") == []


async def test_a_position_may_open_again(store: Redis) -> None:
    again = changed(POSITION, size="2", updated_at=3_000)
    assert await said(store, POSITION, FLAT, again) == [1, 1, 1]
    assert await column(store, KEYS.positions, "size") == [("4",), ("0",), ("2",)]
    assert await members(store, KEYS.open_positions) == {"BTCUSDT:long"}


async def test_long_and_short_are_two_positions_and_one_way_mode_has_one(store: Redis) -> None:
    short = changed(POSITION, side=PositionSide.SHORT)
    one_way = changed(POSITION, symbol="ETHUSDT", position_mode=PositionMode.ONE_WAY)
    turned = changed(one_way, side=PositionSide.SHORT, updated_at=2_000)
    assert await said(store, POSITION, short, one_way, turned) == [1, 1, 1, 1]
    assert await members(store, KEYS.open_positions) == {"BTCUSDT:long", "BTCUSDT:short", "ETHUSDT:both"}
    assert (await state(store, KEYS.position("ETHUSDT", "both")))["side"] == "short"


async def test_two_interleaved_ingesters_leave_each_change_once_and_in_order(store: Redis) -> None:
    one = [changed(POSITION, size=str(size), updated_at=1_000 + size) for size in (1, 2, 3)]
    assert await said(store, one[0], one[0], one[1], one[2], one[1], one[2]) == [1, 0, 1, 1, 0, 0]
    assert await column(store, KEYS.positions, "size") == [("1",), ("2",), ("3",)]


async def test_the_cap_trims_the_stream_and_not_the_state(store: Redis) -> None:
    appends = Appends(KEYS, load({"CAP_POSITIONS": "100"}, dotenv=None))
    for size in range(1, 251):
        await run(store, appends.of(changed(POSITION, size=str(size), updated_at=size)))
    assert 100 <= await store.xlen(KEYS.positions) < 250
    assert (await state(store, HASH))["size"] == "250"


# Modes.

UNNAMED = changed(POSITION, position_mode=PositionMode.UNKNOWN)
ONE_WAY = changed(POSITION, position_mode=PositionMode.ONE_WAY)
SHORT = changed(POSITION, side=PositionSide.SHORT)
MEMBERS = ("side", "position_mode", "size")


async def test_a_frame_without_a_mode_belongs_to_the_slot_of_the_accounts_mode(store: Redis) -> None:
    one_way = changed(ONE_WAY, source="rest", updated_at=0)
    assert await said(store, one_way, changed(UNNAMED, updated_at=2_000)) == [1, 0]
    assert await said(store, changed(UNNAMED, size="9", updated_at=3_000)) == [1]
    assert await column(store, KEYS.positions, *MEMBERS) == [("long", "one_way", "4"), ("long", "one_way", "9")]
    assert await members(store, KEYS.open_positions) == {"BTCUSDT:both"}
    assert not await store.exists(HASH)


async def test_a_mode_learned_of_one_symbol_holds_for_frames_of_another(store: Redis) -> None:
    other = changed(UNNAMED, symbol="ETHUSDT")
    assert await said(store, changed(ONE_WAY, size="0"), other) == [0, 1]
    assert await members(store, KEYS.open_positions) == {"ETHUSDT:both"}


async def test_frames_without_a_mode_are_no_news_beside_those_of_rest_that_have_one(store: Redis) -> None:
    rest = changed(POSITION, source="rest", updated_at=0)
    repeats = [changed(UNNAMED, updated_at=at) for at in (2_000, 3_000)]
    assert await said(store, rest, repeats[0], rest, repeats[1], rest) == [1, 0, 0, 0, 0]


@pytest.mark.parametrize("size", ["0", "7"])
@pytest.mark.parametrize("source", ["ws", "rest"])
async def test_a_switch_to_one_way_mode_closes_what_hedge_mode_left_open(store: Redis, size: str, source: str) -> None:
    switched = changed(ONE_WAY, size=size, source=source, updated_at=2_000 if source == "ws" else 0)
    assert await said(store, POSITION, SHORT, switched, switched) == [1, 1, 1, 0]
    told = await column(store, KEYS.positions, *MEMBERS)
    assert told[2:4] == [("long", "hedge", "0"), ("short", "hedge", "0")]
    assert told[4:] == ([("long", "one_way", "7")] if size == "7" else [])
    assert await members(store, KEYS.open_positions) == ({"BTCUSDT:both"} if size == "7" else set())
    assert (await state(store, HASH))["size"] == "0"


async def test_a_switch_to_hedge_mode_closes_what_one_way_mode_left_open(store: Redis) -> None:
    assert await said(store, ONE_WAY, changed(SHORT, updated_at=2_000)) == [1, 1]
    assert await column(store, KEYS.positions, *MEMBERS) == [
        ("long", "one_way", "4"),
        ("long", "one_way", "0"),
        ("short", "hedge", "4"),
    ]
    assert await members(store, KEYS.open_positions) == {"BTCUSDT:short"}


async def test_a_late_frame_of_the_old_mode_closes_nothing(store: Redis) -> None:
    await said(store, changed(ONE_WAY, updated_at=2_000), changed(POSITION, size="0", updated_at=1_500))
    assert await members(store, KEYS.open_positions) == {"BTCUSDT:both"}
    assert (await state(store, KEYS.synced))["mode"] == "one_way"


# First known by REST.

BY_REST = changed(POSITION, source="rest", updated_at=0, frozen_size="", average_price="100.000", closed_size="7")


async def test_the_first_frame_of_a_position_known_by_rest_is_no_news(store: Redis) -> None:
    assert await said(store, BY_REST, POSITION, changed(POSITION, updated_at=2_000)) == [1, 0, 0]
    assert await state(store, HASH) == (await state(store, HASH)) | {"source": "ws", "updated_at": "2000"}
    assert await said(store, changed(POSITION, updated_at=3_000, frozen_size="1")) == [1]


@pytest.mark.parametrize("change", [{"size": "5"}, {"average_price": "101"}, {"margin_mode": "isolated"}])
async def test_a_first_frame_that_says_something_else_than_rest_is_news(store: Redis, change: dict[str, str]) -> None:
    assert await said(store, BY_REST, changed(POSITION, **change)) == [1, 1]
