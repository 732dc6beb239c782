"""The closed candle's script on a real server: exactly the next one, in order, each once, under its own id."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from bridge.records import Kline, Source, field_names, fields_of
from bridge.settings import load
from bridge.store import client, scripts
from bridge.store.writing.appends import Appends
from bridge.timeframes import Timeframe
from bridge.values import Secret
from tests.store.support import APPENDS, KEYS, KLINE, MINUTE_MS, OPEN_TIME, changed, entries, run

if TYPE_CHECKING:
    from redis.asyncio import Redis

STREAM = KEYS.closed_klines("BTCUSDT", "1m")
TIGHT = Appends(KEYS, load({"CAP_CLOSED_1M": "10", "CAP_CLOSED": "20"}, dotenv=None))


def closed(number: int, **changes: str) -> Kline:
    """The candle so many minutes after the first."""
    open_time = OPEN_TIME + number * MINUTE_MS
    return changed(
        KLINE, open_time=open_time, close_time=open_time + MINUTE_MS - 1, closed=1, source=Source.REST.value, **changes
    )


async def bring(store: Redis, number: int, how: str = "next", appends: Appends = APPENDS, **changes: str) -> int:
    """Append one; return the script's answer."""
    return int(await run(store, appends.closed(closed(number, **changes), how, MINUTE_MS, lambda _: None)))


async def ids(store: Redis) -> list[str]:
    return [entry_id for entry_id, _ in cast("list[tuple[str, dict[str, str]]]", await store.xrange(STREAM))]


def names(*numbers: int) -> list[str]:
    return [f"{OPEN_TIME + number * MINUTE_MS}-0" for number in numbers]


async def test_an_empty_stream_is_begun_on_purpose_only(store: Redis) -> None:
    assert await bring(store, 0) == -1
    assert await store.exists(STREAM) == 0
    assert await bring(store, 0, "start") == 1
    assert await ids(store) == names(0)


async def test_an_emptied_stream_is_begun_by_a_jump_too(store: Redis) -> None:
    assert await bring(store, 5, "jump") == 1
    assert await ids(store) == names(5)


async def test_an_entry_holds_all_fields_in_order_under_the_candles_open(store: Redis) -> None:
    await bring(store, 0, "start")
    ((entry_id, fields),) = cast("list[tuple[str, dict[str, str]]]", await store.xrange(STREAM))
    assert entry_id == f"{OPEN_TIME}-0"
    assert tuple(fields) == field_names(Kline)
    assert [each for pair in fields.items() for each in pair] == fields_of(closed(0))


def test_the_scripts_arguments_stand_where_it_looks_for_them() -> None:
    append = APPENDS.closed(closed(0), "start", MINUTE_MS, lambda _: None)
    name, sha, count, key, *arguments = append.command
    assert (name, sha, count, key) == ("EVALSHA", scripts.CLOSED.sha, 1, STREAM)
    assert arguments[:3] == [1_440, "start", MINUTE_MS]
    assert tuple(arguments[3::2]) == field_names(Kline)
    # Lua counts from 1: its ARGV[4 + 9] is the value of the fifth name.
    assert arguments[4 + 9 - 2 : 4 + 9] == ["open_time", str(OPEN_TIME)]
    assert (append.stream, append.slot, append.final) == (STREAM, None, False)


async def test_exactly_the_next_one_is_appended(store: Redis) -> None:
    await bring(store, 0, "start")
    assert [await bring(store, number) for number in (1, 2, 3)] == [1, 1, 1]
    assert await ids(store) == names(0, 1, 2, 3)


@pytest.mark.parametrize("how", ["next", "start", "jump"])
async def test_what_is_there_already_or_older_is_refused_however_it_comes(store: Redis, how: str) -> None:
    await bring(store, 5, "start")
    assert [await bring(store, number, how, volume="999") for number in (5, 4, 0)] == [0, 0, 0]
    assert [entry["volume"] for entry in await entries(store, STREAM)] == ["100"]


async def test_one_that_leaves_a_hole_is_refused_unless_it_jumps_on_purpose(store: Redis) -> None:
    await bring(store, 0, "start")
    assert [await bring(store, 2), await bring(store, 2, "start")] == [-1, -1]
    assert await ids(store) == names(0)
    assert await bring(store, 7, "jump") == 1
    assert await bring(store, 8) == 1
    assert await ids(store) == names(0, 7, 8)


