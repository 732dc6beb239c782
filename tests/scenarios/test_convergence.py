"""Killing anything, in any order, and starting it again: the wishes come true by themselves."""

from __future__ import annotations

import random
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.store.embedded.server import EmbeddedServer
from tests.scenarios.stage import Api, Program
from tests.store.processes import own_port
from tests.support import wait_until

QUICK = {
    "RECONNECT_DELAY_S": "0.1",
    "RECONNECT_MAX_S": "0.5",
    "SUBSCRIBE_DELAY_MS": "20",
    "CONNECT_DELAY_MS": "20",
    "RECONCILE_INTERVAL_S": "0.5",
    "HEARTBEAT_INTERVAL_S": "0.2",
    "MEMBER_LIFETIME_S": "1",
}
KLINES = {
    f"futures/klineBin{interval}:BTCUSDT" for interval in ["1m", "5m", "15m", "30m", "1H", "2H", "4H", "1D", "1W"]
}
ACCOUNT = {"futures/order", "futures/position"}


@dataclass
class Stage:
    """A whole bridge in pieces: Redis, a simulated exchange, an ingester and the control API."""

    redis: EmbeddedServer
    exchange: Program
    ingester: Program
    control: Program
    api: Api


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    redis = EmbeddedServer(tmp_path / "redis", port=own_port())
    await redis.start()
    exchange_port, control_port = own_port(), own_port()
    address = f"127.0.0.1:{exchange_port}"
    environment = {
        **QUICK,
        "REDIS_URL": redis.url,
        "CTRL_ADDR": f"127.0.0.1:{control_port}",
        "BITMART_PUBLIC_WS_URI": f"ws://{address}/api?protocol=1.1",
        "BITMART_PRIVATE_WS_URI": f"ws://{address}/user?protocol=1.1",
        "BITMART_REST_URI": f"http://{address}",
        "BITMART_API_KEY": "simulator-key",
        "BITMART_API_SECRET": "simulator-secret",
        "BITMART_API_MEMO": "simulator-memo",
    }
    exchange = Program("exchange", tmp_path, {}, "simulate", "--port", str(exchange_port), "--rate", "20")
    ingester = Program("ingester", tmp_path, environment, "ingest")
    control = Program("control", tmp_path, environment, "control")
    api = Api(f"http://127.0.0.1:{control_port}")
    programs = (exchange, ingester, control)
    for program in programs:
        program.start()
    try:
        await wait_until(api.up, "the control API answers", 20)
        yield Stage(redis, exchange, ingester, control, api)
    finally:
        for program in programs:
            program.kill()
        await api.close()
        await redis.stop()


async def test_everything_is_subscribed_unsubscribed_and_subscribed_again(stage: Stage) -> None:
    """Everything may be subscribed, unsubscribed and subscribed again."""
    every = {"symbol": "BTCUSDT", "tfs": ["1m", "5m", "15m", "30m", "1h", "2h", "4h", "1d", "1w"]}
    for _ in range(2):
        await stage.api.post("/klines/subscribe", every)
        await stage.api.post("/orders/subscribe")
        answer = await stage.api.post("/positions/subscribe?wait=active&timeout=10")
        assert answer["ok"] is True
        await wait_until(lambda: stage.api.active(KLINES | ACCOUNT), "all topics are active")
        status = await stage.api.get("/status")
        assert status["authenticated"] is True
        assert status["order_subscribed"] is True
        assert status["position_subscribed"] is True
        assert set(status["kline_channels"]) == KLINES

        await stage.api.post("/klines/unsubscribe", every)
        await stage.api.post("/orders/unsubscribe")
        await stage.api.post("/positions/unsubscribe?wait=active&timeout=10")
        await wait_until(lambda: stage.api.active(set()), "no topic is held")
        assert (await stage.api.get("/status"))["kline_channels"] == []
        await wait_until(lambda: disconnected(stage.api), "sockets with nothing to carry are closed")


async def disconnected(api: Api) -> bool:
    status = await api.get("/status")
    return not status["public_ws_connected"] and not status["private_ws_connected"]


async def test_whatever_is_killed_the_wishes_come_true_again(stage: Stage) -> None:
    """The set is the truth."""
    # The order is drawn anew each time and printed when it fails.
    wished = KLINES | ACCOUNT
    await stage.api.post("/klines/subscribe", {"symbol": "BTCUSDT", "tfs": "1m"})
    await stage.api.post("/subscribe", {"symbol": "BTCUSDT", "tfs": ["5m", "15m", "30m", "1H", "2H", "4H", "1D", "1W"]})
    await stage.api.post("/orders/subscribe")
    await stage.api.post("/positions/subscribe")
    await wait_until(lambda: stage.api.active(wished), "all topics are active at first")

    victims = ["exchange", "ingester", "control", "redis"] * 2
    random.SystemRandom().shuffle(victims)
    for victim in victims:
        if victim == "redis":
            await stage.redis.stop()
            await stage.redis.start()
        else:
            program: Program = getattr(stage, victim)
            program.kill()
            program.start()
        await wait_until(lambda: stage.api.active(wished), f"all is active again after {victim}, of {victims}", 30)


async def test_stop_drains_the_ingester_and_it_exits_with_zero(stage: Stage) -> None:
    """`POST /stop`, Ctrl-C and SIGTERM drain and exit with 0."""
    await stage.api.post("/klines/subscribe?wait=active", {"symbol": "BTCUSDT", "tfs": "1m"})
    assert (await stage.api.post("/stop"))["ok"] is True
    assert await stage.ingester.ended() == 0
    status = await stage.api.get("/status")
    assert status["is_running"] is False
    assert status["kline_channels"] == ["futures/klineBin1m:BTCUSDT"]

    stage.ingester.start()
    await wait_until(lambda: stage.api.active({"futures/klineBin1m:BTCUSDT"}), "a new start follows the wishes")

    # SIGTERM and Ctrl-C do the same, to each part.
    stage.ingester.process.send_signal(signal.SIGTERM)
    assert await stage.ingester.ended() == 0
    assert (await stage.api.get("/status"))["ingesters"] == []
    assert await stage.control.stop() == 0
