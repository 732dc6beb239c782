"""The live candle's script on a real server: nothing twice, nothing backwards, `closed=1` is final."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.records import field_names, fields_of
from bridge.settings import load
from bridge.store.writing.appends import Appends
from tests.store.support import KEYS, KLINE, MINUTE_MS, OPEN_TIME, changed, column, entries, run, said

if TYPE_CHECKING:
    from redis.asyncio import Redis

STREAM, NEWEST = KEYS.klines("BTCUSDT", "1m"), KEYS.newest_kline("BTCUSDT", "1m")
CLOSED = changed(KLINE, closed=1)
NEXT = changed(KLINE, open_time=OPEN_TIME + MINUTE_MS, close_time=KLINE.close_time + MINUTE_MS, volume="1")


async def test_the_first_state_is_appended_with_all_its_fields_in_order(store: Redis) -> None:
    assert await said(store, KLINE) == [1]
    (entry,) = await entries(store, STREAM)
    assert tuple(entry) == field_names(type(KLINE))
    assert (entry["open"], entry["high"], entry["low"], entry["close"], entry["volume"]) == (
        "10",
        "12",
        "9",
        "11",
        "100",
    )
    assert entry == dict(zip(fields_of(KLINE)[::2], fields_of(KLINE)[1::2], strict=True))
    assert await store.get(NEWEST) == f"{OPEN_TIME} 0 100 12 9 11"


@pytest.mark.parametrize(
    ("change", "appended"),
    [
        ({}, 0),
        ({"received_at": 2, "source": "rest", "open": "10.5"}, 0),
        ({"volume": "100.0", "high": "12.00"}, 0),
        ({"volume": "101"}, 1),
        ({"volume": "101", "high": "11.5", "close": "11.5"}, 1),
        ({"volume": "99"}, 0),
        ({"volume": "99", "high": "13"}, 0),
        ({"volume": "9"}, 0),
        ({"close": "11.5"}, 1),
        ({"high": "12.5"}, 1),
        ({"low": "8.5"}, 1),
        ({"high": "11.9"}, 0),
        ({"low": "9.1"}, 0),
        ({"high": "12.5", "low": "9.1"}, 0),
        ({"high": "11.9", "close": "11.5"}, 0),
        ({"closed": 1}, 1),
        ({"closed": 1, "volume": "101"}, 1),
        ({"closed": 1, "volume": "99"}, 0),
        ({"open_time": OPEN_TIME + MINUTE_MS, "volume": "0"}, 1),
        ({"open_time": OPEN_TIME + 9 * MINUTE_MS, "volume": "0"}, 1),
        ({"open_time": OPEN_TIME - MINUTE_MS, "volume": "999"}, 0),
        ({"open_time": OPEN_TIME - MINUTE_MS, "volume": "999", "closed": 1}, 0),
    ],
)
async def test_a_second_state_is_appended_only_if_it_is_newer(
    store: Redis, change: dict[str, object], appended: int
) -> None:
    second = changed(KLINE, **change)
    assert await said(store, KLINE, second) == [1, appended]
    assert len(await entries(store, STREAM)) == 1 + appended
    newest = second if appended else KLINE
    assert str(await store.get(NEWEST)).split()[2] == newest.volume
    assert await said(store, second) == [0]


@pytest.mark.parametrize(
    "late",
    [KLINE, CLOSED, changed(KLINE, volume="999", high="99"), changed(CLOSED, volume="999"), changed(CLOSED, close="9")],
)
async def test_nothing_follows_the_last_word_on_a_period(store: Redis, late: object) -> None:
    assert isinstance(late, type(KLINE))
    assert await said(store, CLOSED, late) == [1, 0]
    assert await said(store, NEXT, late) == [1, 0]
    assert await column(store, STREAM, "closed", "volume") == [("1", "100"), ("0", "1")]


async def test_a_whole_minute_and_the_next_twice_over_leave_each_state_once(store: Redis) -> None:
    life = [changed(KLINE, volume="1"), KLINE, CLOSED, NEXT, changed(NEXT, volume="2")]
    assert await said(store, *life) == [1] * 5
    assert await said(store, *life) == [0] * 5
    assert await column(store, STREAM, "open_time", "volume", "closed") == [
        (str(OPEN_TIME), "1", "0"),
        (str(OPEN_TIME), "100", "0"),
        (str(OPEN_TIME), "100", "1"),
        (str(OPEN_TIME + MINUTE_MS), "1", "0"),
        (str(OPEN_TIME + MINUTE_MS), "2", "0"),
    ]


async def test_two_interleaved_ingesters_never_lead_backwards(store: Redis) -> None:
    one = [changed(KLINE, volume=str(n)) for n in (1, 3, 5, 7)]
    two = [changed(KLINE, volume=str(n)) for n in (2, 3, 4, 8)]
    assert await said(store, *(kline for pair in zip(one, two, strict=True) for kline in pair)) == [
        1,
        1,
        1,
        0,
        1,
        0,
        1,
        1,
    ]
    assert await column(store, STREAM, "volume") == [("1",), ("2",), ("3",), ("5",), ("7",), ("8",)]


async def test_symbols_and_timeframes_know_nothing_of_each_other(store: Redis) -> None:
    others = [changed(KLINE, symbol="ETHUSDT"), changed(KLINE, timeframe="5m")]
    assert await said(store, KLINE, *others) == [1, 1, 1]
    assert [await store.xlen(KEYS.klines(*series)) for series in (("ETHUSDT", "1m"), ("BTCUSDT", "5m"))] == [1, 1]


async def test_the_cap_trims_the_stream_and_not_the_memory_of_the_last(store: Redis) -> None:
    appends = Appends(KEYS, load({"CAP_KLINES": "10"}, dotenv=None))
    await store.config_set("stream-node-max-entries", 5)
    try:
        for volume in range(100):
            assert await run(store, appends.of(changed(KLINE, volume=str(volume)))) == 1
    finally:
        await store.config_set("stream-node-max-entries", 100)
    assert 10 <= await store.xlen(STREAM) < 10 + 5
    assert (await column(store, STREAM, "volume"))[-1] == ("99",)
    assert await run(store, appends.of(changed(KLINE, volume="99"))) == 0
