"""`consumers/position_alert.py`, as a process against a real server."""

from __future__ import annotations

import signal
from pathlib import Path

from redis.asyncio import Redis

from tests.consumers.support import publish, sample
from tests.store.support import KEYS, POSITION, changed
from tests.support import wait_until


async def test_it_tells_each_change_and_after_a_restart_what_changed_meanwhile(valkey_url: str, store: Redis) -> None:
    await publish(valkey_url, POSITION)
    async with sample("position_alert.py", url=valkey_url) as alert:
        assert await alert.says(1) == ["BTCUSDT long: 4 at 100"]
        await publish(valkey_url, changed(POSITION, size="6", updated_at=2_000))
        assert (await alert.says(2))[1] == "BTCUSDT long: 6 at 100, was 4"

        async def kept() -> bool:
            return str(await store.hget(KEYS.reader("position-alert"), KEYS.positions)).endswith(" 2")

        await wait_until(kept, "its position kept")
        alert.process.send_signal(signal.SIGINT)
        assert await alert.ended() == 0
        assert alert.errors == []
    await publish(valkey_url, changed(POSITION, size="0", updated_at=3_000))
    async with sample("position_alert.py", url=valkey_url) as alert:
        assert await alert.says(1) == ["BTCUSDT long: flat"]


async def test_it_runs_a_program_with_the_text(valkey_url: str, tmp_path: Path) -> None:
    program = tmp_path / "notify"
    program.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/told\n', encoding="utf-8")
    program.chmod(0o755)
    await publish(valkey_url, POSITION)
    async with sample("position_alert.py", "--run", program, url=valkey_url):
        told = tmp_path / "told"
        await wait_until(lambda: told.exists() and told.read_text() != "", "the program run")
    assert told.read_text() == "BTCUSDT long: 4 at 100\n"
