"""Who gets in, and what gets out: the control API and the page, called from near and far, rightly and wrongly."""

from __future__ import annotations

import re
from typing import Final

import httpx2
import pytest

from bridge import exchanges
from bridge.control import create_app
from bridge.errors import SettingsError
from bridge.settings import load
from bridge.values import Secret
from tests.control.streams import streaming
from tests.scenarios.whole import BTC, Whole, market, until_equal, whole

TOKEN: Final = "a-token-of-the-tests"
ELSEWHERE: Final = "203.0.113.7"
SHOWN: Final = {"Authorization": f"Bearer {TOKEN}"}


def caller(bridge: Whole, peer: str) -> httpx2.AsyncClient:
    """Return somebody who calls the same API from another machine."""
    app = create_app(bridge.settings, exchanges.chosen(bridge.settings))
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app, client=(peer, 1)), base_url="http://localhost:1")


async def test_without_a_token_nobody_from_elsewhere_gets_in(valkey_url: str) -> None:
    """Without a token nobody from elsewhere gets in."""
    async with market() as exchange, whole(exchange, valkey_url) as bridge:
        # From this machine one may look and change.
        assert await bridge.code("/status") == 200

        # Not through a proxy, not by a foreign name, not from another origin's page.
        for headers in ({"X-Forwarded-For": ELSEWHERE}, {"Host": "evil.example"}, {"Origin": "http://evil.example"}):
            assert await bridge.code("/status", **headers) == 403
            assert (await bridge.http.post("/orders/subscribe", headers=headers)).status_code == 403

        # Not from another machine, not even to see the page.
        async with caller(bridge, ELSEWHERE) as stranger:
            for path in ("/", "/status", "/live", "/metrics"):
                answer = await stranger.get(path)
                assert (answer.status_code, "CTRL_TOKEN" in answer.json()["error"]) == (403, True)
        assert (await bridge.get("/subscriptions"))["revision"] == 0

    # With a token whoever shows it gets in; another origin's page doesn't, token or not.
    async with market() as exchange, whole(exchange, valkey_url, ctrl_token=Secret(TOKEN)) as bridge:
        assert [await bridge.code("/status", **headers) for headers in ({}, SHOWN)] == [401, 200]
        assert await bridge.code("/status", **SHOWN, Origin="http://evil.example") == 403


async def test_the_status_page_gives_nothing_away_and_runs_nothing_but_its_own(valkey_url: str) -> None:
    """The status page gives nothing away and runs nothing but its own."""
    hostile = "<img src=x onerror=alert(1)>"
    async with market() as exchange, whole(exchange, valkey_url, ctrl_token=Secret(TOKEN)) as bridge:
        await bridge.redis.sadd("bitmart:desired", BTC, hostile)
        # The bare shell is open, and holds nothing of the bridge.
        shell = await bridge.http.get("/")
        assert shell.status_code == 200
        assert not [word for word in (TOKEN, "BTCUSDT", "simulator-key", hostile) if word in shell.text]

        # Everything with content wants the token.
        for path in ("/status", "/subscriptions", "/live", "/live/klines?symbol=BTCUSDT&timeframe=1m"):
            assert await bridge.code(path) == 401

        # The shell names only what is here, and nothing else may run, load or frame it.
        named = re.findall(r'(?:src|href)="([^"#]+)"', shell.text)
        assert named
        for path in named:
            assert await bridge.code(f"/{path}") == 200
        policy = shell.headers["content-security-policy"]
        for directive in ("default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"):
            assert directive in policy

        # What others say comes as text, told as JSON: nothing of it can be taken for a page.
        async with streaming(httpx2.AsyncClient(base_url=bridge.http.base_url, headers=SHOWN), "/live") as page:
            (topics,) = await page.until(1, "topics")
            assert hostile in topics["changed"]
            assert page.answer.headers["content-type"].startswith("text/event-stream")


async def test_secrets_stay_secret(valkey_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Secrets stay secret."""
    key = "key-4d1f-and-the-rest"
    account = {"BITMART_API_KEY": key, "BITMART_API_SECRET": "secret-77ab", "BITMART_API_MEMO": "memo-90ce"}
    caplog.set_level("DEBUG", "bridge")

    # Wrong settings are refused by name; what was kept secret is not shown.
    with pytest.raises(SettingsError) as refusal:
        load({**account, "BITMART_API_MEMO": "", "REDIS_URL": "memcached://:pass-31cc@127.0.0.1"}, dotenv=None)
    told = [str(refusal.value), *refusal.value.problems]

    # A bridge at work, its login refused, asked by right and by wrong.
    changes = {name.lower(): Secret(text) for name, text in account.items()} | {"ctrl_token": Secret(TOKEN)}
    async with market() as exchange, whole(exchange, valkey_url, **changes, login_retry_s=0.1) as bridge:
        for headers in ({}, SHOWN, {"Authorization": "Bearer wrong"}):
            answer = await bridge.http.post("/orders/subscribe?wait=active&timeout=0", headers=headers)
            told.append(f"{answer.headers} {answer.text}")
        await bridge.until_told("login_refused", 2)
        for path in ("/", "/status", "/help", "/subscriptions", "/openapi.json", "/health/ready", "/metrics", "/no"):
            answer = await bridge.http.get(path, headers=SHOWN)
            told.append(f"{answer.headers} {answer.text}")
        told += [str(entry) for entry in await bridge.read("bitmart:events")]
        told.append(repr(bridge.settings))
    told.append(caplog.text)
    secrets = [*account.values(), TOKEN, "pass-31cc", valkey_url]
    assert "apiKey key-4d1f" in caplog.text, "what BitMart itself says of a key is passed on"
    assert [(secret, text) for text in told for secret in secrets if secret in text] == []


async def test_guessing_does_not_pay_and_one_caller_does_not_keep_all_others_waiting(valkey_url: str) -> None:
    """Guessing does not pay, and one caller does not keep all others waiting."""
    changes = {"ctrl_token": Secret(TOKEN), "ctrl_changes_per_s": 1}
    async with market() as exchange, whole(exchange, valkey_url, **changes) as bridge:
        # Who changes too much has to wait, and may go on reading.
        answers = [await bridge.http.post("/resume", headers=SHOWN) for _ in range(30)]
        assert [answer.status_code for answer in answers[:10]] == [200] * 10
        refused = [answer for answer in answers if answer.status_code == 429]
        assert {answer.headers["retry-after"] for answer in refused} == {"1"}
        assert await bridge.code("/status", **SHOWN) == 200

        # Who guesses has to wait after twenty wrong tokens. Until then not even the right one is looked at.
        async with caller(bridge, ELSEWHERE) as guesser:
            wrong = [
                (await guesser.get("/status", headers={"Authorization": "Bearer x"})).status_code for _ in range(21)
            ]
            assert wrong == [403] * 20 + [429]
            assert (await guesser.get("/status", headers=SHOWN)).status_code == 429
        # The others are not kept waiting.
        await until_equal(lambda: bridge.code("/status", **SHOWN), 200)
