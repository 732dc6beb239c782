"""Tries an exchange's sockets once, for people who want to know whether they would work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import WebSocketException

from bridge.clock import ExchangeClock, host_ms
from bridge.errors import ProtocolError
from bridge.exchanges.base import LoggedIn, LoginRefused, Notice, Pong, Session
from bridge.ingest.rest import timekeeper
from bridge.ingest.rest.fetch import Rest
from bridge.ingest.sockets.endings import reason_of
from bridge.ingest.sockets.frames import opened

if TYPE_CHECKING:
    from bridge.exchanges.base import Exchange
    from bridge.settings import Settings


async def public(settings: Settings, exchange: Exchange) -> str:
    """Open the public socket and wait for the answer to a ping.

    Raises:
        ProtocolError: it did not come.
    """
    started = time.monotonic()
    await _answer(exchange.public_uri, settings, exchange.session(), lambda session: session.ping(), Pong)
    return f"a ping was answered after {(time.monotonic() - started) * 1000:.0f} ms, connecting included"


async def private(settings: Settings, exchange: Exchange) -> str:
    """Open the private socket and log in.

    Raises:
        ProtocolError: the login was refused or not answered.
        RestError: the exchange does not tell its time, which a login is signed with.
    """
    clock = ExchangeClock(time.monotonic, host_ms())
    rest = Rest(exchange.rest_uri, clock)
    try:
        await timekeeper.synchronise(clock, rest, exchange)
    finally:
        await rest.aclose()
    await _answer(
        exchange.private_uri, settings, exchange.session(), lambda session: session.login(clock.now_ms()), LoggedIn
    )
    return "the credentials are accepted"


async def _answer(
    uri: str, settings: Settings, session: Session, say: Callable[[Session], str], wanted: type[Notice]
) -> None:
    try:
        async with asyncio.timeout(settings.connect_timeout_s), opened(uri, settings, ClientConnection) as socket:
            await socket.send(say(session))
            while True:
                _, said = session.receive(await socket.recv(), host_ms())
                for item in said:
                    if isinstance(item, wanted):
                        return
                    if isinstance(item, LoginRefused):
                        raise ProtocolError(item.text)
    except (OSError, TimeoutError, WebSocketException) as trouble:
        raise ProtocolError(reason_of(trouble, uri)) from None
