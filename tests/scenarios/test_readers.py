"""A bot in Python that reads by the kit: what it is given, given again, told it missed, and spared."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from bridge.consumer import (
    AsyncReader,
    Freshness,
    GroupReader,
    HashPositions,
    Kline,
    Missed,
    Reader,
    Rules,
    StaleDataError,
    Unknown,
)
from bridge.store.embedded.server import EmbeddedServer
from tests.consumer.support import KEYS, connected, numbers, program, put_orders, taken
from tests.scenarios.whole import LIVE, market, whole
from tests.support import wait_until

PATIENT = Rules(idle_s=600, tries=3)
DOOMED = """
import sys, threading
from bridge.consumer import GroupReader, Keys
for entry in GroupReader(sys.argv[1], Keys().orders, "desk", consumer="mortal"):
    print(entry.record.order_id, flush=True)
    if entry.record.order_id == "2":
        threading.Event().wait()
"""


def test_at_least_once(valkey_url: str) -> None:
    """At least once."""
    with connected(valkey_url) as client:
        put_orders(client, 5)
        # A bot processes two orders, and crashes over the third.
        with Reader(client, KEYS.orders, positions=HashPositions("bot")) as reader:
            assert numbers(taken(reader, 3)) == ["1", "2", "3"]
        # At its next start it is given the third again, and loses none.
        with Reader(client, KEYS.orders, positions=HashPositions("bot")) as reader:
            assert numbers(taken(reader, 3)) == ["3", "4", "5"]

        # So it is in a group: what was not acknowledged comes again.
        with GroupReader(client, KEYS.orders, "desk", consumer="bot") as reader:
            assert numbers(taken(reader, 3)) == ["1", "2", "3"]
        with GroupReader(client, KEYS.orders, "desk", consumer="bot") as reader:
            again = taken(reader, 3)
            assert [(entry.fields["order_id"], entry.tries) for entry in again] == [("3", 2), ("4", 2), ("5", 2)]

        # And a loop that ends by an error begins anew with the same entry.
        with Reader(client, KEYS.orders) as reader:
            with pytest.raises(ZeroDivisionError):
                work(reader)
            assert numbers(taken(reader, 2)) == ["2", "3"]


def work(reader: Reader) -> None:
    """Fail over order 2."""
    for entry in reader:
        1 / (int(entry.fields["order_id"]) - 2)


def test_who_falls_behind_the_trim_is_told(valkey_url: str) -> None:
    """Who falls behind the trim is told."""
    missed: list[Missed] = []
    with connected(valkey_url) as client:
        put_orders(client, 4)
        with Reader(client, KEYS.orders, positions=HashPositions("bot"), on_missed=missed.append) as reader:
            taken(reader, 4)
            reader.save()
        with GroupReader(client, KEYS.orders, "desk", consumer="bot", on_missed=missed.append) as group:
            taken(group, 4)
            group.save()
        assert missed == []

        # While the bot is away twenty orders come, and the stream keeps the last five.
        put_orders(client, 20, first=5)
        client.xtrim(KEYS.orders, maxlen=5, approximate=False)
        with Reader(client, KEYS.orders, positions=HashPositions("bot"), on_missed=missed.append) as reader:
            assert numbers(taken(reader, 5)) == ["20", "21", "22", "23", "24"]
        with GroupReader(client, KEYS.orders, "desk", consumer="bot", on_missed=missed.append) as group:
            assert numbers(taken(group, 5)) == ["20", "21", "22", "23", "24"]
        assert [(each.stream, each.count) for each in missed] == [(KEYS.orders, 15)] * 2


async def test_the_dead_have_heirs_the_slow_keep_their_work(valkey_url: str) -> None:
    """The dead have heirs, the slow keep their work."""
    with connected(valkey_url) as client:
        put_orders(client, 4)
        # One is killed in the middle of its work.
        async with program(DOOMED, valkey_url) as mortal:
            assert mortal.stdout
            assert [await mortal.stdout.readline() for _ in range(2)] == [b"1\n", b"2\n"]
            mortal.kill()
            await mortal.wait()

        # Who is patient leaves it its work: it could be slow, and come back.
        put_orders(client, 1, first=5)
        with GroupReader(client, KEYS.orders, "desk", consumer="patient", rules=PATIENT) as reader:
            assert numbers(taken(reader, 1)) == ["5"]
            reader.save()
            assert reader.remove_idle(0) == [], "only who holds nothing is removed"

        # Who is not takes it over, and the dead one can be removed.
        with GroupReader(client, KEYS.orders, "desk", consumer="heir", rules=Rules(idle_s=0.01, tries=3)) as reader:
            assert set(numbers(taken(reader, 4))) == {"1", "2", "3", "4"}
            reader.save()
            assert "mortal" in reader.remove_idle(0)


def test_no_entry_holds_up_the_others_for_ever(valkey_url: str) -> None:
    """No entry holds up the others for ever."""
    done: list[str] = []
    with connected(valkey_url) as client:
        put_orders(client, 4)
        # Order 2 ends whoever takes it up. It is started again, as by a service manager.
        for _ in range(4):
            with GroupReader(client, KEYS.orders, "desk", consumer="bot", rules=PATIENT) as reader:
                for entry in reader:
                    if entry.fields["order_id"] == "2":
                        break
                    done.append(entry.fields["order_id"])
                    if entry.fields["order_id"] == "4":
                        reader.save()
                        break

        # After three tries order 2 has been put aside, with its reason; the others have been done.
        assert done == ["1", "3", "4"]
        ((_, letter),) = client.xrange(KEYS.dead_letters(KEYS.orders, "desk"))
        assert (letter["order_id"], letter["dead_tries"]) == ("2", "3")
        assert letter["dead_reason"] == "given 3 times and never acknowledged"
        assert client.xpending(KEYS.orders, "desk")["pending"] == 0


def test_what_cannot_be_read_is_told_not_lost(valkey_url: str) -> None:
    """What can't be read is told, not lost."""
    with connected(valkey_url) as client:
        # A later version of the bridge writes what this kit cannot know.
        client.xadd(KEYS.orders, {"type": "order", "v": "9", "size": "1"})
        put_orders(client, 1)
        with Reader(client, KEYS.orders) as reader:
            odd, good = taken(reader, 2)
        assert odd.record == Unknown("order", "9", "schema version '9', this kit reads 1")
        assert odd.fields["size"] == "1"
        assert numbers([good]) == ["1"]

        # In a group it is put aside at once, with the reason.
        with GroupReader(client, KEYS.orders, "desk") as group:
            assert numbers(taken(group, 1)) == ["1"]
        ((_, letter),) = client.xrange(KEYS.dead_letters(KEYS.orders, "desk"))
        assert (letter["size"], letter["dead_reason"]) == ("1", "schema version '9', this kit reads 1")


