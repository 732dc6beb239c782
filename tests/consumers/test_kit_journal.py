"""`consumers/kit_journal.py`, as a process against a real server."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from redis.asyncio import Redis

from tests.consumers.support import KEYS, orders, publish, sample
from tests.store.support import FILL
from tests.support import wait_until


def rows(file: Path) -> list[str]:
    """Return the streams of all rows."""
    with closing(sqlite3.connect(file)) as db:
        return [stream for (stream,) in db.execute("SELECT stream FROM journal ORDER BY stream")]


async def test_killed_at_any_moment_it_keeps_everything_once(valkey_url: str, store: Redis, tmp_path: Path) -> None:
    file = tmp_path / "kit.db"
    await publish(valkey_url, *orders(120), FILL)
    async with sample("kit_journal.py", "--db", file, url=valkey_url) as journal:
        await journal.says(30)
        await journal.kill()
    async with sample("kit_journal.py", "--db", file, url=valkey_url) as journal:
        await wait_until(lambda: len(rows(file)) == 121, "all of them kept", 30)

        async def all_acknowledged() -> bool:
            return not any([(await store.xpending(key, "kit-journal"))["pending"] for key in (KEYS.orders, KEYS.fills)])

        await wait_until(all_acknowledged, "all of them acknowledged", 30)
        journal.process.send_signal(signal.SIGTERM)
        assert await journal.ended() == 0
    assert rows(file) == [KEYS.fills] + [KEYS.orders] * 120


async def test_what_cannot_be_read_is_put_aside_and_the_rest_kept(
    valkey_url: str, store: Redis, tmp_path: Path
) -> None:
    await store.xadd(KEYS.orders, {"type": "order", "v": "2"})
    await publish(valkey_url, *orders(1))
    async with sample("kit_journal.py", "--db", tmp_path / "kit.db", url=valkey_url) as journal:
        await journal.says(1)
    assert await store.xlen(KEYS.dead_letters(KEYS.orders, "kit-journal")) == 1
