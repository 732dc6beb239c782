"""Stopping, pausing, health, and what is answered to those who ask for nothing we have."""

from __future__ import annotations

import httpx2
import pytest

from tests.control.support import CARD, SECRETS, TOKEN, Store

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def stop_asked(known: Store, name: str) -> bool:
    return (await known.members.beat(name, CARD, {"public": "open"})).stop


async def test_all_ingesters_are_asked_to_stop(api: httpx2.AsyncClient, known: Store) -> None:
    for name in ("one", "two"):
        await known.serve(name)
    answer = (await api.post("/stop")).json()
    assert answer["ok"] is True
    assert answer["ingesters"] == ["one", "two"]
    assert answer["message"] == "Asked to stop: one, two"
    assert "/pause" in answer["note"]
    assert await stop_asked(known, "one")
    assert await stop_asked(known, "two")


async def test_one_ingester_is_asked_to_stop(api: httpx2.AsyncClient, known: Store) -> None:
    for name in ("one", "two"):
        await known.serve(name)
    assert (await api.post("/stop", json={"ingester": "two"})).json()["ingesters"] == ["two"]
    assert not await stop_asked(known, "one")
    assert await stop_asked(known, "two")


async def test_an_unknown_ingester_is_404(api: httpx2.AsyncClient, known: Store) -> None:
    await known.serve("one")
    answer = await api.post("/stop", json={"ingester": "three"})
    assert answer.status_code == 404
    assert answer.json()["field"] == "ingester"
    assert not await stop_asked(known, "one")
    assert (await api.post("/stop", json={"ingester": 3})).status_code == 422


async def test_with_nobody_to_stop_it_says_so(api: httpx2.AsyncClient) -> None:
    answer = (await api.post("/stop")).json()
    assert answer["message"] == "No ingester is running"
    assert answer["ingesters"] == []


async def test_a_pause_is_kept_until_it_is_resumed(api: httpx2.AsyncClient, known: Store) -> None:
    answer = (await api.post("/pause")).json()
    assert (answer["ok"], answer["paused"], answer["revision"]) == (True, True, 1)
    assert (await known.desired.read()).paused
    answer = (await api.post("/resume")).json()
    assert (answer["ok"], answer["paused"], answer["revision"]) == (True, False, 2)
    assert not (await known.desired.read()).paused


async def test_live_is_live(api: httpx2.AsyncClient) -> None:
    assert (await api.get("/health/live")).json()["ok"] is True


async def test_ready_with_an_ingester_even_when_paused(api: httpx2.AsyncClient, known: Store) -> None:
    answer = await api.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"ok": False, "error": "no live ingester", "reasons": ["no live ingester"]}
    await known.serve("one")
    await known.desired.pause(paused=True)
    answer = await api.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {"ok": True, "reasons": []}


@pytest.mark.parametrize("path", ["/nowhere", "/status/", "//", "/health/", "/klines", "/health/live/x"])
async def test_what_there_is_not_is_404(api: httpx2.AsyncClient, path: str) -> None:
    answer = await api.get(str(api.base_url).rstrip("/") + path)
    assert answer.status_code == 404
    assert answer.json().keys() == {"ok", "error"}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/subscribe", {"POST"}),
        ("GET", "/stop", {"POST"}),
        ("POST", "/status", {"GET", "HEAD"}),
        ("DELETE", "/subscriptions", {"GET", "HEAD", "PUT"}),
        ("OPTIONS", "/subscriptions", {"GET", "HEAD", "PUT"}),
        ("POST", "/", {"GET", "HEAD"}),
    ],
)
async def test_a_wrong_method_is_405_and_names_the_right_ones(
    api: httpx2.AsyncClient, method: str, path: str, allowed: set[str]
) -> None:
    answer = await api.request(method, path)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == allowed
    assert answer.json()["ok"] is False


async def test_a_head_is_a_get_without_its_body(api: httpx2.AsyncClient) -> None:
    answer = await api.head("/subscriptions")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_answers_are_kept_by_nobody(api: httpx2.AsyncClient) -> None:
    for path in ("/status", "/nowhere"):
        answer = await api.get(path)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/json"
        assert "server" not in answer.headers


async def test_the_token_is_asked_for(guarded: httpx2.AsyncClient, known: Store) -> None:
    body = {"symbol": "BTCUSDT", "tfs": "1m"}
    answer = await guarded.post("/subscribe", json=body)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["ok"] is False
    assert (await guarded.post("/subscribe", json=body, headers={"Authorization": "Bearer x"})).status_code == 403
    assert (await known.desired.read()).revision == 0
    assert (await guarded.post("/subscribe", json=body, headers={"Authorization": f"Bearer {TOKEN}"})).is_success
    assert (await guarded.get("/health/live")).is_success
    assert (await guarded.get("/")).is_success


async def test_a_web_page_drives_nothing(api: httpx2.AsyncClient, known: Store) -> None:
    answer = await api.post("/pause", headers={"Origin": "https://evil.example", "Content-Type": "text/plain"})
    assert answer.status_code == 403
    assert (await api.get("/status", headers={"Host": "evil.example"})).status_code == 403
    assert (await api.get("/status", headers={"X-Forwarded-For": "127.0.0.1"})).status_code == 403
    assert not (await known.desired.read()).paused


async def test_with_credentials_nothing_is_warned_of_and_nothing_given_away(
    guarded: httpx2.AsyncClient, valkey_url: str
) -> None:
    shown = {"Authorization": f"Bearer {TOKEN}"}
    answers = [await guarded.post("/orders/subscribe", headers=shown)]
    assert "warning" not in answers[0].json()
    answers += [
        await guarded.get(path, headers=shown)
        for path in ("/", "/status", "/help", "/subscriptions", "/openapi.json", "/health/ready", "/nowhere")
    ]
    for answer in answers:
        assert not [secret for secret in (*SECRETS, valkey_url) if secret in answer.text + str(answer.headers)]
