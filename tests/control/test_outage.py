"""Redis goes away and comes back, and other things fail: what callers are told, and what they are not."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bridge.store.desired import Change, Desired
from bridge.store.embedded.server import EmbeddedServer
from bridge.store.members import Members
from tests.control.support import BTC_1M, Store, serving, settings_for
from tests.store.processes import own_port
from tests.support import wait_until

PASSWORD = "a-password-of-the-tests"
REQUESTS: tuple[tuple[str, str, dict[str, Any] | None], ...] = (
    ("GET", "/status", None),
    ("GET", "/subscriptions", None),
    ("POST", "/subscribe", {"symbol": "BTCUSDT", "tfs": "1m"}),
    ("POST", "/unsubscribe", {"symbol": "BTCUSDT", "tfs": "1m"}),
    ("PUT", "/subscriptions", {"topics": [BTC_1M]}),
    ("POST", "/pause", None),
    ("POST", "/stop", None),
)


@pytest.fixture
async def mortal(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    async with EmbeddedServer(tmp_path / "valkey", port=own_port(), persistent=False) as server:
        yield server


async def test_redis_may_go_away_and_come_back(mortal: EmbeddedServer) -> None:
    async with serving(settings_for(mortal.url)) as http:
        await said_by_all(http, 200)
        os.kill(mortal.pid, signal.SIGKILL)
        await mortal.wait_closed()
        await said_by_all(http, 503)
        assert (await http.get("/health/live")).status_code == 200
        ready = await http.get("/health/ready")
        assert (ready.status_code, ready.json()["reasons"]) == (503, ["Redis is out of reach"])
        port = mortal.port
        await mortal.start()
        assert mortal.port == port
        await said_by_all(http, 200)


async def said_by_all(http: httpx2.AsyncClient, status: int) -> None:
    for method, path, body in REQUESTS:
        answer = await http.request(method, path, json=body)
        assert answer.status_code == status, answer.text
        if status != 200:
            assert answer.json().keys() == {"ok", "error"}
            assert "127.0.0.1" not in answer.text


async def test_redis_may_be_away_at_the_start(mortal: EmbeddedServer) -> None:
    url = mortal.url
    await mortal.stop()
    async with serving(settings_for(url)) as http:
        assert (await http.get("/status")).status_code == 503
        await mortal.start()
        assert (await http.get("/status")).status_code == 200


async def test_a_refused_password_is_given_away_nowhere(valkey_url: str, caplog: pytest.LogCaptureFixture) -> None:
    url = valkey_url.replace("redis://", f"redis://someone:{PASSWORD}@")
    async with serving(settings_for(url)) as http:
        answer = await http.get("/status")
        assert answer.status_code == 503
        assert PASSWORD not in answer.text + str(answer.headers) + caplog.text
        assert "refuses the user or password" in caplog.text


async def test_a_full_store_is_503_and_says_of_what_kind(mortal: EmbeddedServer) -> None:
    store = Store(mortal.url)
    async with serving(settings_for(mortal.url)) as http:
        await store.redis.config_set("maxmemory", "1")
        answer = await http.post("/orders/subscribe")
        assert answer.status_code == 503
        assert "OutOfMemoryError" in answer.json()["error"]
        assert (await http.get("/status")).status_code == 200
        await store.redis.config_set("maxmemory", "0")
        assert (await http.post("/orders/subscribe")).status_code == 200
    await store.redis.aclose()


async def test_too_many_at_once_may_try_again(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def contended(*_: object) -> list[int]:
        return [-1]

    monkeypatch.setattr(Desired, "_run", contended)
    async with serving(settings_for(valkey_url)) as http:
        answer = await http.post("/orders/subscribe")
        assert answer.status_code == 503
        assert "try again" in answer.json()["error"]


async def test_what_nobody_foresaw_is_500_without_details(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_: Members) -> dict[str, dict[str, str]]:
        raise ZeroDivisionError("a detail")

    monkeypatch.setattr(Members, "alive", broken)
    async with serving(settings_for(valkey_url)) as http:
        answer = await http.get("/status")
        assert answer.status_code == 500
        assert answer.json() == {"ok": False, "error": "something failed inside; see the log"}
        await wait_until(lambda: "a detail" in caplog.text, "it is in the log")


async def test_everything_is_validated_before_the_one_change(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changes: list[tuple[str, int]] = []

    async def change(_: Desired, owner: str, *, add: Sequence[str]) -> Change:
        changes.append((owner, len(add)))
        return Change(1)

    monkeypatch.setattr(Desired, "change", change)
    async with serving(settings_for(valkey_url)) as http:
        body = {"symbols": ["BTCUSDT", "ETHUSDT"], "tfs": ["1m", "5m"], "owner": "bot"}
        assert (await http.post("/subscribe", json=body)).status_code == 200
        assert (await http.post("/subscribe", json=body | {"tfs": ["1m", "x"]})).status_code == 422
    assert changes == [("bot", 4)]
