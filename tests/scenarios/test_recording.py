"""A market that was recorded, played to a bridge."""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec

from bridge.frames import FrameFiles
from bridge.simulator import Simulator
from bridge.simulator.recorded.recording import Recording
from bridge.simulator.recorded.replay import Replay
from tests.ingest.rig import START, quick
from tests.scenarios.whole import BTC, LIVE, Whole, market, until_equal, whole
from tests.support import wait_until
from tests.test_recorder import recording


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


def stretched(files: FrameFiles, simulator: Simulator) -> Path:
    """The recording with the simulator's hurried time as the time of arrival, as it is with a real exchange."""
    first, *others = gzip.decompress(files.files[0].read_bytes()).splitlines()
    lines = [msgspec.json.decode(line) for line in others]
    began = lines[0]["at"]
    for line in lines:
        line["at"] = START + int((line["at"] - began) * simulator.scenario.rate)
    path = files.files[0].with_name("stretched.jsonl")
    path.write_bytes(b"\n".join([first, *map(msgspec.json.encode, lines), b""]))
    return path


def last_words(taped: Recording) -> dict[int, tuple[str, str]]:
    """Close and volume of each recorded candle as they were shown last, by its open in milliseconds."""
    items = [msgspec.json.decode(heard.data)["items"][0] for heard in taped]
    return {item["ts"] // 60 * 60_000: (item["c"], item["v"]) for item in items}