async def test_readers_outlive_redis_restarts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Readers outlive Redis' restarts."""
    got: list[str] = []

    async def follow(url: str) -> None:
        async with AsyncReader(url, KEYS.orders, positions=HashPositions("bot")) as reader:
            async for entry in reader:
                got.extend(numbers([entry]))

    async with EmbeddedServer(tmp_path / "server", port=0) as server:
        following = asyncio.create_task(follow(server.url))
        with connected(server.url) as client:
            put_orders(client, 3)
        await wait_until(lambda: got == ["1", "2", "3"], f"three orders; {got}")

        # Redis is killed and comes back. The bot has noticed, and goes on where it was.
        os.kill(server.pid, signal.SIGKILL)
        await server.wait_closed()
        await wait_until(lambda: "reading waits" in caplog.text, "the bot notices")
        await server.start()
        with connected(server.url) as client:
            put_orders(client, 3, first=4)
        await wait_until(lambda: len(got) >= 6, f"three more; {got}", 20)
        assert got == ["1", "2", "3", "4", "5", "6"]
        following.cancel()
        await asyncio.wait([following])


async def test_stale_data_is_refused_by_whom_it_would_hurt(valkey_url: str) -> None:
    """Stale data is refused by whom it would hurt."""
    async with market(rate=60.0) as exchange, whole(exchange, valkey_url) as bridge:
        await bridge.post("/klines/subscribe?wait=active&timeout=30", symbol="BTCUSDT", tfs="1m")
        await bridge.until_more(LIVE, 3)
        # A bot judges by the exchange's time, which passes faster here than ours.
        async with AsyncReader(valkey_url, LIVE) as reader:
            candle = (await anext(reader)).record
        assert isinstance(candle, Kline)
        end = candle.close_time + 1
        exact, later = Freshness(5, clock=lambda: end + 5_000), Freshness(5, clock=lambda: end + 3_600_000)
        exact.check(candle)
        assert not later.accepts(candle)
        with pytest.raises(StaleDataError, match="old, more than 5 s"):
            later.check(candle)
