"""The page's files and who gets them: by real HTTP, without a browser."""

from __future__ import annotations

import re

import httpx2
import pytest

from bridge.control.page import ASSETS
from bridge.records import EventName
from tests.control.support import TOKEN, Store

pytestmark = pytest.mark.asyncio(loop_scope="session")

SHELL = ASSETS["index.html"].content.decode()
MARKUP = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|https?://")
FILES = {f"/assets/{name}" for name in ASSETS if name != "index.html"}


def directives(answer: httpx2.Response) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in answer.headers["content-security-policy"].split(";"))
    return {name: value for name, _, value in parts}


async def test_the_shell_is_there_and_holds_nothing_of_the_bridge(guarded: httpx2.AsyncClient, known: Store) -> None:
    await known.desired.change("shared", add=["futures/klineBin1m:SECRETUSDT"])
    answer = await guarded.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text == SHELL
    assert TOKEN not in answer.text


@pytest.mark.parametrize("path", ["/", *sorted(FILES)])
async def test_nothing_may_run_or_load_or_frame_but_our_own(guarded: httpx2.AsyncClient, path: str) -> None:
    answer = await guarded.get(path)
    assert answer.status_code == 200
    policy = directives(answer)
    expected = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "form-action": "'none'",
    }
    assert expected.items() <= policy.items()
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["cross-origin-embedder-policy"] == "require-corp"


async def test_a_file_that_is_known_is_not_sent_again(api: httpx2.AsyncClient) -> None:
    first = await api.get("/assets/app.js")
    again = await api.get("/assets/app.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/assets/", "/assets/index.html", "/assets/assets.py", "/assets/../auth.py", "/assets/%2e%2e/auth.py"]
)
async def test_no_other_file_is_reached(api: httpx2.AsyncClient, path: str) -> None:
    assert (await api.get(path)).status_code == 404


@pytest.mark.parametrize("path", ["/live", "/live/klines?symbol=BTCUSDT&timeframe=1m", "/status"])
async def test_content_wants_the_token(guarded: httpx2.AsyncClient, path: str) -> None:
    assert (await guarded.get(path)).status_code == 401


async def test_all_that_the_shell_names_is_there_and_nothing_of_it_is_elsewhere() -> None:
    named = set(re.findall(r'(?:src|href)="([^"#]+)"', SHELL))
    assert {f"/{path}" for path in named} <= FILES
    assert not re.search(r"<script(?![^>]*src=)|<style|style=|\son\w+=", SHELL)


@pytest.mark.parametrize("name", sorted(name for name in ASSETS if name.endswith(".js")))
async def test_text_becomes_no_markup_and_all_scripts_are_ours(name: str) -> None:
    script = ASSETS[name].content.decode()
    assert not MARKUP.search(script)
    imported = set(re.findall(r'from "\./([\w.]+)"', script))
    assert imported <= ASSETS.keys()
    assert len(script.splitlines()) <= 300


async def test_events_are_marked_by_names_that_there_are() -> None:
    script = ASSETS["events.js"].content.decode()
    named = [name for names in re.findall(r"new Set\(\[(.*?)\]\)", script) for name in re.findall(r'"(\w+)"', names)]
    assert named
    assert set(named) <= set(EventName)
