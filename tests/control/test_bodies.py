"""How bodies are read: as JSON whatever they are called, and not for ever."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from tests.control.support import BTC_1M, Store

pytestmark = pytest.mark.asyncio(loop_scope="session")

WISH = b'{"symbol":"BTCUSDT","tfs":"1m"}'
LIMIT = 65_536


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "text/plain", "x", ""])
async def test_the_content_type_does_not_matter(api: httpx2.AsyncClient, kind: str) -> None:
    answer = await api.post("/subscribe", content=WISH, headers={"Content-Type": kind})
    assert answer.json()["topics"] == [BTC_1M]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b"nonsense",
        b"symbol=BTCUSDT",
        b"[]",
        b'"text"',
        b"null",
        b'{"symbol":"BTCUSDT","tfs":"1m"} and more',
        b'{"symbol":NaN}',
        b"\xff\xfe",
        b'{"symbol":"\xff"}',
        b'{"symbol":"\\ud800"}',
        b"[" * 60_000,
        b'{"n":1' + b"0" * 5_000 + b"}",
    ],
)
@pytest.mark.parametrize("path", ["/subscribe", "/klines/unsubscribe"])
async def test_what_is_no_json_object_is_400(api: httpx2.AsyncClient, known: Store, path: str, body: bytes) -> None:
    answer = await api.post(path, content=body)
    assert answer.status_code == 400
    assert answer.json().keys() == {"ok", "error"}
    assert (await known.desired.read()).revision == 0


async def test_replacing_wishes_by_nothing_at_all_is_no_accident(api: httpx2.AsyncClient, known: Store) -> None:
    await known.desired.change("shared", add=[BTC_1M])
    assert (await api.put("/subscriptions")).status_code == 400
    assert (await known.desired.read()).topics == {BTC_1M}


@pytest.mark.parametrize("path", ["/orders/subscribe", "/positions/unsubscribe", "/stop", "/pause", "/resume"])
async def test_an_optional_body_may_be_empty_but_not_wrong(api: httpx2.AsyncClient, path: str) -> None:
    assert (await api.post(path)).status_code == 200
    assert (await api.post(path, content=b"\n")).status_code == 200
    answer = await api.post(path, content=b'{"unknown":1}')
    assert answer.status_code == 422
    assert "unknown" in answer.json()["error"]
    assert (await api.post(path, content=b"nonsense")).status_code == 400
    assert (await api.post(path, content=b"[]")).status_code == 400


async def test_a_body_may_have_64_kib(api: httpx2.AsyncClient) -> None:
    assert (await api.post("/subscribe", content=WISH.ljust(LIMIT))).status_code == 200
    for length in (LIMIT + 1, 10 * LIMIT):
        answer = await api.post("/subscribe", content=WISH.ljust(length))
        assert answer.status_code == 413
        assert answer.json()["ok"] is False
    assert (await api.get("/health/live")).status_code == 200


async def test_an_endless_body_is_answered_before_its_end(api: httpx2.AsyncClient) -> None:
    reader, writer = await asyncio.open_connection(api.base_url.host, api.base_url.port)
    writer.write(b"POST /stop HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
    writer.write((b"1000\r\n" + b" " * 4_096 + b"\r\n") * 17)
    assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()
    await writer.wait_closed()


async def test_a_body_announced_too_long_is_not_waited_for(api: httpx2.AsyncClient) -> None:
    head = f"POST /stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LIMIT + 1}\r\n\r\n"
    reader, writer = await asyncio.open_connection(api.base_url.host, api.base_url.port)
    writer.write(head.encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()
    await writer.wait_closed()


async def test_a_caller_who_hangs_up_half_way_harms_nobody(
    api: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection(api.base_url.host, api.base_url.port)
    writer.write(b"POST /stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
    assert b"100" in await reader.readline()  # its body is being read
    writer.close()
    await writer.wait_closed()
    assert (await api.get("/health/live")).status_code == 200
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
