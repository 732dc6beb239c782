"""A TCP relay before a real server, for what a server can't be asked to do: lose a reply, or stop answering."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


class Relay:
    """Passes bytes on both ways until told otherwise.

    Attributes:
        answering: cleared, it holds all replies back.
        holding: whether a reply is held back right now.
        swallow: set, the next reply is thrown away and its connection cut.
        held_s: how long each reply is held back: a slow server, as far as its client can tell.
        opened: how many connections there were so far.
        live: how many there are now.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Stand before the server on `port` of this machine, and speak TLS if told how."""
        self._target = port
        self._tls = tls
        self._listener: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self.answering = asyncio.Event()
        self.answering.set()
        self.holding = False
        self.swallow = False
        self.held_s = 0.0
        self.opened = 0

    @property
    def live(self) -> int:
        """How many connections there are."""
        return len(self._serving)

    @property
    def port(self) -> int:
        """Where to connect to, on this machine."""
        assert self._listener is not None
        return int(self._listener.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Where to connect to, for a client of Redis."""
        return f"{'rediss' if self._tls else 'redis'}://127.0.0.1:{self.port}/0"

    async def __aenter__(self) -> Self:
        """Listen."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Cut all connections."""
        assert self._listener is not None
        self._listener.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._listener is None or not self._listener.is_serving():
            writer.close()  # came in by a door that has been shut since
            return
        self.opened += 1
        task = asyncio.create_task(self._serve(reader, writer))
        task.add_done_callback(lambda _: writer.close())  # even if it never came to its first step
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends, both = list[asyncio.StreamWriter](), list[asyncio.Task[None]]()
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target)
            ends.append(server_writer)
            both.append(asyncio.create_task(self._pass_requests(reader, server_writer)))
            both.append(asyncio.create_task(self._pass_replies(server_reader, writer)))
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            return  # the server is not there
        finally:
            for end in ends:
                end.close()
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _pass_requests(self, client: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await client.read(65_536):
                server.write(data)
                await server.drain()

    async def _pass_replies(self, server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await server.read(65_536):
                if self.swallow:
                    self.swallow = False
                    return
                self.holding = not self.answering.is_set()
                await self.answering.wait()
                if self.held_s:
                    await asyncio.sleep(self.held_s)
                self.holding = False
                client.write(data)
                await client.drain()
