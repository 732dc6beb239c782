"""Every part at its work, each as the user of Redis that the deployment gives it."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx2

from bridge.store.keys import Keys
from tests.children import finished
from tests.deploy.redis_users import ROOT
from tests.deploy.stage import Deployment, deployed
from tests.support import wait_until

KEYS = Keys()
WANTED = {"owner": "bot", "klines": [{"symbol": "BTCUSDT", "tfs": ["1m", "5m"]}], "orders": True, "positions": True}
TOPICS = ("futures/klineBin1m:BTCUSDT", "futures/klineBin5m:BTCUSDT", "futures/order", "futures/position")
CLOSED = KEYS.closed_klines("BTCUSDT", "1m")


async def up(stage: Deployment) -> None:
    async def answers() -> bool:
        try:
            return (await stage.api.get("/health/live")).is_success
        except httpx2.HTTPError:
            return False

    await wait_until(answers, f"the control API answers; it said:\n{stage.control.text}", 30)


async def test_all_parts_do_their_whole_work_with_the_rights_they_are_given(tmp_path: Path) -> None:
    """Each part works with the least rights in Redis."""
    async with deployed(tmp_path) as stage:
        await up(stage)
        assert (await stage.api.put("/subscriptions", json=WANTED)).status_code == 200
        await stage.wait_for(*TOPICS)
        for path in ("/pause", "/resume", "/orders/unsubscribe", "/orders/subscribe"):
            assert (await stage.api.post(path, json={} if "orders" not in path else {"owner": "bot"})).is_success
        with stage.store.client("consumer") as bot:
            await wait_until(lambda: bot.xlen(KEYS.orders) > 0 and bot.xlen(CLOSED) > 500, "candles and orders", 30)
            bot.xgroup_create(CLOSED, "bots", "0")
            ((_, entries),) = bot.xreadgroup("bots", "one", {CLOSED: ">"}, count=5)
            assert len(entries) == 5
            assert bot.xack(CLOSED, "bots", *(name for name, _ in entries)) == 5
        for path in ("/status", "/subscriptions", "/help", "/openapi.json", "/health/ready"):
            assert (await stage.api.get(path)).status_code == 200, path
        assert "BTCUSDT" in seen(stage, "status")
        assert (await stage.api.post("/stop")).json()["ingesters"]
        assert await stage.ingester.ended() == 0
        assert await stage.control.stop() == 0
        with stage.store.client("admin") as admin:
            assert admin.execute_command("ACL", "LOG") == []


def seen(stage: Deployment, *words: str) -> str:
    """Return what the command line shows to the user that may only look."""
    environment = {"PYTHONPATH": str(ROOT), "REDIS_URL_FILE": str(stage.store.secrets / "redis-url-observer")}
    told = finished([sys.executable, "-m", "bridge", *words], env=environment, cwd=stage.store.folder)
    assert told.returncode == 0, told.stderr
    return told.stdout
