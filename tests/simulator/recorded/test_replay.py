"""A recording played to a client over real sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.simulator.recorded.recording import Recording
from bridge.simulator.recorded.replay import Replay
from tests.simulator.clients import START, Talk, get, public
from tests.simulator.recorded.test_recording import HEAD, KLINE, data, line, write

if TYPE_CHECKING:
    from pathlib import Path

KLINES = "/contract/public/kline"


def candle(at: int, close: str, volume: str) -> str:
    item = {"o": "1", "h": "9", "l": "1", "c": close, "v": volume, "ts": at // 1000}
    return data(KLINE, symbol="BTCUSDT", items=[item])


def recorded(folder: Path) -> Recording:
    frames = [
        line(START + 1_000, candle(START, "2", "10")),
        line(START + 2_000, "rubbish{"),
        line(START + 3_000, candle(START, "3", "11")),
        line(START + 61_000, candle(START + 60_000, "4", "1")),
    ]
    return Recording.open([write(folder / "a.gz", HEAD, *frames)])


async def frames_until_the_end(talk: Talk, replay: Replay) -> list[str | bytes]:
    await replay.ended.wait()
    await talk.send(action="ping")
    received: list[str | bytes] = []
    while "System" not in str(frame := await talk.raw()):
        received.append(frame)
    return received


async def test_a_subscriber_gets_every_frame_as_it_was_recorded(tmp_path: Path) -> None:
    recording = recorded(tmp_path)
    async with Replay(recording, speed=600, lead_s=0.3) as replay, public(replay) as talk:
        await talk.subscribe(KLINE)
        assert not replay.ended.is_set(), "the recording's time begins with the first request by REST"
        await get(replay, "/system/time")
        assert await frames_until_the_end(talk, replay) == [heard.payload for heard in recording]


async def test_who_holds_no_topic_gets_only_what_has_none(tmp_path: Path) -> None:
    async with Replay(recorded(tmp_path), speed=600, lead_s=0.1) as replay, public(replay) as talk:
        await get(replay, "/system/time")
        assert await frames_until_the_end(talk, replay) == ["rubbish{"]


async def test_rest_knows_the_candles_played_so_far_and_the_recordings_time(tmp_path: Path) -> None:
    async with Replay(recorded(tmp_path), speed=600, lead_s=0.1) as replay:
        time = await get(replay, "/system/time")
        assert START - 60_000 <= time.json()["data"]["server_time"] <= START + 60_000
        await replay.ended.wait()
        answer = await get(
            replay, KLINES, symbol="BTCUSDT", step=1, start_time=START // 1000, end_time=START // 1000 + 60
        )
        rows = answer.json()["data"]
        assert [(row["timestamp"], row["close_price"], row["volume"]) for row in rows] == [
            (START // 1000, "3", "11"),
            (START // 1000 + 60, "4", "1"),
        ]
        (listed,) = (await get(replay, "/contract/public/details")).json()["data"]["symbols"]
        assert (listed["symbol"], listed["status"], listed["last_price"]) == ("BTCUSDT", "Trading", "4")


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("/contract/private/position-v2", {}, 503, 30014),
        ("/unheard/of", {}, 404, 30000),
        (KLINES, {"symbol": "XUSDT", "step": "1", "start_time": "1", "end_time": "2"}, 400, 40034),
        (KLINES, {"symbol": "BTCUSDT", "step": "x", "start_time": "1", "end_time": "2"}, 400, 40038),
        (KLINES, {"symbol": "BTCUSDT", "step": "1", "start_time": "2", "end_time": "1"}, 400, 40039),
    ],
)
async def test_what_a_recording_cannot_know_is_refused(
    tmp_path: Path, path: str, query: dict[str, str], status: int, code: int
) -> None:
    async with Replay(recorded(tmp_path)) as replay:
        answer = await get(replay, path, **query)
        assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_symbol_that_was_not_recorded_has_no_topics(tmp_path: Path) -> None:
    async with Replay(recorded(tmp_path)) as replay, public(replay) as talk:
        (answer,) = await talk.subscribe("futures/klineBin1m:ETHUSDT")
        assert answer["success"] is False
