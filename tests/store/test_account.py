"""What the store knows of the account: what is open, how far it was read, and what is older than we publish."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.records import PositionMode, PositionSide, Resync, Status
from bridge.store.account import Account, Known
from bridge.store.keys import Keys
from tests.store.support import APPENDS, FILL, KEYS, ORDER, POSITION, changed, run, said, state

if TYPE_CHECKING:
    from redis.asyncio import Redis

FLOOR, NOW = 1_000_000, 2_000_000


async def test_an_empty_store_knows_of_nothing_but_its_floor(store: Redis) -> None:
    assert await Account(store, KEYS).known(FLOOR) == Known({}, frozenset(), synced_at=0, floor=FLOOR)


async def test_the_floor_is_kept_from_the_first_look_on(store: Redis) -> None:
    account = Account(store, KEYS)
    await account.known(FLOOR)
    assert (await account.known(FLOOR + 5)).floor == FLOOR
    assert (await Account(store, KEYS).known(FLOOR - 5)).floor == FLOOR
    assert await state(store, KEYS.synced) == {"floor": str(FLOOR)}


async def test_what_is_open_is_known_with_its_symbol(store: Redis) -> None:
    await said(
        store,
        ORDER,
        changed(ORDER, order_id="2", symbol="ETHUSDT"),
        changed(ORDER, order_id="3", status=Status.CANCELED),
        POSITION,
        changed(POSITION, symbol="XRPUSDT", side=PositionSide.SHORT),
        changed(POSITION, symbol="SOLUSDT", position_mode=PositionMode.ONE_WAY),
        changed(POSITION, symbol="ADAUSDT"),
        changed(POSITION, symbol="ADAUSDT", size="0", updated_at=2_000),
    )
    known = await Account(store, KEYS).known(FLOOR)
    assert known.orders == {"1": "BTCUSDT", "2": "ETHUSDT"}
    assert known.positions == {"BTCUSDT:long", "XRPUSDT:short", "SOLUSDT:both"}
    assert known.symbols == {"BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"}


async def test_a_complete_reading_is_kept(store: Redis) -> None:
    account = Account(store, KEYS)
    await account.known(FLOOR)
    await account.synced(NOW, FLOOR + 1)
    known = await account.known(NOW)
    assert (known.synced_at, known.floor) == (NOW, FLOOR + 1)


async def test_a_reading_that_began_in_a_store_since_emptied_is_not_kept(store: Redis) -> None:
    account = Account(store, KEYS)
    assert await account.synced(NOW, FLOOR)
    assert await account.synced(NOW + 5, FLOOR, NOW)
    await store.flushall()
    assert not await account.synced(NOW + 9, FLOOR, NOW + 5)
    assert await state(store, KEYS.synced) == {}


async def test_a_script_that_the_server_forgot_is_sent_again(store: Redis) -> None:
    account = Account(store, KEYS)
    await store.script_flush()
    for _ in range(2):
        assert await account.synced(NOW, FLOOR)


async def test_symbols_of_finished_orders_and_the_time_of_the_newest_fill_are_known(store: Redis) -> None:
    await said(
        store,
        changed(ORDER, symbol="ETHUSDT", status=Status.CANCELED),
        changed(FILL, trade_id="9", traded_at=3_000),
        changed(FILL, traded_at=2_000),
    )
    (marker, *_) = APPENDS.markers(Resync("main", "login", "bridge", 1), orders=True, positions=False)
    await run(store, marker)
    known = await Account(store, KEYS).known(FLOOR)
    assert (known.orders, known.symbols, known.filled_at) == ({}, {"ETHUSDT"}, 3_000)


async def test_an_order_whose_state_is_gone_is_not_asked_for(store: Redis) -> None:
    await said(store, ORDER, changed(ORDER, order_id="2"))
    await store.delete(KEYS.order("2"))
    assert (await Account(store, KEYS).known(FLOOR)).orders == {"1": "BTCUSDT"}


async def test_each_account_has_a_floor_of_its_own(store: Redis) -> None:
    await Account(store, KEYS).known(FLOOR)
    assert (await Account(store, Keys(account="other")).known(FLOOR + 5)).floor == FLOOR + 5


async def test_a_lost_floor_is_lowered_again_and_what_was_read_above_it_does_not_count(
    store: Redis,
) -> None:
    account = Account(store, KEYS)
    await account.known(FLOOR)
    await account.synced(NOW, FLOOR)
    assert not await account.lower(FLOOR + 5)
    assert (await account.known(0)).synced_at == NOW
    assert await account.lower(FLOOR - 5)
    known = await account.known(0)
    assert (known.floor, known.synced_at) == (FLOOR - 5, 0)


async def test_a_reading_from_above_a_floor_that_was_lowered_meanwhile_is_not_kept(store: Redis) -> None:
    account = Account(store, KEYS)
    fresh = await account.known(FLOOR)
    await account.lower(FLOOR - 5)
    assert not await account.synced(NOW, FLOOR, fresh.synced_at, fresh.floor)
    assert (await account.known(0)).floor == FLOOR - 5
    assert await account.synced(NOW, FLOOR, 0, FLOOR - 5)


async def test_a_store_without_a_floor_gets_the_lost_one(store: Redis) -> None:
    assert await Account(store, KEYS).lower(FLOOR)
    assert await Account(store, KEYS).floor() == FLOOR
