"""`consumers/candles.py`, as a process against a real server."""

from __future__ import annotations

import signal
from pathlib import Path

from bridge.store.embedded.server import EmbeddedServer
from tests.consumers.support import SAMPLES, candle, publish, sample
from tests.store.processes import own_port


def test_it_is_shorter_than_thirty_lines() -> None:
    assert len((SAMPLES / "candles.py").read_text(encoding="utf-8").splitlines()) < 30


async def test_it_prints_what_is_kept_and_then_what_comes(valkey_url: str) -> None:
    await publish(valkey_url, candle(0, close="10"))
    await publish(valkey_url, candle(0, close="11", closed=1))
    async with sample("candles.py", "BTCUSDT", "1m", url=valkey_url) as candles:
        await candles.says(2)
        await publish(valkey_url, candle(1, close="12"), candle(1, symbol="ETHUSDT"))
        assert await candles.says(3) == [
            "2026-08-03 03:22 live   10 100",
            "2026-08-03 03:22 closed 11 100",
            "2026-08-03 03:23 live   12 100",
        ]


async def test_it_goes_on_after_a_restart_of_redis(tmp_path: Path) -> None:
    async with EmbeddedServer(tmp_path, port=own_port()) as server:
        await publish(server.url, candle(0))
        async with sample("candles.py", "BTCUSDT", "1m", url=server.url) as candles:
            await candles.says(1)
            await server.stop()
            await server.start()
            await publish(server.url, candle(1))
            lines = await candles.says(2)
            assert [line.split()[1] for line in lines] == ["03:22", "03:23"]


async def test_without_a_symbol_it_says_how_it_is_used(valkey_url: str) -> None:
    async with sample("candles.py", url=valkey_url) as candles:
        assert await candles.ended() == 1
        assert "candles.py BTCUSDT 1m" in candles.errors[0]


async def test_an_interrupt_ends_it_without_a_traceback(valkey_url: str) -> None:
    await publish(valkey_url, candle(0))
    async with sample("candles.py", "BTCUSDT", "1m", url=valkey_url) as candles:
        await candles.says(1)
        candles.process.send_signal(signal.SIGINT)
        assert await candles.ended() == -signal.SIGINT
        assert candles.errors == []
