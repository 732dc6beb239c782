"""uvicorn in our own loop: addresses, signals, its end."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bridge.control import ControlServer
from bridge.errors import AddressInUseError, BridgeError, SettingsError


async def show_peer(request: Request) -> Response:
    return PlainTextResponse(f"{request.client.host if request.client else ''} {request.url.scheme}")


PEER = Starlette(routes=[Route("/", show_peer)])


async def test_a_free_port_is_found_and_told() -> None:
    async with ControlServer(PEER, "127.0.0.1:0") as server:
        assert server.address.port
        assert server.url == f"http://127.0.0.1:{server.address.port}"
        async with httpx2.AsyncClient() as http:
            assert (await http.get(server.url)).text == "127.0.0.1 http"


@pytest.mark.parametrize("ctrl_addr", ["0.0.0.0:0", ":0", "localhost:0"])
async def test_it_is_reached_at_the_url_it_tells(ctrl_addr: str) -> None:
    async with ControlServer(PEER, ctrl_addr) as server, httpx2.AsyncClient() as http:
        assert (await http.get(server.url)).status_code == 200


async def test_ipv6_has_its_brackets() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as trouble:
        pytest.skip(f"no IPv6 here: {errno.errorcode.get(trouble.errno or 0, trouble)}")
    async with ControlServer(PEER, "[::1]:0") as server, httpx2.AsyncClient() as http:
        assert server.url.startswith("http://[::1]:")
        assert (await http.get(server.url)).text == "::1 http"


async def test_no_proxy_header_is_believed() -> None:
    async with ControlServer(PEER, "127.0.0.1:0") as server, httpx2.AsyncClient() as http:
        headers = {"X-Forwarded-For": "8.8.8.8", "X-Forwarded-Proto": "https", "Forwarded": "for=8.8.8.8"}
        assert (await http.get(server.url, headers=headers)).text == "127.0.0.1 http"


async def test_a_taken_port_is_told_plainly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        server = ControlServer(PEER, f"127.0.0.1:{other.getsockname()[1]}")
        with pytest.raises(AddressInUseError, match=r"CTRL_ADDR 127\.0\.0\.1:\d+ is taken"):
            await server.start()
        await server.stop()


@pytest.mark.parametrize("ctrl_addr", ["192.0.2.1:0", "no-such-host.invalid:0"])
async def test_an_address_that_is_not_ours_is_told_plainly(ctrl_addr: str) -> None:
    with pytest.raises(SettingsError, match="CTRL_ADDR: cannot listen on"):
        await ControlServer(PEER, ctrl_addr).start()


async def test_signals_are_left_alone() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with ControlServer(PEER, "127.0.0.1:0"):
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


async def test_the_port_is_free_after_its_end() -> None:
    server = ControlServer(PEER, "127.0.0.1:0")
    await server.start()
    await server.stop()
    await server.stop()
    await server.wait_closed()
    async with ControlServer(PEER, f"127.0.0.1:{server.address.port}") as second:
        assert second.address == server.address


async def test_stopping_what_never_started_is_nothing() -> None:
    server = ControlServer(PEER, "127.0.0.1:0")
    await server.wait_closed()
    await server.stop()


async def test_an_application_that_cannot_start_ends_nobody_else() -> None:
    @asynccontextmanager
    async def failing(_app: Starlette) -> AsyncIterator[None]:
        async with asyncio.timeout(-1):
            await asyncio.Event().wait()
        yield

    with pytest.raises(BridgeError, match="cannot start"):
        await ControlServer(Starlette(lifespan=failing), "127.0.0.1:0").start()


async def test_an_answer_that_never_ends_does_not_hold_up_the_end() -> None:
    entered = asyncio.Event()

    async def endless(_request: Request) -> Response:
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError

    server = ControlServer(Starlette(routes=[Route("/", endless)]), "127.0.0.1:0", grace_s=0)
    await server.start()
    async with httpx2.AsyncClient() as http:
        asking = asyncio.create_task(http.get(server.url))
        await entered.wait()
        async with asyncio.timeout(20):
            await server.stop()
            await asyncio.wait([asking])
        assert asking.exception() or asking.result().status_code == 500
