"""The demonstration, as a newcomer starts it: curled, read, stopped, and held against the truth that was dealt."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from redis.asyncio import Redis

from bridge.store import reader
from tests.scenarios.stage import Api, Program
from tests.support import wait_until


async def test_the_demonstration_shows_true_candles_orders_fills_and_positions(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    demo = Program("demo", tmp_path, {"CTRL_ADDR": "127.0.0.1:0"}, "up", "--demo", "--ledger", str(ledger))
    demo.start()
    try:
        await demo.says("Stop       Ctrl-C")
        api = Api(found(r"Control +(http\S+)", demo.text))
        redis = Redis.from_url(found(r"Redis +(redis\S+)", demo.text), decode_responses=True)

        answer = await api.post("/klines/subscribe?wait=active", {"symbol": "BTCUSDT", "tfs": ["5m"]})
        assert answer["ok"] is True
        # The first candle was under way when the simulator began: the second one is in its ledger whole.
        await wait_until(lambda: len(re.findall("BTCUSDT +1m.*CLOSED", demo.text)) > 1, "candles close", 40)
        for kind in ("order ", "fill ", "position "):
            await demo.says(kind, 40)
        await wait_until(lambda: "filled (filled" in demo.text, "an order's life ends", 40)

        klines = await entries(redis, "bitmart:klines:{BTCUSDT}:1m")
        fills = await entries(redis, "bitmart:fills:{main}")
        await redis.aclose()
        await api.close()
        assert await demo.stop() == 0
    finally:
        demo.kill()

    truth = [msgspec.json.decode(line) for line in ledger.read_bytes().splitlines()]
    final = {
        fact["open_time"]: fact
        for fact in truth
        if fact["fact"] == "candle" and fact["symbol"] == "BTCUSDT" and fact["timeframe"] == "1m"
    }
    over = [entry for entry in klines if entry["closed"] == "1" and int(entry["open_time"]) in final]
    assert over
    for entry in over:
        candle = final[int(entry["open_time"])]
        # The socket may keep a candle's last state to itself: the volume shown can only be behind.
        assert entry["open"] == candle["open"]
        assert int(entry["volume"]) <= int(candle["volume"])
    dealt = {str(fact["trade_id"]): fact for fact in truth if fact["fact"] == "fill"}
    fills = [entry for entry in fills if entry["type"] == "fill"]
    assert fills
    for entry in fills:
        assert entry["price"] == dealt[entry["trade_id"]]["price"]
        assert entry["size"] == dealt[entry["trade_id"]]["size"]


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, f"{pattern} in:\n{text}"
    return match.group(1)


async def entries(redis: Redis, stream: str) -> list[dict[str, str]]:
    return [dict(fields) for _, fields in await reader.newest(redis, stream, 100_000)]
