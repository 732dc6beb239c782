"""Recording an exchange, and playing the recording to a bridge."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bridge import exchanges
from bridge.errors import RecordError
from bridge.frames import FrameFiles
from bridge.recorder import Recorder
from bridge.settings import Settings
from bridge.simulator import Simulator
from bridge.simulator.recorded.recording import Recording
from bridge.store.desired import Desired
from bridge.store.keys import Keys
from bridge.values import Secret
from tests.ingest.rig import BTC, ETH, ORDERS, market, quick
from tests.support import wait_until


@asynccontextmanager
async def recording(settings: Settings, folder: Path, *topics: str) -> AsyncIterator[tuple[FrameFiles, list[str]]]:
    said: list[str] = []
    stop = asyncio.Event()
    files = FrameFiles(folder, {}, largest_mb=64, longest_s=3_600)
    running = asyncio.create_task(Recorder(settings, exchanges.chosen(settings), topics).run(stop, files, said.append))
    try:
        yield files, said
    finally:
        stop.set()
        await running
        await asyncio.to_thread(files.close)


def pushed(files: FrameFiles, topic: str) -> list[str]:
    return [str(heard.payload) for heard in Recording.open(files.files) if heard.topic == topic]


async def test_frames_of_named_topics_are_kept_public_and_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: Counter[str] = Counter()
    take = FrameFiles.take

    def counted(files: FrameFiles, side: str, frame: str | bytes, at: int) -> None:
        taken[side] += 1
        take(files, side, frame, at)

    monkeypatch.setattr(FrameFiles, "take", counted)
    async with market(trading=True, order_interval_s=2) as simulator:
        async with recording(quick(simulator), tmp_path, BTC, ORDERS) as (files, _):
            # The first of them are answers.
            await wait_until(lambda: min(taken["public"], taken["private"]) > 10, "frames come")
        assert pushed(files, BTC)
        assert pushed(files, ORDERS)
        assert simulator.scenario.api_key not in "".join(map(str, Recording.open(files.files)))


async def test_no_connection_holds_more_topics_than_it_may(tmp_path: Path) -> None:
    topics = [f"futures/klineBin{frame}:{symbol}" for frame in ("1m", "5m") for symbol in ("BTCUSDT", "ETHUSDT")]
    async with market() as simulator:
        settings = quick(simulator, topics_per_connection=2)
        async with recording(settings, tmp_path, *topics, "futures/klineBin15m:BTCUSDT") as (files, _):
            await wait_until(lambda: len(topics_held(simulator)) == 5, "all topics are held")
            sizes = sorted(len(socket.topics) for socket in simulator.sockets if socket.topics)
            assert sizes == [1, 2, 2]
            await wait_until(lambda: files.frames > 100, "frames come, of each topic many")
        await wait_until(lambda: not list(simulator.sockets), "the sockets are closed")
        assert all(pushed(files, topic) for topic in topics)


async def test_topics_beyond_all_connections_wait_and_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    topics = [f"futures/klineBin{frame}:BTCUSDT" for frame in ("1m", "5m", "15m", "30m")]
    async with market() as simulator:
        settings = quick(simulator, topics_per_connection=1, max_connections=3)
        async with recording(settings, tmp_path, *topics):
            await wait_until(lambda: len(topics_held(simulator)) == 2, "as many are held as may be")
    assert "2 topics wait: no room: 2 connections of 1 topics are full" in caplog.text


async def test_without_names_the_wishes_are_recorded_as_they_change(
    tmp_path: Path, valkey_url: str, store: Redis
) -> None:
    async with market() as simulator:
        settings = dataclasses.replace(quick(simulator), redis_url=Secret(valkey_url), reconcile_interval_s=0.05)
        desired = Desired(store, Keys(settings.bridge_prefix, settings.bitmart_account))
        await desired.change("shared", add=[BTC, "nonsense"])
        async with recording(settings, tmp_path):
            await wait_until(lambda: topics_held(simulator) == {BTC}, "the first wish is held")
            await desired.change("shared", add=["futures/klineBin5m:*"], remove=[BTC])
            await wait_until(
                lambda: ETH in topics_held(simulator) and BTC not in topics_held(simulator), "the wishes are followed"
            )


def topics_held(simulator: Simulator) -> set[str]:
    return {topic for socket in simulator.sockets for topic in socket.topics}


@pytest.mark.parametrize(
    ("topic", "told"),
    [("nonsense", "is no topic"), ("futures/klineBin7m:BTCUSDT", "is no topic"), (ORDERS, "credentials")],
)
def test_what_cannot_be_recorded_is_named(topic: str, told: str) -> None:
    settings = Settings()
    with pytest.raises(RecordError, match=told):
        Recorder(settings, exchanges.chosen(settings), [topic])
