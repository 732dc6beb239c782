"""The question that containers ask, asked of the real API and of servers that misbehave."""

from __future__ import annotations

import asyncio

import pytest

from bridge import exchanges
from bridge.control import ControlServer, create_app
from bridge.healthcheck import ask
from tests.control.support import Store, settings_for


async def asked(addr: str, *, ready: bool = False) -> tuple[bool, str]:
    return await asyncio.to_thread(ask, addr, ready=ready)


async def answered(answer: bytes) -> tuple[bool, str]:
    """Ask a server that gives everybody the same answer."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(converse, "127.0.0.1", 0) as server:
        return await asked(f":{server.sockets[0].getsockname()[1]}")


async def test_the_api_is_alive_and_ready_once_somebody_serves(valkey_url: str) -> None:
    settings, store = settings_for(valkey_url, token="asked for everywhere else"), Store(valkey_url)
    async with ControlServer(create_app(settings, exchanges.chosen(settings)), "0.0.0.0:0") as server:
        addr = f"0.0.0.0:{server.address.port}"
        assert await asked(addr) == (True, "alive")
        assert await asked(addr, ready=True) == (False, "no live ingester")
        await store.serve("one")
        assert (await asked(addr, ready=True))[0]
    await store.redis.aclose()
    assert await asked(addr) == (False, f"no answer from {addr}: Connection refused")


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "answered with status 503"),
        (b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\n[]", "answered with status 500"),
        (b"HTTP/1.1 401 No\r\n\r\n<html>", "answered with status 401"),
        (b"nonsense\r\n\r\n", "BadStatusLine"),
        (b"", "RemoteDisconnected"),
    ],
)
async def test_another_answer_is_not_well(answer: bytes, line: str) -> None:
    well, said = await answered(answer)
    assert not well
    assert line in said