async def test_one_that_lies_between_two_periods_is_refused(store: Redis) -> None:
    await bring(store, 0, "start")
    odd = changed(closed(1), open_time=OPEN_TIME + MINUTE_MS + 1)
    assert await run(store, APPENDS.closed(odd, "next", MINUTE_MS, lambda _: None)) == -1


@pytest.mark.parametrize("how", ["start", "jump"])
async def test_the_next_one_is_next_whatever_it_is_called(store: Redis, how: str) -> None:
    await bring(store, 0, "start")
    assert await bring(store, 1, how) == 1


@pytest.mark.parametrize("timeframe", list(Timeframe))
async def test_candles_of_every_length_follow_one_another(store: Redis, timeframe: Timeframe) -> None:
    stream, length = KEYS.closed_klines("BTCUSDT", timeframe.value), timeframe.milliseconds
    told = []
    for number, how in ((0, "start"), (1, "next"), (2, "next"), (4, "next")):
        kline = changed(closed(0), timeframe=timeframe.value, open_time=OPEN_TIME + number * length)
        told.append(await run(store, APPENDS.closed(kline, how, length, lambda _: None)))
    assert told == [1, 1, 1, -1]
    assert await store.xlen(stream) == 3


async def test_trimming_keeps_the_newest_and_the_order_goes_on(store: Redis) -> None:
    await bring(store, 0, "start", TIGHT)
    for number in range(1, 400):
        assert await bring(store, number, appends=TIGHT) == 1
    kept = await ids(store)
    assert 10 <= len(kept) < 300
    assert kept == names(*range(400 - len(kept), 400))
    assert [await bring(store, number, appends=TIGHT) for number in (399, 0, 401, 400)] == [0, 0, -1, 1]


def test_a_minutes_stream_has_a_cap_of_its_own() -> None:
    minute = TIGHT.closed(closed(0), "next", MINUTE_MS, lambda _: None)
    hour = TIGHT.closed(changed(closed(0), timeframe="1h"), "next", 60 * MINUTE_MS, lambda _: None)
    assert (minute.command[4], hour.command[4]) == (10, 20)


async def test_two_writers_that_race_leave_each_candle_once_and_none_out(store: Redis, valkey_url: str) -> None:
    other = client.commands(Secret(valkey_url))
    try:
        await bring(store, 0, "start")

        async def write(through: Redis, numbers: range, volume: str) -> list[int]:
            return [await bring(through, number, volume=volume) for number in numbers]

        mine, theirs = await asyncio.gather(write(store, range(1, 60), "1"), write(other, range(1, 60), "2"))
        assert {*mine, *theirs} == {0, 1}
        assert [one + two for one, two in zip(mine, theirs, strict=True)] == [1] * 59
        assert await ids(store) == names(*range(60))
    finally:
        await other.aclose()


async def test_two_that_begin_at_different_places_agree_on_one_sequence(store: Redis) -> None:
    assert [await bring(store, 3, "start"), await bring(store, 1, "start"), await bring(store, 2)] == [1, 0, 0]
    assert [await bring(store, 4), await bring(store, 6, "start"), await bring(store, 5)] == [1, -1, 1]
    assert await ids(store) == names(3, 4, 5)


@pytest.mark.parametrize("deleted", [(5,), (3, 4, 5), (0, 1, 2, 3, 4, 5)])
async def test_entries_that_somebody_deleted_are_not_missed_and_the_next_one_follows(
    store: Redis, deleted: tuple[int, ...]
) -> None:
    await bring(store, 0, "start")
    for number in range(1, 6):
        await bring(store, number)
    await store.xdel(STREAM, *names(*deleted))
    how = "start" if len(deleted) == 6 else "next"
    answers = [await bring(store, number, how if number == deleted[0] else "next") for number in deleted]
    assert set(answers) == {0}
    assert await bring(store, 7) == -1
    assert await bring(store, 6) == 1
    assert await bring(store, 7) == 1
    assert await ids(store) == names(*(number for number in range(8) if number not in deleted))
