"""The status page as people see it: a real browser, the real control API, an ingester, and a simulated exchange."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from playwright.async_api import Browser, async_playwright

from bridge import exchanges
from bridge.control import ControlServer, create_app
from bridge.ingest.ingester import Ingester
from bridge.settings import Settings
from bridge.simulator import Simulator
from bridge.store import client
from bridge.store.desired import Desired
from bridge.store.keys import Keys
from bridge.values import Secret
from tests.ingest.rig import market, quick

CHROMIUM: Final = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None
)
NO_CHROMIUM: Final = "no Chromium here: the status page is not tried in a browser"
_QUIET: Final = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """Run the system's Chromium without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, chromium_sandbox=False, args=list(_QUIET)
        )
        try:
            yield browser
        finally:
            await browser.close()


@dataclass(frozen=True)
class Bridge:
    """A whole bridge at work."""

    url: str
    settings: Settings
    simulator: Simulator
    server: ControlServer

    async def wish(self, topics: Sequence[str]) -> None:
        """Want topics, past the API."""
        redis = client.commands(self.settings.redis_url)
        try:
            await Desired(redis, Keys()).change("shared", add=topics)
        finally:
            await redis.aclose()


@asynccontextmanager
async def bridge(redis_url: str, *, token: str = "", **scenario: Any) -> AsyncIterator[Bridge]:  # noqa: ANN401 - as `market`
    """Run a control API, an ingester and the exchange that `scenario` describes."""
    async with market(**scenario) as simulator:
        settings = quick(
            simulator,
            redis_url=Secret(redis_url),
            ctrl_token=Secret(token),
            ingester_id="tower-1",
            heartbeat_interval_s=0.5,
        )
        exchange = exchanges.chosen(settings)
        ingester = Ingester(settings, exchange)
        serving = asyncio.create_task(ingester.run())
        try:
            async with ControlServer(create_app(settings, exchange), "127.0.0.1:0") as server:
                yield Bridge(server.url, settings, simulator, server)
        finally:
            ingester.stop()
            await asyncio.wait([serving])
            serving.result()
