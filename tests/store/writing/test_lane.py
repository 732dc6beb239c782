"""One call for a whole batch, against a real server: an answer each, faults of one, conditions of all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import NoScriptError, ResponseError

from bridge.records import Record
from bridge.store.client import dialled
from bridge.store.writing.appends import Append
from bridge.store.writing.lane import Lane
from bridge.values import Secret
from tests.store.support import APPENDS, FILL, KEYS, KLINE, MINUTE_MS, ORDER, POSITION, changed, column, entries, said

if TYPE_CHECKING:
    from redis.asyncio import Redis

STREAM = KEYS.klines("BTCUSDT", "1m")


@pytest.fixture
async def lane(valkey_url: str) -> AsyncIterator[Lane]:
    made = Lane(dialled(Secret(valkey_url)).connection, timeout_s=10)
    yield made
    await made.close()


def fill(number: int) -> Append:
    return APPENDS.of(changed(FILL, trade_id=str(number)))


async def test_a_batch_does_what_its_appends_do_one_by_one(lane: Lane, store: Redis) -> None:
    records: list[Record] = [
        KLINE,
        changed(KLINE, volume="99"),
        changed(KLINE, volume="101"),
        ORDER,
        ORDER,
        FILL,
        POSITION,
        changed(FILL, trade_id="8"),
        changed(KLINE, symbol="ETHUSDT"),
        changed(KLINE, closed=1, volume="101"),
    ]
    answers = await lane.send([APPENDS.of(record) for record in records])
    streams = [STREAM, KEYS.klines("ETHUSDT", "1m"), KEYS.orders, KEYS.fills, KEYS.positions]
    together = [await entries(store, stream) for stream in streams]
    await store.flushall()
    assert answers == await said(store, *records) == [1, 0, 1, 1, 0, 1, 1, 1, 1, 1]
    assert together == [await entries(store, stream) for stream in streams]


async def test_closed_candles_answer_each_for_itself(lane: Lane) -> None:
    def closed(number: int, how: str) -> Append:
        kline = changed(KLINE, closed=1, open_time=KLINE.open_time + number * MINUTE_MS)
        return APPENDS.closed(kline, how, MINUTE_MS, lambda _: None)

    batch = [closed(0, "start"), closed(1, "next"), closed(1, "next"), closed(3, "next"), closed(4, "jump")]
    assert await lane.send(batch) == [1, 1, 0, -1, 1]


async def test_a_fault_of_one_append_is_its_own(lane: Lane, store: Redis) -> None:
    await store.set(KEYS.newest_kline("BTCUSDT", "1m"), "no state")
    await store.set(KEYS.klines("ETHUSDT", "1m"), "no stream")
    spoilt = [APPENDS.of(KLINE), APPENDS.of(changed(KLINE, symbol="ETHUSDT"))]
    first, raised, refused, last = await lane.send([fill(1), *spoilt, fill(2)])
    assert (first, last) == (1, 1)
    assert isinstance(raised, ResponseError)
    assert "attempt to" in str(raised)
    assert isinstance(refused, ResponseError)
    assert str(refused).startswith("WRONGTYPE")
    assert await column(store, KEYS.fills, "trade_id") == [("1",), ("2",)]


async def test_a_condition_of_the_server_is_the_answer_of_all_that_follow(lane: Lane, store: Redis) -> None:
    # Taking a member out of a set needs no memory: a server that is full does it, and from then on all of that script.
    flat = changed(POSITION, size="0", source="rest")
    assert await lane.send([APPENDS.of(POSITION), APPENDS.of(flat)]) == [1, 1]
    await store.config_set("maxmemory", 1)
    try:
        answers = await lane.send([fill(1), APPENDS.of(flat), fill(2)])
    finally:
        await store.config_set("maxmemory", "512mb")
    assert ["used memory" in str(answer) for answer in answers] == [True] * 3
    assert await store.xlen(KEYS.fills) == 0


async def test_a_server_that_forgot_the_scripts_is_dialled_anew(lane: Lane, store: Redis) -> None:
    assert await lane.send([fill(1)]) == [1]
    await store.script_flush()
    (answer,) = await lane.send([fill(2)])
    assert isinstance(answer, ResponseError)
    assert (await lane.send([fill(2)]), lane.dialled) == ([1], 2)


async def test_a_batch_can_be_posted_once_the_way_is_ready_and_not_after_the_scripts_were_forgotten(
    lane: Lane, store: Redis
) -> None:
    before = lane.ready
    with pytest.raises(TypeError, match="not ready"):
        lane.post([fill(1)], lambda _batch, _outcome: None)
    assert await lane.send([fill(1)]) == [1]
    outcomes: asyncio.Queue[object] = asyncio.Queue()
    assert (before, lane.ready) == (False, True)
    lane.post([fill(2), fill(1)], lambda _batch, outcome: outcomes.put_nowait(outcome))
    assert await outcomes.get() == [1, 0]
    await store.script_flush()
    lane.post([fill(3)], lambda _batch, outcome: outcomes.put_nowait(outcome))
    outcome = await outcomes.get()
    assert isinstance(outcome, list)
    assert (type(outcome[0]), lane.ready) == (NoScriptError, False)
    assert (await lane.send([fill(3)]), lane.dialled, lane.ready) == ([1], 2, True)


async def test_prices_and_names_of_any_script_arrive_as_they_are(lane: Lane, store: Redis) -> None:
    odd = changed(KLINE, symbol="ЖUSDT", open="1e-7", close="00012.50")
    assert await lane.send([APPENDS.of(odd)]) == [1]
    assert await column(store, KEYS.klines("ЖUSDT", "1m"), "symbol", "open", "close") == [("ЖUSDT", "1e-7", "00012.50")]
