"""`consumers/order_journal.py`, as a process against a real server: nothing lost, nothing twice, whenever it ends."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis

from bridge.store.embedded.server import EmbeddedServer
from tests.consumers.support import KEYS, Sample, journaled, orders, publish, sample
from tests.store.processes import own_port
from tests.store.support import FILL, ORDER, changed
from tests.support import wait_until

THREE_ORDERS = [("order", "1"), ("order", "2"), ("order", "3")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "orders.db"


async def once(url: str, file: Path, *words: str) -> Sample:
    """Let a journal keep what is there; it must come to its end."""
    async with sample("order_journal.py", "--db", file, "--once", *words, url=url) as journal:
        assert await journal.ended() == 0
    return journal


@asynccontextmanager
async def following(url: str, file: Path, *words: str) -> AsyncIterator[Sample]:
    """Let a journal follow."""
    async with sample("order_journal.py", "--db", file, *words, url=url) as journal:
        yield journal


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Keep everybody else from committing to a database that has its table already."""
    with closing(sqlite3.connect(file)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.rollback()


async def unacknowledged(store: Redis) -> int:
    """Return how many orders were given to a journal that hasn't acknowledged them."""
    return cast("int", (await store.xpending(KEYS.orders, "journal"))["pending"])


async def clients(store: Redis, command: str = "") -> set[str]:
    """Return the ids of all connections, or of those whose last command this was."""
    return {client["id"] for client in await store.client_list() if not command or client["cmd"] == command}


async def given(store: Redis, count: int) -> None:
    """Wait until a journal has been given that many orders."""

    async def all_of_them() -> bool:
        return await unacknowledged(store) == count

    await wait_until(all_of_them, f"{count} orders given to a journal")


async def killed_before_it_commits(url: str, store: Redis, file: Path, name: str) -> None:
    """Kill a journal that has read three orders and has committed none of them."""
    await once(url, file)
    await publish(url, *orders(3))
    with locked(file):
        async with following(url, file, "--consumer", name) as journal:
            await given(store, 3)
            await journal.kill()
    assert journaled(file) == []


async def test_it_keeps_orders_and_fills_once_and_acknowledges_them(valkey_url: str, store: Redis, file: Path) -> None:
    await publish(valkey_url, ORDER, FILL, changed(FILL, trade_id="8", order_id="2"))
    await once(valkey_url, file)
    await once(valkey_url, file)
    assert sorted(journaled(file)) == [("fill", "1"), ("fill", "2"), ("order", "1")]
    assert await unacknowledged(store) == 0


async def test_the_row_holds_the_whole_entry(valkey_url: str, file: Path) -> None:
    await publish(valkey_url, ORDER)
    await once(valkey_url, file)
    with closing(sqlite3.connect(file)) as db:
        row = db.execute("SELECT symbol, json_extract(entry, '$.filled_size', '$.source') FROM journal").fetchone()
    assert row == ("BTCUSDT", '["0","ws"]')


async def test_a_marker_is_kept_too(valkey_url: str, store: Redis, file: Path) -> None:
    await store.xadd(KEYS.orders, {"type": "resync", "v": "1", "source": "bridge", "received_at": "1"})
    await once(valkey_url, file)
    assert journaled(file) == [("resync", None)]


async def test_it_may_be_started_before_the_first_order(valkey_url: str, store: Redis, file: Path) -> None:
    async with following(valkey_url, file) as journal:

        async def has_groups() -> bool:
            return await store.exists(KEYS.orders, KEYS.fills) == 2

        await wait_until(has_groups, "both groups")
        await publish(valkey_url, *orders(3))
        await journal.says(1)
        await wait_until(lambda: journaled(file) == THREE_ORDERS, "three orders kept")


async def test_killed_before_it_commits_it_finds_its_entries_again(valkey_url: str, store: Redis, file: Path) -> None:
    await killed_before_it_commits(valkey_url, store, file, "one")
    await once(valkey_url, file, "--consumer", "one")
    assert journaled(file) == THREE_ORDERS
    assert await unacknowledged(store) == 0


async def test_killed_before_it_acknowledges_it_doubles_nothing(valkey_url: str, store: Redis, file: Path) -> None:
    await once(valkey_url, file)
    await publish(valkey_url, *orders(3))
    others = await clients(store)
    async with following(valkey_url, file) as journal:
        with locked(file):
            await given(store, 3)
            ours = await clients(store, "xreadgroup") - others
            await store.client_pause(60_000, all=False)
        try:
            await wait_until(lambda: len(journaled(file)) == 3, "three orders committed")
            await journal.kill()

            # The pause holds back what it may have asked for; that must be gone with it before the pause ends.
            async def forgotten() -> bool:
                return not ours & await clients(store)

            await wait_until(forgotten, "the killed journal's connection closed")
        finally:
            await store.client_unpause()
    assert await unacknowledged(store) == 3
    await once(valkey_url, file)
    assert journaled(file) == THREE_ORDERS
    assert await unacknowledged(store) == 0


async def test_killed_again_and_again_it_keeps_every_order_once(valkey_url: str, store: Redis, file: Path) -> None:
    for life in range(3):
        # Each finds something to keep, however much the one before it has kept.
        await publish(valkey_url, *orders(1_000, first=1 + 1_000 * life))
        async with following(valkey_url, file) as journal:
            await journal.says(1)
            await journal.kill()
    await once(valkey_url, file)
    assert journaled(file) == [("order", str(number)) for number in range(1, 3_001)]
    assert await unacknowledged(store) == 0


async def test_it_takes_over_what_a_dead_consumer_left(valkey_url: str, store: Redis, file: Path) -> None:
    await killed_before_it_commits(valkey_url, store, file, "dead")
    await once(valkey_url, file, "--consumer", "heir")
    assert journaled(file) == []  # It may be alive yet: it hasn't held them for long.
    await once(valkey_url, file, "--consumer", "heir", "--idle", "0")
    assert journaled(file) == THREE_ORDERS
    assert await unacknowledged(store) == 0


@pytest.mark.parametrize("words", [("--consumer", "one"), ("--consumer", "heir", "--idle", "0")])
async def test_it_tells_what_was_trimmed_before_it_was_kept(
    valkey_url: str, store: Redis, file: Path, words: tuple[str, ...]
) -> None:
    await killed_before_it_commits(valkey_url, store, file, "one")
    await store.xtrim(KEYS.orders, maxlen=1, approximate=False)
    journal = await once(valkey_url, file, *words)
    assert journaled(file) == THREE_ORDERS[2:]
    assert journal.errors == [f"2 of {KEYS.orders} were trimmed before they could be kept"]
    assert await unacknowledged(store) == 0


async def test_two_journals_share_the_work(valkey_url: str, file: Path) -> None:
    async with (
        following(valkey_url, file, "--consumer", "one") as one,
        following(valkey_url, file, "--consumer", "two") as two,
    ):
        await publish(valkey_url, *orders(2_000))
        await wait_until(lambda: one.lines + two.lines != [] and len(journaled(file)) == 2_000, "all orders kept")


async def test_it_goes_on_after_a_restart_of_redis(tmp_path: Path, file: Path) -> None:
    async with EmbeddedServer(tmp_path / "server", port=own_port()) as server:
        await publish(server.url, *orders(1))
        async with following(server.url, file) as journal:
            await journal.says(1)
            await server.stop()
            await journal.complains("waiting: ")
            await server.start()
            await publish(server.url, *orders(2, first=2))
            await journal.says(2)
            await wait_until(lambda: journaled(file) == THREE_ORDERS, "all orders kept")


@asynccontextmanager
async def losing_a_reply(url: str) -> AsyncIterator[str]:
    """A way to Redis that is cut, once, in the place of the first reply that has an order in it."""
    address = urlsplit(url)
    cut: list[bytes] = []
    connections: list[asyncio.Task[None] | None] = []

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, replies: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(1_000_000):
                if replies and not cut and b"order_id" in data:
                    cut.append(data)
                    break
                writer.write(data)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        there, back = await asyncio.open_connection(address.hostname, address.port)
        await asyncio.gather(pass_on(reader, back, replies=False), pass_on(there, writer, replies=True))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as proxy:
        yield f"redis://127.0.0.1:{proxy.sockets[0].getsockname()[1]}/0"
        await asyncio.gather(*filter(None, connections))
    assert cut


async def test_a_reply_lost_on_the_way_is_asked_for_again(valkey_url: str, file: Path) -> None:
    async with losing_a_reply(valkey_url) as url, following(url, file) as journal:
        await publish(valkey_url, *orders(3))
        await journal.complains("waiting: ")
        await wait_until(lambda: journaled(file) == THREE_ORDERS, "all orders kept")


async def test_it_goes_on_with_an_emptied_store(valkey_url: str, store: Redis, file: Path) -> None:
    await publish(valkey_url, *orders(1))
    async with following(valkey_url, file) as journal:
        await journal.says(1)
        await store.flushall()
        await journal.complains("waiting: ")
        await publish(valkey_url, *orders(2, first=2))
        await journal.says(2)
        await wait_until(lambda: journaled(file) == THREE_ORDERS, "all orders kept")


async def test_with_once_a_store_out_of_reach_is_an_error(tmp_path: Path, file: Path) -> None:
    async with EmbeddedServer(tmp_path / "server", port=own_port(), persistent=False) as server:
        url = server.url
    async with sample("order_journal.py", "--db", file, "--once", url=url) as journal:
        assert await journal.ended() == 1
        assert len(journal.errors) == 1
        assert journal.errors[0].startswith("error: ")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
async def test_asked_to_end_it_ends_cleanly(valkey_url: str, file: Path, ending: signal.Signals) -> None:
    await publish(valkey_url, ORDER)
    async with following(valkey_url, file) as journal:
        await journal.says(1)
        journal.process.send_signal(ending)
        assert await journal.ended() == 0
        assert journal.errors == []
    assert journaled(file) == [("order", "1")]
