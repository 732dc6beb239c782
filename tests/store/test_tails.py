"""The last entries of many closed streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis.exceptions import RedisError

from bridge.records import Kline, fields_of
from bridge.store import client
from bridge.store.tails import Tails
from bridge.values import Secret
from tests.store.support import APPENDS, KEYS, KLINE, MINUTE_MS, OPEN_TIME, changed, run

if TYPE_CHECKING:
    from redis.asyncio import Redis


def closed(symbol: str, number: int = 0, timeframe: str = "1m", **changes: str) -> Kline:
    """The candle so many minutes after the first."""
    open_time = OPEN_TIME + number * MINUTE_MS
    return changed(KLINE, symbol=symbol, timeframe=timeframe, open_time=open_time, closed=1, **changes)


async def bring(store: Redis, *klines: Kline) -> None:
    for kline in klines:
        await run(store, APPENDS.closed(kline, "jump", MINUTE_MS, lambda _: None))


async def test_each_streams_last_candle_is_read_as_it_was_written(store: Redis) -> None:
    last = closed("BTCUSDT", 2, volume="0.10", source="empty")
    hour = closed("BTCUSDT", timeframe="1h", close="9")
    await bring(store, closed("BTCUSDT"), closed("BTCUSDT", 1), last, hour, closed("ETHUSDT"))
    series = [("BTCUSDT", "1m"), ("BTCUSDT", "1h"), ("ETHUSDT", "5m")]
    assert await Tails(store, KEYS).read(series) == {series[0]: last, series[1]: hour, series[2]: None}


async def test_nothing_asked_is_nothing_read(store: Redis) -> None:
    assert await Tails(store, KEYS).read([]) == {}


async def test_more_than_one_flight_of_streams_is_read(store: Redis) -> None:
    names = [f"S{number:04}USDT" for number in range(1_201)]
    async with store.pipeline(transaction=False) as pipe:
        for number, name in enumerate(names):
            if number % 3:
                kline = closed(name, number)
                fields = fields_of(kline)
                entry = dict(zip(fields[::2], fields[1::2], strict=True))
                pipe.xadd(KEYS.closed_klines(name, "1m"), entry, id=f"{kline.open_time}-0")  # type: ignore[arg-type]  # invariant
        await pipe.execute()
    found = await Tails(store, KEYS).read([(name, "1m") for name in names])
    assert found == {(name, "1m"): closed(name, number) if number % 3 else None for number, name in enumerate(names)}


@pytest.mark.parametrize(
    "change",
    [{"open_time": "soon"}, {"close": "much"}, {"volume": "1,5"}, {"received_at": ""}],
)
async def test_a_stream_that_ends_with_nothing_of_ours_is_left_out_and_the_others_are_read(
    store: Redis, change: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    good = closed("ETHUSDT")
    await bring(store, closed("BTCUSDT"), good)
    fields = fields_of(closed("BTCUSDT"))
    odd = dict(zip(fields[::2], fields[1::2], strict=True)) | change
    await store.xadd(KEYS.closed_klines("BTCUSDT", "1m"), odd)  # type: ignore[arg-type]  # invariant
    assert await Tails(store, KEYS).read([("BTCUSDT", "1m"), ("ETHUSDT", "1m")]) == {("ETHUSDT", "1m"): good}
    assert "bitmart:klines:{BTCUSDT}:1m:closed does not end with a candle" in caplog.text


async def test_neither_foreign_entries_nor_foreign_keys_stop_the_reading(store: Redis) -> None:
    await store.xadd(KEYS.closed_klines("BTCUSDT", "1m"), {"hello": "world"})
    await store.set(KEYS.closed_klines("ETHUSDT", "1m"), "no stream at all")
    await bring(store, good := closed("SOLUSDT"))
    series = [("BTCUSDT", "1m"), ("ETHUSDT", "1m"), ("SOLUSDT", "1m")]
    assert await Tails(store, KEYS).read(series) == {("SOLUSDT", "1m"): good}


async def test_a_server_out_of_reach_is_told() -> None:
    nowhere = client.commands(Secret("redis://127.0.0.1:1"))
    with pytest.raises(RedisError):
        await Tails(nowhere, KEYS).read([("BTCUSDT", "1m")])
    await nowhere.aclose()
