"""The stage's store: however it ends, it is there again when the stage says so."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.plan import drawn
from tests.chaos.stage import Stage


async def test_a_store_that_is_killed_is_gone_before_it_is_started_again(tmp_path: Path) -> None:
    stage = Stage(drawn(1, 1.0, symbols=1), tmp_path)
    await stage.start_store()
    try:
        first = stage.store.pid
        await stage.kill_store()
        await stage.start_store()
        assert stage.store.pid != first
        async with stage.redis() as redis:
            assert await redis.config_get("appendfsync") == {"appendfsync": "always"}
    finally:
        await stage.store.stop()
