"""A market that was recorded, played to a bridge."""

from __future__ import annotations

from pathlib import Path

from bridge.simulator.recording import Recording
from bridge.simulator.replay import Replay
from tests.ingest.rig import quick
from tests.scenarios.whole import BTC, LIVE, Whole, market, until_equal, whole
from tests.support import wait_until
from tests.test_recorder import last_words, recording, stretched


async def test_what_was_recorded_can_be_played(tmp_path: Path, valkey_url: str) -> None:
    """What was recorded can be played."""
    # `record` keeps each frame as it came.
    async with market() as exchange, recording(quick(exchange), tmp_path, BTC) as (files, _):
        await wait_until(lambda: files.frames > 25, "some minutes of the market are recorded", 20)
    taped = Recording.open([stretched(files, exchange)])

    # `simulate --replay` plays them to whoever subscribes; the bridge makes of them what the exchange showed.
    async with Replay(taped, speed=60, lead_s=1) as replay, whole(replay, valkey_url) as bridge:
        await bridge.post("/klines/subscribe", symbol="BTCUSDT", tfs="1m")
        await until_equal(lambda: shown(bridge), last_words(taped))


async def shown(bridge: Whole) -> dict[int, tuple[str, str]]:
    """Return close and volume of each candle as the stream shows them last, by its open."""
    return {int(entry["open_time"]): (entry["close"], entry["volume"]) for entry in await bridge.read(LIVE)}
