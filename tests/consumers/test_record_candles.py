"""`consumers/record_candles.py`, as a process against a real server."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from redis.asyncio import Redis

from tests.consumers.support import KEYS, candle, publish_closed, sample

WORDS = ("record_candles.py", "BTCUSDT", "1m", "--to")
# The first candle is of 03:22, so the last minute of the day is the 1237th after it.
LAST = 1_237


def recorded(folder: Path) -> list[str]:
    """Return the opens of all candles in the files, in the files' order."""
    files = sorted(folder.glob("*.parquet"))
    return [f"{open_time:%d %H:%M}" for file in files for open_time in pl.read_parquet(file)["open_time"]]


async def test_it_records_each_candle_once_a_file_a_day_over_restarts(valkey_url: str, tmp_path: Path) -> None:
    await publish_closed(valkey_url, *(candle(number, closed=1) for number in range(LAST - 2, LAST + 1)))
    async with sample(*WORDS, tmp_path, url=valkey_url) as recorder:
        await recorder.says(1)
        await publish_closed(valkey_url, candle(LAST + 1, closed=1))
        assert await recorder.says(2) == [
            "3 candles in BTCUSDT-1m-2026-08-03.parquet",
            "1 candles in BTCUSDT-1m-2026-08-04.parquet",
        ]
        await recorder.kill()
    await publish_closed(valkey_url, candle(LAST + 2, closed=1, close="7"))
    async with sample(*WORDS, tmp_path, url=valkey_url) as recorder:
        await recorder.says(1)
        assert recorder.errors == []
    assert recorded(tmp_path) == ["03 23:57", "03 23:58", "03 23:59", "04 00:00", "04 00:01"]
    assert pl.read_parquet(tmp_path / "BTCUSDT-1m-2026-08-04.parquet")["close"].to_list() == ["11", "7"]


async def test_it_says_what_was_trimmed_while_it_was_away(valkey_url: str, store: Redis, tmp_path: Path) -> None:
    await publish_closed(valkey_url, candle(0, closed=1))
    async with sample(*WORDS, tmp_path, url=valkey_url) as recorder:
        await recorder.says(1)
    await publish_closed(valkey_url, *(candle(number, closed=1) for number in range(1, 4)))
    await store.xtrim(KEYS.closed_klines("BTCUSDT", "1m"), maxlen=1, approximate=False)
    async with sample(*WORDS, tmp_path, url=valkey_url) as recorder:
        await recorder.complains("trimmed before they were recorded")
        await recorder.says(1)
    assert recorded(tmp_path) == ["03 03:22", "03 03:25"]
