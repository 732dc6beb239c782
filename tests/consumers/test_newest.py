"""`consumers/newest.py`, as a process against a real server."""

from __future__ import annotations

import signal
from pathlib import Path

from redis.asyncio import Redis

from bridge.store.embedded.server import EmbeddedServer
from tests.consumers.support import candle, publish, sample
from tests.store.processes import own_port
from tests.store.support import APPENDS, changed, said


async def test_it_shows_the_newest_of_each_symbol_and_then_each_change(valkey_url: str) -> None:
    other_timeframe = changed(candle(9), timeframe="5m")
    await publish(valkey_url, candle(0), candle(1, close="12"), candle(0, symbol="ETHUSDT"), other_timeframe)
    async with sample("newest.py", "1m", url=valkey_url) as newest:
        assert await newest.says(2) == [
            "BTCUSDT      2026-08-03 03:23 live   12 100",
            "ETHUSDT      2026-08-03 03:22 live   11 100",
        ]
        await publish(valkey_url, candle(0, symbol="ETHUSDT", closed=1))
        assert (await newest.says(3))[2:] == ["ETHUSDT      2026-08-03 03:22 closed 11 100"]


async def test_of_changes_that_come_together_it_shows_the_last(valkey_url: str, store: Redis) -> None:
    await publish(valkey_url, candle(0))
    async with sample("newest.py", "1m", url=valkey_url) as newest:
        await newest.says(1)
        assert await said(store, candle(0)) == [0], "the server knows the script from here on"
        async with store.pipeline(transaction=True) as together:
            for close in ("12", "13", "14"):
                together.execute_command(*APPENDS.of(candle(0, close=close)).command)
            assert await together.execute() == [1, 1, 1]
        await newest.says(2)
        await publish(valkey_url, candle(1, close="15"))
        assert [line.split()[4] for line in await newest.says(3)] == ["11", "14", "15"]


async def test_it_finds_symbols_that_come_later(valkey_url: str) -> None:
    async with sample("newest.py", "1m", url=valkey_url) as newest:
        await newest.complains("no candles of 1m yet")
        await publish(valkey_url, candle(0))
        await newest.says(1)
        await publish(valkey_url, candle(0, symbol="ETHUSDT"))
        assert [line.split()[0] for line in await newest.says(2)] == ["BTCUSDT", "ETHUSDT"]


async def test_it_waits_for_redis_and_goes_on_with_an_emptied_store(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path, port=own_port(), persistent=False) as server:
        await publish(server.url, candle(0))
        async with sample("newest.py", "1m", url=server.url) as newest:
            await newest.says(1)
            await server.stop()
            await newest.complains("waiting: ")
            await server.start()
            await publish(server.url, candle(1))
            assert [line.split()[2] for line in await newest.says(2)] == ["03:22", "03:23"]


async def test_an_interrupt_ends_it_without_a_traceback(valkey_url: str) -> None:
    await publish(valkey_url, candle(0))
    async with sample("newest.py", "1m", url=valkey_url) as newest:
        await newest.says(1)
        newest.process.send_signal(signal.SIGINT)
        assert await newest.ended() == -signal.SIGINT
        assert newest.errors == []


async def test_without_a_timeframe_it_says_how_it_is_used(valkey_url: str) -> None:
    async with sample("newest.py", url=valkey_url) as newest:
        assert await newest.ended() == 1
        assert "newest.py 1m" in newest.errors[0]
