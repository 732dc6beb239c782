"""The writer against real servers: killed, full, hanging, forgetful, and all in between."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from bridge.records import Event, EventName, Source
from bridge.store import client, scripts
from bridge.store.embedded.server import EmbeddedServer
from bridge.store.writing.appends import Append
from bridge.store.writing.writer import Writer
from bridge.values import Secret
from tests.store.processes import own_port
from tests.store.relay import Relay
from tests.store.support import APPENDS, FILL, KEYS, KLINE, MINUTE_MS, OPEN_TIME, changed, column
from tests.support import wait_until

if TYPE_CHECKING:
    from redis.asyncio import Redis

STREAM = KEYS.klines("BTCUSDT", "1m")


def made(url: str, *, bound: int = 100_000, batch: int = 500, timeout_s: float = 10) -> Writer:
    return Writer(client.lane(Secret(url), timeout_s=timeout_s), bound=bound, batch=batch)


@asynccontextmanager
async def running(writer: Writer) -> AsyncIterator[Writer]:
    task = asyncio.create_task(writer.run())
    try:
        yield writer
        assert not task.done()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def drained(writer: Writer) -> None:
    assert await writer.drain(20), writer.tally


def event(number: int) -> Append:
    named = Event(EventName.STARTED, subject="", text=str(number), ingester="one", source=Source.BRIDGE, received_at=1)
    return APPENDS.of(named)


def fill(number: int) -> Append:
    return APPENDS.of(changed(FILL, trade_id=str(number)))


def kline(volume: int, **change: object) -> Append:
    return APPENDS.of(changed(KLINE, volume=str(volume), **change))


async def trades(store: Redis) -> list[int]:
    return [int(trade) for (trade,) in await column(store, KEYS.fills, "trade_id")]


async def test_a_flush_is_measured_once_and_its_entries_counted_by_kind(store: Redis, valkey_url: str) -> None:
    async with running(made(valkey_url, batch=7)) as writer:
        for number in range(10):
            writer.append(event(number))
            writer.append(fill(number))
        writer.append(fill(0))
        await drained(writer)
        assert (writer.flush_entries.sum, writer.flush_entries.count) == (21, 3)
        assert writer.flush_seconds.count == writer.latency.count == 3
        # What these records say of when they came is long ago.
        assert writer.latency.sum > 3 * 86_400
    assert await store.xlen(KEYS.fills) == writer.tally.kinds["fill"] == 10
    assert await store.xlen(KEYS.events) == writer.tally.kinds["event"] == 10


async def test_everything_arrives_in_order(store: Redis, valkey_url: str) -> None:
    async with running(made(valkey_url, batch=7)) as writer:
        for number in range(100):
            writer.append(event(number))
            writer.append(fill(number))
        assert writer.depth == 200
        await drained(writer)
    assert await column(store, KEYS.events, "text") == [(str(number),) for number in range(100)]
    assert await trades(store) == [*range(100)]
    assert (writer.depth, writer.tally.entries, writer.tally.repeats, writer.tally.refused) == (0, 200, 0, 0)
    assert writer.tally.flushes == 29


async def test_what_arrives_while_redis_answers_rides_in_the_next_flush(valkey: EmbeddedServer, store: Redis) -> None:
    async with Relay(valkey.port) as relay, running(made(relay.url)) as writer:
        writer.append(fill(0))
        await drained(writer)
        relay.answering.clear()
        writer.append(fill(1))
        await wait_until(lambda: relay.holding, "the second flush")
        for number in range(2, 50):
            writer.append(fill(number))
        assert writer.depth == 49
        relay.answering.set()
        await drained(writer)
    assert writer.tally.flushes == 3
    assert await trades(store) == [*range(50)]


async def test_one_connection_serves_all_flushes(valkey: EmbeddedServer, valkey_url: str) -> None:
    assert valkey_url
    async with Relay(valkey.port) as relay, running(made(relay.url)) as writer:
        for number in range(5):
            writer.append(fill(number))
            await drained(writer)
        assert (writer.tally.flushes, relay.opened, relay.live) == (5, 1, 1)


async def test_what_must_not_happen_ends_it_loudly_whether_it_waits_or_is_called(valkey_url: str) -> None:
    def spoilt(number: int) -> Append:
        def settled(_answer: int) -> None:
            raise ZeroDivisionError(number)

        return msgspec.structs.replace(fill(number), settled=settled)

    for before in ([], [fill(1)]):
        writer = made(valkey_url)
        task = asyncio.create_task(writer.run())
        for append in before:
            writer.append(append)
            await drained(writer)
        writer.append(spoilt(2))
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(task, 20)


async def test_what_cannot_be_packed_ends_it_loudly(valkey_url: str) -> None:
    writer = made(valkey_url)
    task = asyncio.create_task(writer.run())
    writer.append(fill(1))
    await drained(writer)
    writer.append(kline(1, close="\ud800"))
    with pytest.raises(UnicodeEncodeError):
        await asyncio.wait_for(task, 20)


async def test_scripts_forgotten_between_two_flushes_are_brought_along_again(store: Redis, valkey_url: str) -> None:
    async with running(made(valkey_url)) as writer:
        for number in range(3):
            writer.append(fill(number))
            await drained(writer)
            await store.script_flush()
        assert (writer.tally.connections, writer.tally.refused, writer.tally.trouble) == (3, 0, "")
    assert await trades(store) == [0, 1, 2]


async def test_it_hangs_up_when_it_is_ended(valkey: EmbeddedServer, valkey_url: str) -> None:
    assert valkey_url
    async with Relay(valkey.port) as relay:
        async with running(made(relay.url)) as writer:
            writer.append(fill(0))
            await drained(writer)
        await wait_until(lambda: relay.live == 0, "the connection's end")


async def test_what_was_known_already_is_counted_as_a_repeat(store: Redis, valkey_url: str) -> None:
    async with running(made(valkey_url)) as writer:
        for number in (1, 2, 1, 2, 3):
            writer.append(fill(number))
        await drained(writer)
    assert await trades(store) == [1, 2, 3]
    assert (writer.tally.entries, writer.tally.repeats) == (3, 2)


async def test_a_newer_state_of_a_candle_takes_an_unsent_ones_place(store: Redis, valkey_url: str) -> None:
    writer = made(valkey_url)
    for volume in (1, 2, 3):
        writer.append(kline(volume))
    assert (writer.depth, writer.tally.conflated) == (1, 2)
    async with running(writer):
        await drained(writer)
    assert await column(store, STREAM, "volume") == [("3",)]


async def test_no_state_takes_the_place_of_another_period_series_or_kind(store: Redis, valkey_url: str) -> None:
    later = {"open_time": OPEN_TIME + MINUTE_MS, "close_time": KLINE.close_time + MINUTE_MS}
    appends = [kline(1), kline(1, **later), kline(1, timeframe="5m"), kline(1, symbol="ETHUSDT"), fill(1), fill(2)]
    writer = made(valkey_url)
    for append in appends:
        writer.append(append)
    assert (writer.depth, writer.tally.conflated) == (6, 0)
    async with running(writer):
        await drained(writer)
    assert await column(store, STREAM, "open_time") == [(str(OPEN_TIME),), (str(OPEN_TIME + MINUTE_MS),)]


async def test_the_last_word_on_a_candle_is_never_replaced(store: Redis, valkey_url: str) -> None:
    writer = made(valkey_url)
    for append in (kline(1), kline(2, closed=1), kline(3), kline(4, closed=1), kline(5)):
        writer.append(append)
    assert (writer.depth, writer.tally.conflated) == (1, 4)
    async with running(writer):
        await drained(writer)
    assert await column(store, STREAM, "closed", "volume") == [("1", "2")]


async def test_the_last_word_on_a_candle_is_not_replaced_on_its_way_either(
    valkey: EmbeddedServer, store: Redis
) -> None:
    async with Relay(valkey.port) as relay, running(made(relay.url)) as writer:
        writer.append(fill(0))
        await drained(writer)
        relay.answering.clear()
        writer.append(kline(1, closed=1))
        await wait_until(lambda: relay.holding, "the flush of the last word")
        writer.append(kline(2))
        relay.answering.set()
        await drained(writer)
    assert await column(store, STREAM, "closed", "volume") == [("1", "1")]


async def test_a_state_on_its_way_is_not_replaced_but_followed(valkey: EmbeddedServer, store: Redis) -> None:
    async with Relay(valkey.port) as relay, running(made(relay.url)) as writer:
        writer.append(fill(0))
        await drained(writer)
        relay.answering.clear()
        writer.append(kline(1))
        await wait_until(lambda: relay.holding, "the flush of the first state")
        writer.append(kline(2))
        assert writer.tally.conflated == 0
        writer.append(kline(3))
        assert writer.tally.conflated == 1
        relay.answering.set()
        await drained(writer)
    assert await column(store, STREAM, "volume") == [("1",), ("3",)]


async def test_beyond_the_bound_the_oldest_go_and_are_counted(store: Redis, valkey_url: str) -> None:
    writer = made(valkey_url, bound=10)
    for number in range(25):
        writer.append(fill(number))
    assert (writer.depth, writer.tally.overflowed) == (10, 15)
    async with running(writer):
        await drained(writer)
    assert await trades(store) == [*range(15, 25)]


async def test_a_newer_state_of_a_waiting_candle_needs_no_room(valkey_url: str) -> None:
    writer = made(valkey_url, bound=2)
    for append in (kline(1), fill(1), kline(2)):
        writer.append(append)
    assert (writer.depth, writer.tally.overflowed, writer.tally.conflated) == (2, 0, 1)


async def test_draining_tells_whether_all_was_written_in_time(valkey_url: str) -> None:
    writer = made(valkey_url)
    assert await writer.drain(0.01) is True
    writer.append(fill(1))
    assert await writer.drain(0.01) is False
    async with running(writer):
        assert await writer.drain(20) is True


async def test_a_server_killed_and_started_again_loses_and_doubles_nothing(tmp_path: Path) -> None:
    count = 3_000
    async with EmbeddedServer(tmp_path, port=own_port()) as server:
        async with client.commands(Secret(server.url)) as store:
            await store.config_set("appendfsync", "always")
        async with running(made(server.url, batch=20)) as writer:
            for number in range(count):
                writer.append(fill(number))
            await wait_until(lambda: writer.tally.entries > count / 10, "a good part being written")
            os.kill(server.pid, signal.SIGKILL)
            assert await server.wait_closed()
            await wait_until(lambda: bool(writer.tally.trouble), "the writer noticing")
            assert 0 < writer.depth < count
            await server.start()
            await drained(writer)
        async with client.commands(Secret(server.url)) as store:
            assert await trades(store) == [*range(count)]
    assert writer.tally.trouble == ""
    assert (writer.tally.refused, writer.tally.overflowed) == (0, 0)


async def test_it_waits_for_a_server_that_is_not_there_yet(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, port=own_port(), persistent=False)
    async with server:
        pass  # now it has a port, and nobody listens there
    async with running(made(server.url)) as writer:
        writer.append(fill(1))
        await wait_until(lambda: bool(writer.tally.trouble), "the refused connection")
        assert writer.tally.trouble.startswith("Redis: ")
        async with server:
            await drained(writer)
            async with client.commands(Secret(server.url)) as store:
                assert await trades(store) == [1]


async def test_a_lost_reply_leaves_one_entry_each(valkey: EmbeddedServer, store: Redis) -> None:
    async with Relay(valkey.port) as relay, running(made(relay.url)) as writer:
        writer.append(fill(0))
        await drained(writer)
        relay.swallow = True
        for number in range(1, 51):
            writer.append(fill(number))
        await drained(writer)
        assert (relay.opened, relay.swallow) == (2, False)
    assert await trades(store) == [*range(51)]
    assert (writer.tally.entries, writer.tally.repeats) == (1, 50)


async def test_a_server_that_stops_answering_is_given_up_and_tried_anew(valkey: EmbeddedServer, store: Redis) -> None:
    async with Relay(valkey.port) as relay, running(made(relay.url, timeout_s=0.1)) as writer:
        writer.append(fill(0))
        await drained(writer)
        relay.answering.clear()
        for number in range(1, 10):
            writer.append(fill(number))
        await wait_until(lambda: relay.opened > 2, "giving up on the hanging connection, and on the next")
        assert writer.tally.trouble == "Redis did not answer in time"
        assert writer.depth == 9
        relay.answering.set()
        await drained(writer)
        assert writer.tally.trouble == ""
    assert await trades(store) == [*range(10)]


TROUBLES = [
    pytest.param("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 512mb", "command not allowed", id="full"),
    pytest.param("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "read only replica", id="read-only"),
    pytest.param(
        "CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0", "NOREPLICAS", id="no replicas"
    ),
    pytest.param("ACL SETUSER default -evalsha", "ACL SETUSER default +evalsha", "permission", id="no permission"),
]


@pytest.mark.parametrize(("begin", "end", "words"), TROUBLES)
async def test_what_is_the_servers_condition_pauses_and_resumes_in_order(
    store: Redis, valkey_url: str, begin: str, end: str, words: str
) -> None:
    async def tell(command: str) -> Any:  # noqa: ANN401 - whatever it answers
        return await store.execute_command(*command.split())  # type: ignore[no-untyped-call]

    async with running(made(valkey_url, batch=10)) as writer:
        writer.append(fill(0))
        await drained(writer)
        await tell(begin)
        try:
            for number in range(1, 30):
                writer.append(fill(number))
            await wait_until(lambda: words in writer.tally.trouble, f"{words} being told")
            flushes = writer.tally.flushes
            await wait_until(lambda: writer.tally.flushes > flushes, "another try")
            assert writer.depth == 29
            for number in range(30, 60):
                writer.append(fill(number))
        finally:
            await tell(end)
        await drained(writer)
    assert await trades(store) == [*range(60)]
    assert (writer.tally.entries, writer.tally.refused, writer.tally.trouble) == (60, 0, "")


@pytest.mark.parametrize(("begin", "end"), [param.values[:2] for param in TROUBLES[:3]])
async def test_commands_that_are_refused_before_they_run_wait_in_order_too(
    store: Redis, valkey_url: str, begin: str, end: str
) -> None:
    await store.execute_command(*begin.split())  # type: ignore[no-untyped-call]
    try:
        async with running(made(valkey_url)) as writer:
            for number in range(5):
                writer.append(event(number))
            await wait_until(lambda: writer.tally.flushes > 1, "another try")
            assert (writer.depth, writer.tally.refused, bool(writer.tally.trouble)) == (5, 0, True)
            await store.execute_command(*end.split())  # type: ignore[no-untyped-call]
            await drained(writer)
    finally:
        await store.execute_command(*end.split())  # type: ignore[no-untyped-call]
    assert await column(store, KEYS.events, "text") == [(str(number),) for number in range(5)]


@pytest.mark.parametrize("room", [100_000, 200_000, 400_000])
async def test_at_the_brim_of_memory_no_entry_overtakes_another_of_its_stream(
    store: Redis, valkey_url: str, room: int
) -> None:
    writer = made(valkey_url)
    for number in range(3_000):
        writer.append(fill(number))
    used = (await store.info("memory"))["used_memory"]
    await store.config_set("maxmemory", used + room)
    try:
        async with running(writer):
            await wait_until(lambda: bool(writer.tally.trouble), "full memory being told")
            written = await trades(store)
            assert written == [*range(len(written))]
            await store.config_set("maxmemory", "512mb")
            await drained(writer)
    finally:
        await store.config_set("maxmemory", "512mb")
    assert await trades(store) == [*range(3_000)]
    assert writer.tally.repeats == 0


async def test_an_entry_that_is_no_command_holds_up_nothing_of_its_stream(store: Redis, valkey_url: str) -> None:
    async with running(made(valkey_url)) as writer:
        for append in (event(1), Append(scripts.LOG, (KEYS.events,), (10,)), event(2)):
            writer.append(append)
        await drained(writer)
    assert await column(store, KEYS.events, "text") == [("1",), ("2",)]
    assert (writer.tally.entries, writer.tally.refused) == (2, 1)
    assert "number of arg" in writer.tally.refusal.lower()


async def test_an_entry_that_redis_refuses_for_good_is_counted_and_stops_no_other(
    store: Redis, valkey_url: str
) -> None:
    await store.set(STREAM, "no stream")
    async with running(made(valkey_url)) as writer:
        for append in (fill(1), kline(1), fill(2), kline(2, open_time=OPEN_TIME + MINUTE_MS), fill(3)):
            writer.append(append)
        await drained(writer)
    assert await trades(store) == [1, 2, 3]
    assert (writer.tally.entries, writer.tally.refused) == (3, 2)
    assert writer.tally.refusal.startswith(f"{STREAM}: ")
    assert "WRONGTYPE" in writer.tally.refusal
    assert writer.tally.trouble == ""


async def test_a_server_that_forgot_the_scripts_is_given_them_again(store: Redis, valkey_url: str) -> None:
    async with running(made(valkey_url)) as writer:
        writer.append(fill(0))
        await drained(writer)
        await store.script_flush()
        for number in range(1, 10):
            writer.append(fill(number))
        await drained(writer)
    assert await trades(store) == [*range(10)]
    assert (writer.tally.entries, writer.tally.refused) == (10, 0)
