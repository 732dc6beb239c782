"""Readers of a group, against a real server: whoever dies, the work is done, and what can't be done is put aside."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from bridge.consumer import AsyncGroupReader, ConsumerError, Entry, GroupReader, Order, Rules, connect_async, decode
from bridge.store.embedded.server import EmbeddedServer
from tests.consumer.support import KEYS, connected, noted, numbers, program, put, put_orders, taken
from tests.store.processes import own_port
from tests.store.support import FILL
from tests.support import wait_until

DEAD = KEYS.dead_letters(KEYS.orders, "bot")
HASTY = Rules(idle_s=0.05, tries=3)
HOLDER = """
import sys, time
from bridge.consumer import GroupReader, Keys
for entry in GroupReader(sys.argv[1], Keys().orders, "bot", consumer="holder"):
    print(entry.record.order_id, flush=True)
    if entry.record.order_id == "2":
        time.sleep(60)
"""


def held(client: redis.Redis) -> int:
    """Return how many orders are given to somebody and not acknowledged."""
    told: dict[str, int] = client.xpending(KEYS.orders, "bot")
    return told["pending"]


def consumers(client: redis.Redis) -> set[str]:
    """Return the names of the group's consumers."""
    return {one["name"] for one in client.xinfo_consumers(KEYS.orders, "bot")}


def dead(client: redis.Redis) -> list[dict[str, str]]:
    """Return what was put aside."""
    return [fields for _, fields in client.xrange(DEAD)]  # type: ignore[union-attr, misc]


def test_what_is_processed_is_acknowledged_and_the_rest_comes_again(valkey_url: str) -> None:
    with connected(valkey_url) as client:
        put_orders(client, 5)
        with GroupReader(client, KEYS.orders, "bot", consumer="one") as reader:
            assert numbers(taken(reader, 3)) == ["1", "2", "3"]
        assert held(client) == 3
        with GroupReader(client, KEYS.orders, "bot", consumer="one") as reader:
            again = taken(reader, 3)
            assert [(entry.fields["order_id"], entry.tries) for entry in again] == [("3", 2), ("4", 2), ("5", 2)]
            reader.save()
        assert held(client) == 0


def test_two_consumers_share_the_work(valkey_url: str) -> None:
    with connected(valkey_url) as client:
        put_orders(client, 6)
        one = GroupReader(client, KEYS.orders, "bot", consumer="one", rules=Rules(count=3))
        two = GroupReader(client, KEYS.orders, "bot", consumer="two", rules=Rules(count=3))
        assert numbers(taken(one, 3)) + numbers(taken(two, 3)) == ["1", "2", "3", "4", "5", "6"]


async def test_another_takes_over_the_work_of_a_consumer_that_was_killed(valkey_url: str) -> None:
    with connected(valkey_url) as client:
        put_orders(client, 4)
        async with program(HOLDER, valkey_url) as process:
            assert process.stdout
            assert [await process.stdout.readline() for _ in range(2)] == [b"1\n", b"2\n"]
            process.kill()
            await process.wait()
        with GroupReader(client, KEYS.orders, "bot", consumer="heir", rules=HASTY) as reader:
            # The first was processed, but the word of that died with its consumer.
            assert set(numbers(taken(reader, 4))) == {"1", "2", "3", "4"}
            reader.save()
            assert held(client) == 0
            assert reader.remove_idle(0) == ["holder"]


def test_nothing_is_taken_from_a_consumer_that_is_slow_but_alive(valkey_url: str) -> None:
    rules = Rules(idle_s=2)
    got: list[str] = []
    with connected(valkey_url) as client, connected(valkey_url) as other:
        put_orders(client, 6)
        slow = GroupReader(client, KEYS.orders, "bot", consumer="slow", rules=rules)
        stop = threading.Event()

        def rob() -> None:
            robber = GroupReader(other, KEYS.orders, "bot", consumer="robber", rules=rules)
            for entry in robber:
                if entry.fields["order_id"] == "end":
                    break
                got.append(entry.fields["order_id"])

        next(slow)
        robbing = threading.Thread(target=rob)
        robbing.start()
        for _ in range(5):
            # Each takes a while; all together take longer than a dead consumer is given.
            stop.wait(0.5)
            next(slow)
        slow.save()
        put(client, KEYS.orders, FILL, order_id="end")
        robbing.join()
    assert got == []


