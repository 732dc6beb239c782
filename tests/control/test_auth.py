"""Who may call, decided by the head of a request; a made-up one, so that it can come from anywhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from bridge.control.auth import Gate
from bridge.values import Secret

TOKEN = "tökén"
OWN_HOST = "bridge.example"


MANY = 1_000


class Answer:
    """What came back, and whether the body was asked for."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.messages: list[Message] = []
        self.body_read = False

    @property
    def status(self) -> int:
        status: int = self.messages[0]["status"]
        return status

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.messages[1]["body"])
        return found

    async def send(self, message: Message) -> None:
        self.messages.append(message)

    async def receive(self) -> Message:
        self.body_read = True
        return {"type": "http.request", "body": b"", "more_body": False}


async def inside(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("let in")(scope, receive, send)


async def call(
    path: str = "/status",
    *,
    token: str = "",
    peer: str | None = "127.0.0.1",
    host: str | None = "localhost:8089",
    **headers: str,
) -> Answer:
    sent = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in sent.items() if value is not None],
        "client": (peer, 50_000) if peer else None,
    }
    answer = Answer()
    await Gate(inside, token=Secret(token), own_host=OWN_HOST, changes_per_s=MANY)(scope, answer.receive, answer.send)
    return answer


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
async def test_without_a_token_this_machine_may_call(peer: str) -> None:
    assert (await call(peer=peer)).status == 200


@pytest.mark.parametrize("peer", ["192.168.0.7", "8.8.8.8", "::ffff:10.0.0.1", "2001:db8::1", None])
@pytest.mark.parametrize("path", ["/status", "/", "/assets/app.js", "/live", "/nowhere", "/klines/subscribe"])
async def test_without_a_token_no_other_machine_may(peer: str | None, path: str) -> None:
    answer = await call(path, peer=peer)
    assert answer.status == 403
    assert "CTRL_TOKEN" in answer.body["error"]
    assert not answer.body_read


@pytest.mark.parametrize(
    "header",
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded", "x-real-ip", "via"],
)
async def test_without_a_token_no_forwarded_request_is_answered(header: str) -> None:
    assert (await call(**{header.replace("-", "_"): "127.0.0.1"})).status == 403
    assert (await call(token=TOKEN, authorization=f"Bearer {TOKEN}", **{header: "10.0.0.1"})).status == 200


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:1", "LOCALHOST:8089", "127.0.0.1:8089", "[::1]:8089", "127.0.0.2", OWN_HOST]
)
async def test_without_a_token_this_machine_is_called_by_its_own_names(host: str) -> None:
    assert (await call(host=host)).status == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "10.0.0.1:8089", "[::2]", "", "a b", None])
async def test_without_a_token_a_foreign_host_is_refused(host: str | None) -> None:
    assert (await call(host=host)).status == 403


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://localhost:3000",
        "http://localhost",
        "https://localhost:8089.evil.example",
        "null",
        "nonsense",
        "",
    ],
)
async def test_a_page_of_another_origin_is_refused(origin: str) -> None:
    assert (await call(origin=origin)).status == 403
    assert (await call(token=TOKEN, authorization=f"Bearer {TOKEN}", origin=origin)).status == 403
    assert (await call("/", token=TOKEN, origin=origin)).status == 403


async def test_our_own_page_may_call() -> None:
    assert (await call(origin="http://localhost:8089")).status == 200
    assert (await call(origin="http://[::1]:8089", host="[::1]:8089")).status == 200
    shown = f"Bearer {TOKEN}"
    behind_tls = {"origin": "https://bridge.example", "host": "bridge.example", "authorization": shown}
    assert (await call(token=TOKEN, **behind_tls)).status == 200


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_health_answers_anybody(path: str) -> None:
    anybody = {"peer": "8.8.8.8", "host": "evil.example", "origin": "https://evil.example", "forwarded": "for=1.1.1.1"}
    assert (await call(path, **anybody)).status == 200
    assert (await call(path, token=TOKEN, **anybody)).status == 200


async def test_the_bare_page_needs_no_token() -> None:
    assert (await call("/", token=TOKEN, peer="8.8.8.8", host="anywhere")).status == 200
    assert (await call("/assets/app.js", token=TOKEN, peer="8.8.8.8", host="anywhere")).status == 200
    for path in ("//", "/assets", "/live", "/live/klines"):
        assert (await call(path, token=TOKEN)).status == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_token_lets_in_from_anywhere(scheme: str) -> None:
    answer = await call(token=TOKEN, peer="8.8.8.8", host="anywhere", authorization=f"{scheme} {TOKEN}")
    assert answer.status == 200


@pytest.mark.parametrize("shown", ["", "Bearer", "Bearer ", "Basic dG9rZW4=", TOKEN])
async def test_no_readable_token_is_401_and_says_what_is_wanted(shown: str) -> None:
    answer = await call(token=TOKEN, authorization=shown)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert (await call(token=TOKEN)).status == 401
    assert not answer.body_read


@pytest.mark.parametrize("shown", ["wrong", TOKEN + "x", TOKEN[:-1], TOKEN.upper(), "token"])
async def test_a_wrong_token_is_403(shown: str) -> None:
    answer = await call(token=TOKEN, authorization=f"Bearer {shown}")
    assert answer.status == 403
    assert TOKEN not in str(answer.messages)


async def test_two_tokens_are_none() -> None:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/status",
        "headers": [(b"host", b"a"), *[(b"authorization", f"Bearer {TOKEN}".encode())] * 2],
        "client": ("127.0.0.1", 1),
    }
    answer = Answer()
    await Gate(inside, token=Secret(TOKEN), own_host="", changes_per_s=MANY)(scope, answer.receive, answer.send)
    assert answer.status == 401


async def test_what_is_no_request_passes() -> None:
    seen = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["type"])

    answer = Answer()
    await Gate(app, token=Secret(TOKEN), own_host="", changes_per_s=MANY)(
        {"type": "lifespan"}, answer.receive, answer.send
    )
    assert seen == ["lifespan"]
