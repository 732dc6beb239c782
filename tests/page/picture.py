"""Takes the picture of the status page that the documents show.

`python -m tests.page.picture`, or with a file, a width and a theme: then of the whole page.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.async_api import expect

from bridge.store.embedded.server import EmbeddedServer
from tests.ingest.rig import BTC, ETH, ORDERS, POSITIONS
from tests.page.stage import bridge, browsing

_FILE: Final = Path(__file__).parents[2] / "docs" / "status-page.png"
_TOPICS: Final = (BTC, ETH, "futures/klineBin15m:SOLUSDT", "futures/klineBin1m:OLDUSDT", ORDERS, POSITIONS)


async def take(file: Path, width: int, theme: str, *, whole_page: bool) -> None:
    """Let a bridge work for a while, and take a picture of its page."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            EmbeddedServer(Path(folder) / "valkey", port=0, persistent=False) as server,
            bridge(server.url, rate=20.0, trading=True, order_interval_s=60) as whole,
            browsing() as browser,
        ):
            await whole.wish(_TOPICS)
            height = 1000 if width > 500 else 800
            page = await browser.new_page(
                viewport={"width": width, "height": height}, color_scheme="dark" if theme == "dark" else "light"
            )
            await page.goto(whole.url)
            await expect(page.locator("#topics td[data-mark=active]")).to_have_count(5, timeout=30_000)
            await expect(page.locator("#fills tbody tr").nth(3)).to_be_visible(timeout=60_000)
            await expect(page.locator("#chart .legend .standing")).to_contain_text("way")
            await page.wait_for_timeout(6000)
            await page.locator("#chart .stage").hover(position={"x": width * 0.3, "y": 120})
            await page.screenshot(path=file, full_page=whole_page)


if __name__ == "__main__":
    given = sys.argv[1:]
    file, width, theme = given or (_FILE, 1280, "light")
    asyncio.run(take(Path(file), int(width), theme, whole_page=bool(given)))