def test_what_another_took_over_meanwhile_is_not_given(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.consumer.group._CHORES_S", 0.0)
    with connected(valkey_url) as client:
        ids = put_orders(client, 3)
        with GroupReader(client, KEYS.orders, "bot", consumer="one") as reader:
            assert numbers(taken(reader, 1)) == ["1"]
            client.xclaim(KEYS.orders, "bot", "other", 0, [ids[1]])
            assert numbers([next(reader)]) == ["3"]


def test_what_was_trimmed_while_a_dead_consumer_held_it_is_told_to_its_heir(valkey_url: str) -> None:
    told: list[tuple[str, int | None]] = []
    with connected(valkey_url) as client:
        put_orders(client, 3)
        with GroupReader(client, KEYS.orders, "bot", consumer="dead") as reader:
            taken(reader, 1)
        client.xtrim(KEYS.orders, maxlen=1, approximate=False)
        heir = GroupReader(client, KEYS.orders, "bot", consumer="heir", rules=HASTY, on_missed=noted(told))
        assert numbers(taken(heir, 1)) == ["3"]
    assert told == [(KEYS.orders, 2)]


def test_an_entry_that_ends_every_consumer_goes_to_the_dead_letters_and_its_neighbours_do_not(valkey_url: str) -> None:
    done: list[str] = []
    with connected(valkey_url) as client:
        put_orders(client, 4)
        for _ in range(4):
            with GroupReader(client, KEYS.orders, "bot", consumer="one", rules=HASTY) as reader:
                for entry in reader:
                    if entry.fields["order_id"] == "2":
                        break  # as a crash would
                    done.append(entry.fields["order_id"])
                    if entry.fields["order_id"] == "4":
                        reader.save()
                        break
        assert done == ["1", "3", "4"]
        (letter,) = dead(client)
        assert held(client) == 0
    assert (letter["dead_stream"], letter["dead_tries"], letter["dead_consumer"]) == (KEYS.orders, "3", "one")
    assert letter["dead_reason"] == "given 3 times and never acknowledged"
    order = decode(letter)
    assert isinstance(order, Order)
    assert order.order_id == "2"


class _StopError(BaseException):
    """Ends a run, unlike what is tried again."""


def failing(done: list[tuple[str, int]], last: str) -> Callable[[Entry], None]:
    """Return work that can't do order 2, and ends the run after the last."""

    def work(entry: Entry) -> None:
        number = entry.fields["order_id"]
        if number == last:
            raise _StopError
        done.append((number, entry.tries))
        if number == "2":
            raise ValueError("the journal is full")

    return work


def test_what_fails_is_tried_again_in_its_place_and_put_aside_in_the_end(valkey_url: str) -> None:
    done: list[tuple[str, int]] = []
    with connected(valkey_url) as client:
        ids = put_orders(client, 4)
        with pytest.raises(_StopError), GroupReader(client, KEYS.orders, "bot", rules=HASTY) as reader:
            reader.run(failing(done, "4"))
        (letter,) = dead(client)
        assert held(client) == 1
    assert done == [("1", 1), ("2", 1), ("2", 2), ("2", 3), ("3", 1)]
    assert (letter["dead_id"], letter["dead_reason"]) == (ids[1], "ValueError: the journal is full")


def test_each_try_is_counted_once_over_restarts(valkey_url: str) -> None:
    tries: list[int] = []

    def work(entry: Entry) -> None:
        if entry.fields["order_id"] == "2":
            raise _StopError
        tries.append(entry.tries)
        if len(tries) == 2:
            raise _StopError
        raise ValueError("the journal is full")

    with connected(valkey_url) as client:
        put_orders(client, 2)
        for _ in range(2):
            with pytest.raises(_StopError), GroupReader(client, KEYS.orders, "bot", rules=Rules(tries=4)) as reader:
                reader.run(work)
        (letter,) = dead(client)
    assert tries == [1, 2, 3, 4]
    assert letter["dead_tries"] == "4"


def test_a_group_that_vanishes_at_work_ends_no_run(valkey_url: str, caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    def work(entry: Entry) -> None:
        done.append(entry.fields["order_id"])
        if len(done) == 1:
            client.xgroup_destroy(KEYS.orders, "bot")
            raise ValueError("no more group")
        if len(done) == 3:
            raise _StopError

    with connected(valkey_url) as client:
        put_orders(client, 2)
        with pytest.raises(_StopError), GroupReader(client, KEYS.orders, "bot") as reader:
            reader.run(work)
    assert done == ["1", "1", "2"]
    assert "made again" in caplog.text


async def test_the_reader_for_asyncio_tries_again_too(valkey_url: str) -> None:
    done: list[tuple[str, int]] = []
    work = failing(done, "4")

    async def awaited(entry: Entry) -> None:
        work(entry)

    with connected(valkey_url) as client:
        put_orders(client, 4)
        async with AsyncGroupReader(valkey_url, KEYS.orders, "bot", rules=HASTY) as reader:
            with pytest.raises(_StopError):
                await reader.run(awaited)
            assert await reader.remove_idle(0) == []
        assert len(dead(client)) == 1
    assert done == [("1", 1), ("2", 1), ("2", 2), ("2", 3), ("3", 1)]


def test_what_cannot_be_read_is_put_aside_at_once(valkey_url: str) -> None:
    with connected(valkey_url) as client:
        client.xadd(KEYS.orders, {"type": "order", "v": "9"})
        put_orders(client, 1)
        with GroupReader(client, KEYS.orders, "bot") as reader:
            assert numbers(taken(reader, 1)) == ["1"]
            reader.save()
        (letter,) = dead(client)
        assert held(client) == 0
    assert letter["dead_reason"] == "schema version '9', this kit reads 1"


def test_a_consumer_that_holds_entries_is_not_removed(valkey_url: str) -> None:
    with connected(valkey_url) as client:
        for name in ("busy", "idle"):
            put_orders(client, 1)
            with GroupReader(client, KEYS.orders, "bot", consumer=name) as reader:
                taken(reader, 1)
                if name == "idle":
                    reader.save()
        keeper = GroupReader(client, [KEYS.orders, KEYS.fills], "bot", consumer="keeper")
        assert keeper.remove_idle(60) == []
        assert keeper.remove_idle(0) == ["idle"]
        assert consumers(client) == {"busy"}
        assert held(client) == 1


def test_what_was_trimmed_while_somebody_held_it_is_told(valkey_url: str) -> None:
    told: list[tuple[str, int | None]] = []
    with connected(valkey_url) as client:
        put_orders(client, 3)
        with GroupReader(client, KEYS.orders, "bot", consumer="one") as reader:
            taken(reader, 1)
        client.xtrim(KEYS.orders, maxlen=1, approximate=False)
        with GroupReader(client, KEYS.orders, "bot", consumer="one", on_missed=noted(told)) as reader:
            assert numbers(taken(reader, 1)) == ["3"]
    assert told == [(KEYS.orders, 1), (KEYS.orders, 1)]


def test_what_was_trimmed_before_the_group_was_given_it_is_told(valkey_url: str) -> None:
    told: list[tuple[str, int | None]] = []
    with connected(valkey_url) as client:
        put_orders(client, 2)
        with GroupReader(client, KEYS.orders, "bot") as reader:
            taken(reader, 2)
            reader.save()
        put_orders(client, 6, first=3)
        client.xtrim(KEYS.orders, maxlen=2, approximate=False)
        with GroupReader(client, KEYS.orders, "bot", on_missed=noted(told)) as reader:
            assert numbers(taken(reader, 2)) == ["7", "8"]
    assert told == [(KEYS.orders, 4)]


async def test_a_group_goes_on_after_a_restart_of_redis(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with EmbeddedServer(tmp_path / "server", port=own_port()) as server:
        done: list[str] = []

        async def work(entry: Entry) -> None:
            done.extend(numbers([entry]))

        async def follow() -> None:
            async with AsyncGroupReader(server.url, KEYS.orders, "bot") as reader:
                await reader.run(work)

        following = asyncio.create_task(follow())
        with connected(server.url) as client:
            put_orders(client, 3)
            await wait_until(lambda: len(done) == 3, f"three orders; {done}")
            await wait_until(lambda: held(client) == 0, "acknowledged")
            await server.stop()
            await wait_until(lambda: "reading waits" in caplog.text, "the reader notices")
            await server.start()
        with connected(server.url) as client:
            put_orders(client, 3, first=4)
            await wait_until(lambda: len(done) == 6, f"three more; {done}")
            await wait_until(lambda: held(client) == 0, "acknowledged")
        assert done == ["1", "2", "3", "4", "5", "6"]
        following.cancel()
        await asyncio.wait([following])


async def test_a_store_that_was_emptied_gets_its_group_again(valkey_url: str, caplog: pytest.LogCaptureFixture) -> None:
    with connected(valkey_url) as client:
        put_orders(client, 1)
        async with AsyncGroupReader(valkey_url, KEYS.orders, "bot", rules=Rules(start="$")) as reader:
            first = asyncio.ensure_future(anext(reader))
            await wait_until(lambda: client.xinfo_groups(KEYS.orders) != [], "the group")
            put_orders(client, 1, first=2)
            assert numbers([await first]) == ["2"]
            client.flushall()
            put_orders(client, 2, first=3)
            assert numbers([await anext(reader) for _ in range(2)]) == ["3", "4"]
    assert "made again" in caplog.text


async def test_a_read_that_was_given_up_loses_nothing(valkey_url: str) -> None:
    client = connect_async(valkey_url)
    with connected(valkey_url) as writing:
        async with AsyncGroupReader(client, KEYS.orders, "bot") as reader:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(reader), 0.2)
            # As if an answer had been on its way when the read was given up.
            put_orders(writing, 2)
            name = next(iter(consumers(writing)))
            writing.xreadgroup("bot", name, {KEYS.orders: ">"}, count=1)
            assert numbers([await anext(reader) for _ in range(2)]) == ["1", "2"]
    await client.aclose()


@pytest.mark.parametrize(("rules", "what"), [(Rules(tries=1), "tries"), (Rules(idle_s=0), "idle_s")])
def test_rules_that_cannot_hold_are_refused(valkey_url: str, rules: Rules, what: str) -> None:
    with pytest.raises(ConsumerError, match=what):
        GroupReader(valkey_url, KEYS.orders, "bot", rules=rules)
