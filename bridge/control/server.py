"""uvicorn inside an event loop that isn't its own."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import uvicorn

from bridge.control import address
from bridge.errors import AddressInUseError, BridgeError, SettingsError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from starlette.types import ASGIApp

GRACE_S: Final = 3
# The name, in the state of an application's lifespan, of what ends its answers that go on for ever.
END_STREAMS: Final = "end_streams"
_EVERYWHERE: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to be called, not bound


class ControlServer:
    """Serves an application at one address until stopped. Signals are left to whoever owns the process.

    Attributes:
        address: where it listens; before `start`, where it is to, port 0 being any that is free.
    """

    def __init__(self, app: ASGIApp, where: str, *, setting: str = "CTRL_ADDR", grace_s: int = GRACE_S) -> None:
        """Prepare to serve without doing anything yet.

        Args:
            app: what answers.
            where: `host:port` as the setting has it; no host means all addresses.
            setting: the name of that setting, for errors.
            grace_s: how long requests under way may take when it stops.
        """
        self.address = address.of_setting(where)
        self._setting = setting
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="on",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=grace_s,
            )
        )
        self._serving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start it."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it."""
        await self.stop()

    @property
    def url(self) -> str:
        """Where this machine reaches it."""
        host = _EVERYWHERE.get(self.address.host, self.address.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.address.port}"

    async def start(self) -> None:
        """Listen, and return when requests are answered.

        Raises:
            AddressInUseError: somebody else listens there.
            SettingsError: there is no such address here, or it isn't ours to use.
        """
        listener = _listener(self.address, self._setting)
        self.address = self.address._replace(port=listener.getsockname()[1])
        self._serving = asyncio.create_task(self._serve(listener), name="control API")
        try:
            await self._uvicorn.listening(self._serving)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Take no more requests, let those under way end within the grace, and close; at any time, and again."""
        self._uvicorn.should_exit = True
        if self._serving is not None:
            await asyncio.wait([self._serving])

    async def wait_closed(self) -> None:
        """Wait for its end, and raise what ended it if it wasn't `stop`."""
        if self._serving is not None:
            await asyncio.shield(self._serving)

    async def _serve(self, listener: socket.socket) -> None:
        with listener:
            try:
                await self._uvicorn.serve([listener])
            except SystemExit:  # how uvicorn ends when the application can't start; not our process's end
                raise BridgeError("the control API cannot start: the log says why") from None


class _Uvicorn(uvicorn.Server):
    """A server that tells when it listens and leaves signals alone: uvicorn's own would raise them once more."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # uvicorn waits for answers under way before it tells the application: one that goes on would wait for ever.
        self.lifespan.state.get(END_STREAMS, _nothing)()
        await super().shutdown(sockets)

    async def listening(self, serving: asyncio.Task[None]) -> None:
        """Wait until it listens; raise what ended `serving` if it ends first."""
        waiting = asyncio.create_task(self._listening.wait())
        try:
            await asyncio.wait({waiting, serving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if serving.done():
            serving.result()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _nothing() -> None:
    """End what there is not."""


def _listener(wanted: address.Address, setting: str) -> socket.socket:
    try:
        listener = _bound(wanted)
    except OSError as trouble:
        where = f"{wanted.host}:{wanted.port}"
        if trouble.errno == errno.EADDRINUSE:
            raise AddressInUseError(
                f"{setting} {where} is taken: stop what listens there, or set {setting} to another port"
            ) from None
        raise SettingsError([f"{setting}: cannot listen on {where}: {trouble.strerror}"]) from None
    # asyncio sees to this only where it makes the socket itself; without it each answer takes 40 ms longer (seen).
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _bound(wanted: address.Address) -> socket.socket:
    if not wanted.host and socket.has_dualstack_ipv6():
        return socket.create_server(("", wanted.port), family=socket.AF_INET6, dualstack_ipv6=True)
    family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
    return socket.create_server((wanted.host, wanted.port), family=family)
