"""`consumers/moving_average.py`, as a process against a real server."""

from __future__ import annotations

import time

from bridge.records import Kline
from tests.consumers.support import candle, publish_closed, sample
from tests.store.support import MINUTE_MS, changed

WORDS = ("moving_average.py", "BTCUSDT", "1m", "--fast", "1", "--slow", "2")


def recent(closes: list[str]) -> list[Kline]:
    """Return closed candles of these closes, the last of which ended a moment ago."""
    first = time.time_ns() // 1_000_000 // MINUTE_MS * MINUTE_MS - len(closes) * MINUTE_MS
    opens = [first + number * MINUTE_MS for number in range(len(closes))]
    return [
        changed(candle(0, close=close, closed=1), open_time=start, close_time=start + MINUTE_MS - 1)
        for start, close in zip(opens, closes, strict=True)
    ]


async def test_it_buys_and_sells_where_the_averages_cross(valkey_url: str) -> None:
    past, *coming = recent(["10", "12", "14", "11", "9"])
    await publish_closed(valkey_url, past)
    async with sample(*WORDS, "--late", "600", url=valkey_url) as bot:
        assert await bot.says(1) == ["1 candles of the past"]
        await publish_closed(valkey_url, *coming)
        trades = [line[17:] for line in (await bot.says(3))[1:]]
        assert trades == ["buy at 12", "sell at 11, earned -1"]


async def test_it_trades_on_no_candle_that_comes_late_and_averages_no_lost_one(valkey_url: str) -> None:
    late = [candle(number, close=close, closed=1) for number, close in enumerate(["10", "12", "14"])]
    lost = changed(candle(3, closed=1), source="lost", open="", high="", low="", close="", volume="")
    await publish_closed(valkey_url, late[0])
    async with sample(*WORDS, url=valkey_url) as bot:
        await bot.says(1)
        await publish_closed(valkey_url, *late[1:], lost)
        assert [line[17:] for line in (await bot.says(4))[1:]] == [
            "close 12: no trade",
            "close 14: no trade",
            "close : no trade",
        ]
        assert bot.errors == []
