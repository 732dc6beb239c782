"""The one port: WebSockets, REST and the simulator's own surface come in here."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit
from weakref import WeakSet

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.http11 import Response
from websockets.protocol import State

from bridge.simulator.admin import PREFIX, Admin
from bridge.simulator.replies import HTML_403, Reply, html

if TYPE_CHECKING:
    from collections.abc import Mapping

    from websockets.asyncio.server import Server
    from websockets.http11 import Request

    from bridge.simulator.clock import MarketClock
    from bridge.simulator.faults import Faults
    from bridge.simulator.scenario import Scenario
    from bridge.simulator.sockets.delivery import Delivery
    from bridge.simulator.sockets.dialogue import Dialogue
    from bridge.simulator.sockets.sockets import Side, Socket, Sockets
    from bridge.simulator.stats import Stats

_SIDES: dict[str, Side] = {"/api": "public", "/user": "private"}

# A message of 2,020 bytes was accepted on the wire, one of 2,186 was answered with close code 1009 (2026-09).
_LONGEST_MESSAGE = 2048

_LONGEST_HANDSHAKE_S = 120.0
_CLOSE_TIMEOUT_S = 1.0

# From a listening socket's readiness to `connection_made`: the task that accepts, then the call that it schedules.
_TURNS_TO_CONNECT = 3


class Answering(Protocol):
    """What stands behind the REST paths."""

    async def answer(self, target: str, headers: Mapping[str, str], address: str) -> Reply:
        """The reply to a request for `target` (path and query) from `address`."""


@dataclass(slots=True)
class Door:
    """Accepts connections and leads each to where it is answered."""

    scenario: Scenario
    faults: Faults
    clock: MarketClock
    stats: Stats
    sockets: Sockets
    delivery: Delivery
    dialogue: Dialogue
    rest: Answering
    _closings: set[asyncio.Task[None]] = field(default_factory=set)
    _visits: WeakSet[_Visit] = field(default_factory=WeakSet)

    async def open(self, host: str, port: int) -> Server:
        """Listen on a port; 0 takes a free one.

        Raises:
            OSError: The port is taken.
        """
        # Observed on the wire 2026-09: compression is negotiated if offered, without context takeover.
        deflate = ServerPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True)
        return await serve(
            self._converse,
            host,
            port,
            process_request=self._request,
            process_response=self._response,
            compression=None,
            extensions=[deflate],
            max_size=_LONGEST_MESSAGE,
            open_timeout=_LONGEST_HANDSHAKE_S,
            close_timeout=_CLOSE_TIMEOUT_S,
            ping_interval=self.scenario.ping_interval_s,
            ping_timeout=None,
            logger=_quiet_logger(),
            create_connection=self._receive,  # type: ignore[arg-type]  # the library calls it, nothing more
        )

    async def shut(self, server: Server) -> None:
        """Close the port and what came in by it: WebSockets with code 1001, what is still opening without a word."""
        await _accept_no_more(server)
        server.close()
        for visit in self._visits:
            visit.leave_if_opening()
        await server.wait_closed()

    def close(self, socket: Socket) -> None:
        """Close a socket with the scenario's close code, without waiting for it."""
        closing = asyncio.ensure_future(socket.connection.close(self.scenario.close_code))
        self._closings.add(closing)
        closing.add_done_callback(self._closings.discard)

    def _receive(self, *args: Any, **options: Any) -> _Visit:  # noqa: ANN401 - the library's own arguments
        visit = _Visit(*args, **options)
        self._visits.add(visit)
        return visit

    async def _converse(self, connection: ServerConnection) -> None:
        """Answer one WebSocket's messages until it closes."""
        path = connection.request.path if connection.request else ""
        socket = self.sockets.open(connection, _SIDES[urlsplit(path).path])
        try:
            async for message in connection:
                self._hear(socket, message)
                if socket.doomed:
                    await connection.close(self.scenario.close_code)
        except ConnectionClosed:
            pass
        finally:
            self.sockets.close(socket)

    def _hear(self, socket: Socket, message: str | bytes) -> None:
        socket.heard = time.monotonic()
        self.stats.frames_in += 1
        for answer in self.dialogue.answers(socket, message):
            self.delivery.reply(socket, answer)

    async def _request(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer an HTTP request, or let a WebSocket in by answering None."""
        path = urlsplit(request.path).path
        if path.startswith(PREFIX):
            return self._http(Admin(self.faults, self.sockets, self.stats).answer(request.path))
        if path not in _SIDES:
            host = connection.remote_address[0] if connection.remote_address else ""
            return self._http(await self.rest.answer(request.path, request.headers, host))
        refusal = self._refusal()
        return None if refusal is None else self._http(refusal)

    def _refusal(self) -> Reply | None:
        """Why no further WebSocket is let in. The text of the limit was seen on the spot host; its status is ours."""
        limit = self.faults.connection_limit
        if self.faults.http_403_on_connect:
            reply = html(403, HTML_403)
        elif limit and len(self.sockets) >= limit:
            reply = Reply(403, b"IP Limited:Request connections exceeds limit", "text/plain")
        else:
            return None
        self.stats.sockets_refused += 1
        return reply

    def _response(self, _: ServerConnection, __: Request, response: Response) -> None:
        """Give every reply, that of a WebSocket's handshake too, the market's date."""
        if "Date" in response.headers:
            del response.headers["Date"]
        response.headers["Date"] = self.clock.http_date()

    def _http(self, reply: Reply) -> Response:
        headers = Headers(reply.headers)
        headers["Content-Type"] = reply.kind
        headers["Content-Length"] = str(len(reply.body))
        headers["Connection"] = "close"
        return Response(reply.status, reply.phrase, headers, reply.body)


class _Visit(ServerConnection):
    """A connection that doesn't outlive the port it came in by."""

    def leave_if_opening(self) -> None:
        """Cut it if it isn't a WebSocket yet: it may never become one, and the library would wait for it."""
        if self.protocol.state is State.CONNECTING:
            self.transport.abort()


async def _accept_no_more(server: Server) -> None:
    """Let in whom asyncio has accepted, and nobody else.

    Whoever is between acceptance and connection when an asyncio server closes is forgotten with an open socket: the
    transport's making fails, and nobody closes what it was made from (CPython 3.11). Other loops accept and connect in
    one step.
    """
    loop = asyncio.get_running_loop()
    if not isinstance(loop, asyncio.SelectorEventLoop):
        return
    for listening in server.sockets:
        loop.remove_reader(listening.fileno())
    for _ in range(_TURNS_TO_CONNECT):
        await asyncio.sleep(0)


def _quiet_logger() -> logging.Logger:
    """A logger for the library, which would otherwise report every REST request as a refused handshake."""
    logger = logging.getLogger("bridge.simulator.websockets")
    logger.setLevel(logging.ERROR)
    return logger
