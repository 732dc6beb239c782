"""Starting, stopping, starting again, and the simulator's own HTTP surface."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import bridge.simulator
from bridge.simulator import Scenario, Simulator
from tests.simulator.clients import START, data, get, private, public, quiet

KLINE = "futures/klineBin1m:BTCUSDT"


async def test_an_outage_keeps_the_port_and_the_market_goes_on() -> None:
    simulator = Simulator(Scenario(start=START, rate=600.0, order_interval_s=5))
    await simulator.start()
    port = simulator.port
    async with public(simulator) as talk:
        await talk.subscribe(KLINE)
        await talk.data(KLINE)
        stopped_at = simulator.now
        await simulator.stop(abrupt=True)
        await talk.closed()
        assert talk.socket.close_code == 1006
    assert not simulator.running
    with pytest.raises(OSError, match="Connect"):
        async with public(simulator):
            pass
    while simulator.now < stopped_at + 120_000:
        await get_nothing()
    await simulator.start()
    try:
        assert simulator.port == port
        missed = simulator.ledger.select("candle", symbol="BTCUSDT", timeframe="1m")
        opens = [int(str(fact["open_time"])) for fact in missed]
        assert opens == list(range(opens[0], opens[-1] + 1, 60_000))
        assert opens[-1] >= stopped_at + 60_000 - 120_000
        assert any(int(str(fact["at"])) > stopped_at for fact in simulator.ledger.select("order"))
        async with public(simulator) as talk:
            await talk.subscribe(KLINE)
            assert await talk.data(KLINE)
    finally:
        await simulator.stop()


async def get_nothing() -> None:
    """Let the loop turn once."""
    simulator = Simulator(quiet())
    async with simulator:
        await get(simulator, "/system/time")


async def test_stopping_closes_with_1001() -> None:
    simulator = Simulator(quiet())
    async with simulator, public(simulator) as talk:
        await simulator.stop()
        await talk.closed()
        assert talk.socket.close_code == 1001
    await simulator.stop()


async def test_statistics_count_what_happened() -> None:
    async with Simulator(quiet(rate=600.0)) as simulator, public(simulator) as talk, private(simulator):
        await talk.subscribe(KLINE, "futures/ticker")
        await talk.data(KLINE)
        await data(simulator, "/system/time")
        stats = (await get(simulator, "/simulator/stats")).json()
    assert stats["topics"] == {"public-1": [KLINE, "futures/ticker"], "private-2": []}
    assert (stats["sockets_opened"], stats["sockets_open"], stats["logins"], stats["frames_in"]) == (2, 2, 1, 2)
    assert stats["frames_out"] >= 4
    assert stats["requests"] == {"/system/time": 1}
    assert stats["statuses"] == {"200": 1}
    assert simulator.stats.topics == {}


async def test_faults_are_shown_and_set_over_http() -> None:
    async with Simulator(quiet()) as simulator, public(simulator) as talk:
        shown = (await get(simulator, "/simulator/faults", stall="true", delay_frames="0.5")).json()
        assert (shown["stall"], shown["delay_frames"], shown["no_pong"]) == (True, 0.5, False)
        assert simulator.faults.active() == {"stall": True, "delay_frames": 0.5}
        wrong = await get(simulator, "/simulator/faults", stall="maybe")
        assert (wrong.status_code, wrong.json()) == (400, {"error": "stall must be true or false, not 'maybe'"})
        unknown = await get(simulator, "/simulator/faults", stal="true")
        assert unknown.json()["error"].startswith("there is no fault named 'stal'; the faults are ack_own_request, ")
        assert (await get(simulator, "/simulator/cut", which="public")).json() == {"cut": 1}
        await talk.closed()
        assert (await get(simulator, "/simulator/cut", which="some")).status_code == 400
        assert (await get(simulator, "/simulator/nothing")).status_code == 404


def test_the_room_imports_nothing_from_the_rest_of_the_house() -> None:
    for path in Path(bridge.simulator.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert not name.startswith("bridge") or name.startswith("bridge.simulator"), f"{path.name}: {name}"
