"""Plain readers, against a real server: each entry at least once, and what was trimmed unread is told."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from bridge.consumer import (
    AsyncReader,
    ConsumerError,
    FilePositions,
    Fill,
    HashPositions,
    Order,
    Positions,
    Reader,
    Resync,
    Unknown,
    connect_async,
)
from tests.consumer.support import (
    CLOSED,
    KEYS,
    LIVE,
    candle,
    connected,
    minutes,
    noted,
    numbers,
    put,
    put_closed,
    put_marker,
    put_orders,
    taken,
)
from tests.store.support import FILL

Keeping = Callable[[Path], Positions]
KEEPERS = pytest.mark.parametrize(
    "keeper",
    [lambda _: HashPositions("bot"), lambda folder: FilePositions(folder / "positions.json")],
    ids=["hash", "file"],
)


def test_it_gives_typed_records_oldest_first(valkey_url: str) -> None:
    with connected(valkey_url) as client, Reader(valkey_url, [KEYS.orders, KEYS.fills]) as reader:
        put_orders(client, 2)
        put(client, KEYS.fills, FILL)
        put_marker(client, KEYS.fills)
        records = [entry.record for entry in taken(reader, 4)]
    assert [record.order_id for record in records if isinstance(record, Order)] == ["1", "2"]
    assert [type(record) for record in records if not isinstance(record, Order)] == [Fill, Resync]


def test_what_comes_while_it_waits_is_given(valkey_url: str) -> None:
    with connected(valkey_url) as client, Reader(valkey_url, LIVE) as reader:
        later = threading.Timer(0.1, put, (client, LIVE, candle(3)))
        later.start()
        assert minutes(taken(reader, 1)) == [3]
        later.join()


@KEEPERS
def test_a_reader_goes_on_after_what_was_processed(valkey_url: str, tmp_path: Path, keeper: Keeping) -> None:
    with connected(valkey_url) as client:
        put_orders(client, 5)
        with Reader(client, KEYS.orders, positions=keeper(tmp_path)) as reader:
            assert numbers(taken(reader, 3)) == ["1", "2", "3"]
        # The third was being processed when it ended, so it comes again.
        with Reader(client, KEYS.orders, positions=keeper(tmp_path)) as reader:
            assert numbers(taken(reader, 3)) == ["3", "4", "5"]
            reader.save()
        put_orders(client, 1, first=6)
        with Reader(client, KEYS.orders, positions=keeper(tmp_path)) as reader:
            assert numbers(taken(reader, 1)) == ["6"]


def test_a_loop_that_ended_early_begins_again_with_the_same_entry(valkey_url: str) -> None:
    with connected(valkey_url) as client, Reader(client, KEYS.orders) as reader:
        put_orders(client, 3)
        for entry in reader:
            if entry.fields["order_id"] == "2":
                break
        assert numbers(taken(reader, 2)) == ["2", "3"]


@KEEPERS
def test_positions_of_other_streams_stay(valkey_url: str, tmp_path: Path, keeper: Keeping) -> None:
    with connected(valkey_url) as client:
        put_orders(client, 2)
        put_closed(client, 1, 2)
        for stream in (KEYS.orders, CLOSED):
            with Reader(client, stream, positions=keeper(tmp_path)) as reader:
                taken(reader, 1)
                reader.save()
        with Reader(client, [KEYS.orders, CLOSED], positions=keeper(tmp_path)) as reader:
            assert {entry.stream for entry in taken(reader, 2)} == {KEYS.orders, CLOSED}


def test_from_now_on_means_the_same_moment_after_a_restart(valkey_url: str) -> None:
    with connected(valkey_url) as client:
        put_orders(client, 2)
        with Reader(client, KEYS.orders, positions=HashPositions("bot"), start="$") as reader:
            later = threading.Timer(0.1, put_orders, (client, 1), {"first": 3})
            later.start()
            assert numbers(taken(reader, 1)) == ["3"]
            later.join()
        put_orders(client, 1, first=4)
        with Reader(client, KEYS.orders, positions=HashPositions("bot"), start="$") as reader:
            assert numbers(taken(reader, 2)) == ["3", "4"]


def test_what_was_trimmed_unread_is_counted(valkey_url: str) -> None:
    told: list[tuple[str, int | None]] = []
    with connected(valkey_url) as client:
        put_orders(client, 10)
        with Reader(client, KEYS.orders, positions=HashPositions("bot"), on_missed=noted(told)) as reader:
            taken(reader, 4)
        assert told == []
        put_orders(client, 10, first=11)
        client.xtrim(KEYS.orders, maxlen=5, approximate=False)
        with Reader(client, KEYS.orders, positions=HashPositions("bot"), on_missed=noted(told)) as reader:
            assert numbers(taken(reader, 5)) == ["16", "17", "18", "19", "20"]
    # Three were processed; the fourth to the fifteenth are gone.
    assert told == [(KEYS.orders, 12)]


def test_a_reader_that_is_overtaken_by_the_trim_at_work_is_told_how_many_it_missed(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.consumer.reading._CHECK_S", 0.0)
    told: list[tuple[str, int | None]] = []
    with connected(valkey_url) as client, Reader(client, KEYS.orders, count=2, on_missed=noted(told)) as reader:
        put_orders(client, 4)
        taken(reader, 2)
        put_orders(client, 6, first=5)
        client.xtrim(KEYS.orders, maxlen=3, approximate=False)
        reader.save()
        assert numbers(taken(reader, 3)) == ["8", "9", "10"]
    assert told == [(KEYS.orders, 5)]


def test_what_was_read_and_trimmed_afterwards_is_not_missed(valkey_url: str) -> None:
    told: list[tuple[str, int | None]] = []
    with connected(valkey_url) as client:
        put_orders(client, 6)
        with Reader(client, KEYS.orders, positions=HashPositions("bot"), on_missed=noted(told)) as reader:
            taken(reader, 6)
            reader.save()
        client.xtrim(KEYS.orders, maxlen=0, approximate=False)
        put_orders(client, 1, first=7)
        with Reader(client, KEYS.orders, positions=HashPositions("bot"), on_missed=noted(told)) as reader:
            assert numbers(taken(reader, 1)) == ["7"]
    assert told == []


def test_a_position_set_by_hand_is_read_from_and_its_losses_are_told_without_a_number(valkey_url: str) -> None:
    told: list[tuple[str, int | None]] = []
    with connected(valkey_url) as client:
        ids = put_orders(client, 5)
        client.hset(KEYS.reader("bot"), KEYS.orders, ids[1])
        client.xtrim(KEYS.orders, maxlen=2, approximate=False)
        with Reader(client, KEYS.orders, positions=HashPositions("bot"), on_missed=noted(told)) as reader:
            assert numbers(taken(reader, 2)) == ["4", "5"]
    assert told == [(KEYS.orders, None)]


def test_what_it_cannot_read_is_given_and_told_once(valkey_url: str, caplog: pytest.LogCaptureFixture) -> None:
    with connected(valkey_url) as client, Reader(client, KEYS.orders) as reader:
        client.xadd(KEYS.orders, {"type": "order", "v": "2", "size": "1"})
        client.xadd(KEYS.orders, {"type": "order", "v": "2", "size": "2"})
        put_orders(client, 1)
        first, second, third = taken(reader, 3)
    assert first.record == Unknown("order", "2", "schema version '2', this kit reads 1")
    assert second.fields["size"] == "2"
    assert isinstance(third.record, Order)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_nonsense_is_refused_at_once(valkey_url: str, tmp_path: Path) -> None:
    with pytest.raises(ConsumerError, match="no streams"):
        Reader(valkey_url, [])
    with pytest.raises(ConsumerError, match="an entry's id"):
        Reader(valkey_url, LIVE, start="first")
    with redis.Redis.from_url(valkey_url) as bytes_only, pytest.raises(ConsumerError, match="decode_responses"):
        Reader(bytes_only, LIVE)
    (tmp_path / "positions.json").write_text("[]", encoding="utf-8")
    with connected(valkey_url) as client:
        for positions in (FilePositions(tmp_path / "positions.json"), HashPositions("bot")):
            client.hset(KEYS.reader("bot"), LIVE, "yesterday")
            with pytest.raises(ConsumerError), Reader(client, LIVE, positions=positions) as reader:
                next(reader)


def test_a_store_too_full_for_a_position_is_still_read(valkey_url: str, caplog: pytest.LogCaptureFixture) -> None:
    with (
        connected(valkey_url) as client,
        Reader(client, KEYS.orders, positions=HashPositions("bot"), count=2) as reader,
    ):
        put_orders(client, 4)
        try:
            client.config_set("maxmemory", 1)
            assert numbers(taken(reader, 4)) == ["1", "2", "3", "4"]
            with pytest.raises(redis.ResponseError, match="maxmemory"):
                reader.save()
        finally:
            client.config_set("maxmemory", 0)
        assert "could not be saved" in caplog.text
        reader.save()
        assert client.hget(KEYS.reader("bot"), KEYS.orders).endswith(" 4")


def test_what_waiting_does_not_mend_is_raised(valkey_url: str) -> None:
    with connected(valkey_url) as client, Reader(client, LIVE) as reader:
        client.set(LIVE, "no stream")
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            next(reader)


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_client_of_ones_own_whose_socket_is_impatient_still_waits(valkey_url: str, protocol: int) -> None:
    client = redis.Redis.from_url(valkey_url, decode_responses=True, socket_timeout=0.2, protocol=protocol)
    with client, Reader(client, LIVE) as reader:
        later = threading.Timer(0.5, put, (client, LIVE, candle(3)))
        later.start()
        assert minutes(taken(reader, 1)) == [3]
        later.join()


async def test_the_reader_for_asyncio_keeps_its_position_too(valkey_url: str) -> None:
    client = connect_async(valkey_url)
    with connected(valkey_url) as writing:
        put_orders(writing, 3)
        put_marker(writing, KEYS.positions)
    async with AsyncReader(client, KEYS.orders, positions=HashPositions("bot")) as reader:
        assert numbers([await anext(reader) for _ in range(2)]) == ["1", "2"]
        await reader.save()
    async with AsyncReader(client, [KEYS.orders, KEYS.positions], positions=HashPositions("bot")) as reader:
        entries = [await anext(reader) for _ in range(2)]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(reader), 0.05)
    assert {type(entry.record) for entry in entries} == {Order, Resync}
    await client.aclose()
