"""The status page in a real browser, before a bridge that works: what people see, do and can't break."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]  # it brings no types
from playwright.async_api import Browser, Page, expect

from bridge import exchanges
from bridge.control import ControlServer, create_app
from bridge.store import client, reader
from bridge.store.embedded.server import EmbeddedServer
from bridge.store.keys import Keys
from tests.control.support import TOKEN, settings_for
from tests.ingest.rig import BTC, ETH, ORDERS, POSITIONS
from tests.page.stage import CHROMIUM, NO_CHROMIUM, Bridge, bridge, browsing
from tests.store.processes import own_port
from tests.support import wait_until

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM),
]

LONG_MS: Final = 30_000
HOSTILE: Final = '<img src=x onerror="window.taken = 1"><script>window.taken = 1</script>'
DESK: Final = {"width": 1280, "height": 900}
PHONE: Final = {"width": 360, "height": 740}
SHARPNESS: Final = "document.querySelector('canvas').width / document.querySelector('canvas').clientWidth"
PIXELS: Final = """token => {
  const canvas = document.querySelector('canvas');
  const probe = new OffscreenCanvas(1, 1).getContext('2d');
  probe.fillStyle = getComputedStyle(canvas).getPropertyValue(token);
  probe.fillRect(0, 0, 1, 1);
  const all = (context, width, height) => new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
  const [wanted] = all(probe, 1, 1);
  return all(canvas.getContext('2d'), canvas.width, canvas.height).filter(pixel => pixel === wanted).length;
}"""
expect.set_options(timeout=LONG_MS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedServer]:
    async with EmbeddedServer(tmp_path_factory.mktemp("valkey"), port=0, persistent=False) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(server: EmbeddedServer) -> AsyncIterator[Bridge]:
    async with bridge(server.url, trading=True, order_interval_s=30) as found:
        await found.wish([BTC, ETH, ORDERS, POSITIONS, HOSTILE])
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with browsing() as found:
        yield found


@asynccontextmanager
async def visited(browser: Browser, url: str, **options: Any) -> AsyncIterator[Page]:  # noqa: ANN401 - Playwright's
    """Look at the page in a session of its own; whatever it does, it breaks no rule and asks nobody else."""
    context = await browser.new_context(**({"viewport": DESK} | options))
    context.set_default_timeout(LONG_MS)
    page = await context.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.on("console", lambda said: broken.append(said.text) if "Content Security Policy" in said.text else None)
    page.on("request", lambda asked: broken.append(asked.url) if not asked.url.startswith(url) else None)
    try:
        await page.goto(url)
        yield page
        assert broken == []
        assert await page.evaluate("window.taken") is None
    finally:
        await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, whole: Bridge) -> AsyncIterator[Page]:
    async with visited(browser, whole.url) as found:
        await expect(found.locator("#connection")).to_have_text("live")
        yield found


async def test_it_shows_what_the_bridge_does_as_it_happens(page: Page) -> None:
    await expect(page.locator("#ingesters h3")).to_have_text("tower-1")
    await expect(page.locator("#ingesters .sockets")).to_contain_text("public socket open")
    await expect(page.locator("#topics td[data-mark=active]")).to_have_count(4)
    for section in ("orders", "fills", "positions"):
        await expect(page.locator(f"#{section} tbody tr").first).to_be_visible()
    await expect(page.locator("#events tbody")).to_contain_text("connected")
    before = await page.locator("#chart .legend .figure").last.text_content()
    await expect(page.locator("#chart .legend .figure").last).not_to_have_text(before or "")


async def test_candles_are_the_streams_to_the_letter(page: Page, whole: Bridge) -> None:
    await page.get_by_text("candles as a table").click()
    row = page.locator("#chart tbody tr", has_text="proven by REST").first
    await expect(row).to_be_visible()
    shown = await row.locator("td").all_text_contents()
    redis = client.commands(whole.settings.redis_url)
    entries = await reader.newest(redis, Keys().closed_klines("BTCUSDT", "1m"), 100)
    await redis.aclose()
    figures = [[fields[name] for name in ("open", "high", "low", "close", "volume")] for _, fields in entries]
    assert shown[1:6] in figures


async def test_the_chart_is_drawn_sharply_and_read_by_keys_alone(browser: Browser, whole: Bridge) -> None:
    async with visited(browser, whole.url, device_scale_factor=2) as page:
        stage = page.locator("#chart .stage")
        await expect(page.locator("#chart .standing")).to_be_visible()
        assert await page.evaluate(SHARPNESS) == pytest.approx(2, abs=0.01)
        for colour in ("--up", "--down", "--up-soft"):
            await wait_until(lambda colour=colour: painted(page, colour), f"{colour} is seen")  # type: ignore[misc]
        await stage.focus()
        await page.keyboard.press("ArrowLeft")
        newest = await stage.get_attribute("aria-valuenow")
        await page.keyboard.press("ArrowLeft")
        await expect(stage).to_have_attribute("aria-valuenow", str(int(newest or 0) - 1))
        assert re.search(r"BTCUSDT 1m, 2026-.* UTC: open \d+", await stage.get_attribute("aria-valuetext") or "")
        await page.keyboard.press("Home")
        await expect(stage).to_have_attribute("aria-valuenow", "1")
        for key in ("+", "-", "End", "Escape"):
            await page.keyboard.press(key)


async def painted(page: Page, colour: str) -> bool:
    """Whether a colour is to be seen in the chart."""
    return int(await page.evaluate(PIXELS, colour)) > 50


async def test_another_chart_is_chosen_from_the_topics(page: Page) -> None:
    await page.get_by_role("button", name="Chart ETHUSDT 5m").click()
    await expect(page.locator("#chart-topic")).to_have_value("ETHUSDT 5m")
    await expect(page.locator("#chart .stage")).to_have_attribute("aria-label", re.compile("Candles of ETHUSDT 5m"))


async def test_what_others_say_is_text_whatever_it_says(page: Page, whole: Bridge) -> None:
    redis = client.commands(whole.settings.redis_url)
    await redis.xadd(Keys().events, {"type": "event", "event": HOSTILE, "subject": HOSTILE, "text": HOSTILE})
    await redis.aclose()
    row = page.locator("#topics tr", has_text="window.taken")
    await expect(row.locator("td").nth(1)).to_have_text("rejected")
    await expect(row.locator("td").first).to_have_text(HOSTILE)
    await expect(page.locator("#events tbody")).to_contain_text("<img src=x")
    assert await page.locator("main img, main script").count() == 0


async def test_wishes_are_made_and_taken_back_and_errors_stand_where_they_arose(page: Page) -> None:
    result = page.locator("#wishes .result")
    await page.get_by_role("button", name="Subscribe", exact=True).click()
    await expect(result).to_have_text("Name a symbol first.")
    await expect(page.get_by_label("Symbols")).to_be_focused()
    await page.get_by_label("Symbols").fill("B!D")
    await page.locator("#wishes .chip", has_text="15m").click()
    await page.get_by_label("Symbols").press("Enter")
    await expect(result).to_contain_text("symbol")
    await expect(result).to_have_attribute("data-mark", "bad")
    await page.get_by_label("Symbols").fill("XRPUSDT")
    await page.get_by_label("Symbols").press("Enter")
    await expect(result).to_contain_text("Subscribed to klines for XRPUSDT with timeframes: 15m")
    row = page.locator("#topics tr", has_text="XRPUSDT 15m")
    await expect(row).to_contain_text("active")
    await row.get_by_role("button", name="Unsubscribe").click()
    await expect(row).to_have_count(0)


async def test_what_the_exchange_refuses_is_told_in_its_words(page: Page) -> None:
    await page.get_by_label("Symbols").fill("NONEUSDT")
    await page.locator("#wishes .chip", has_text="1h").click()
    await page.get_by_role("button", name="Subscribe", exact=True).click()
    await expect(page.locator("#wishes .result")).to_contain_text("Invalid channel")
    await page.locator("#topics .segments button", has_text="rejected").click()
    await page.get_by_label("Filter topics").fill("none")
    rows = page.locator("#topics tbody tr")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("Invalid channel")
    await page.locator("#wishes").get_by_role("button", name="Unsubscribe").click()
    await expect(page.locator("#topics")).to_contain_text("No topic is like that.")


async def test_the_bridge_is_paused_and_resumed_and_stopped_only_on_purpose(page: Page) -> None:
    await page.get_by_role("button", name="Pause the bridge").click()
    await expect(page.locator("#connection")).to_have_text("paused")
    await page.get_by_role("button", name="Resume the bridge").click()
    await expect(page.locator("#connection")).to_have_text("live")
    await page.get_by_role("button", name="Stop all ingesters").click()
    await expect(page.get_by_role("dialog")).to_contain_text("Stop all ingesters?")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.locator("#ingesters h3")).to_have_text("tower-1")


async def test_tables_are_sorted_and_switches_turned_by_keys_alone(page: Page) -> None:
    await page.keyboard.press("Tab")
    await expect(page.locator(".skip")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#main")).to_be_focused()
    head = page.locator("#topics th", has_text="Topic")
    await head.get_by_role("button").focus()
    await page.keyboard.press("Enter")
    await expect(head).to_have_attribute("aria-sort", "ascending")
    first = await page.locator("#topics tbody td").first.text_content()
    await page.keyboard.press("Enter")
    await expect(page.locator("#topics tbody td").first).not_to_have_text(first or "")
    switch = page.get_by_role("switch", name="Positions")
    await expect(switch).to_be_checked()
    await switch.focus()
    await page.keyboard.press("Space")
    await expect(switch).not_to_be_checked()
    await page.keyboard.press("Space")
    await expect(switch).to_be_checked()


# What colours alone decide is tried in both themes, the rest once for each shape.
EVERYTHING: Final = {"resultTypes": ["violations"]}
CONTRAST: Final = EVERYTHING | {"runOnly": ["color-contrast"]}


@pytest.mark.parametrize(
    ("scheme", "viewport", "rules"),
    [("light", DESK, EVERYTHING), ("dark", DESK, CONTRAST), ("light", PHONE, EVERYTHING)],
)
async def test_everybody_can_use_it(
    browser: Browser, whole: Bridge, *, scheme: str, viewport: dict[str, int], rules: dict[str, Any]
) -> None:
    options = {"color_scheme": scheme, "viewport": viewport, "reduced_motion": "reduce"}
    async with visited(browser, whole.url, **options) as page:
        await expect(page.locator("#fills tbody tr").first).to_be_visible()
        await expect(page.locator("#chart .standing")).to_be_visible()
        await page.get_by_text("candles as a table").click()
        await page.get_by_text("All that it says").click()
        found = await Axe().run(page, options=rules)
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found.response["violations"]] == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_colours_follow_the_system_or_the_switch_and_are_remembered(browser: Browser, whole: Bridge) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    async with visited(browser, whole.url, color_scheme="light") as page:
        light = await page.evaluate(ground)
        await page.emulate_media(color_scheme="dark")
        body = page.locator("body")
        await expect(body).not_to_have_css("background-color", light)
        await page.get_by_role("button", name="Colours: auto").click()
        await expect(body).to_have_css("background-color", light)
        await page.reload()
        await expect(page.get_by_role("button", name="Colours: light")).to_be_visible()
        await expect(body).to_have_css("background-color", light)


async def test_an_idle_bridge_says_what_to_do(browser: Browser, valkey_url: str) -> None:
    settings = settings_for(valkey_url)
    async with (
        ControlServer(create_app(settings, exchanges.chosen(settings)), "127.0.0.1:0") as server,
        visited(browser, server.url) as page,
    ):
        await expect(page.locator("#topics")).to_contain_text("Nothing subscribed yet")
        await expect(page.locator("#ingesters")).to_contain_text("No ingester is alive")
        await expect(page.locator("#chart")).to_contain_text("subscribe to a symbol first")
        await expect(page.locator("#orders")).to_contain_text("No order yet.")


async def test_a_token_is_asked_for_in_the_page_and_kept_in_its_tab_alone(browser: Browser, valkey_url: str) -> None:
    settings = settings_for(valkey_url, token=TOKEN)
    async with (
        ControlServer(create_app(settings, exchanges.chosen(settings)), "127.0.0.1:0") as server,
        visited(browser, server.url) as page,
    ):
        field = page.get_by_label("The control API asks for the token")
        await expect(field).to_be_focused()
        await expect(page.locator("#content")).to_be_hidden()
        await field.fill("wrong")
        await field.press("Enter")
        await expect(page.locator("#token-error")).to_have_text("the token is not the one of CTRL_TOKEN")
        await field.fill(TOKEN)
        await field.press("Enter")
        await expect(page.locator("#connection")).to_have_text("live")
        await expect(page.locator("#content")).to_be_visible()
        await page.reload()
        await expect(page.locator("#connection")).to_have_text("live")
        assert TOKEN not in await page.evaluate("JSON.stringify({...localStorage}) + document.cookie + location.href")
        await page.get_by_role("button", name="Forget token").click()
        await expect(field).to_be_focused()
        assert await page.evaluate("sessionStorage.length") == 0


async def test_a_lost_line_is_told_and_comes_back(browser: Browser, valkey_url: str) -> None:
    settings = settings_for(valkey_url)
    app = exchanges.chosen(settings)
    async with AsyncExitStack() as closing:
        address = f"127.0.0.1:{own_port()}"
        first = await closing.enter_async_context(ControlServer(create_app(settings, app), address))
        page = await closing.enter_async_context(visited(browser, first.url))
        await expect(page.locator("#connection")).to_have_text("live")
        await first.stop()
        await expect(page.get_by_role("alert").first).to_contain_text("What you see is as it was")
        await expect(page.locator("#connection")).to_have_text("no connection")
        await closing.enter_async_context(ControlServer(create_app(settings, app), address))
        await page.get_by_role("button", name="Try again now").click()
        await expect(page.locator("#connection")).to_have_text("live")
        await expect(page.locator("#banner")).to_be_hidden()
