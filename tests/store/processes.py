"""A real server beside the embedded one, on loopback, in a folder of its own."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from bridge.store.embedded.server import find_binary, free_port
from tests.children import Child

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

HOST = "127.0.0.1"
# Tests side by side have ports of their own, and begin anywhere among them, lest two runs on one machine should meet.
_SIDES = 16
_SIDE = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % _SIDES
_PORTS = cycle(random.SystemRandom().sample(range(10_000 + _SIDE, 32_000, _SIDES), 22_000 // _SIDES))


def settled(predicate: Callable[[], bool], description: str, timeout_s: float = 30) -> None:
    """Return once `predicate` holds; what the server refuses meanwhile counts as no."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            if predicate():
                return
        except redis.RedisError:
            pass
        time.sleep(0.01)
    raise AssertionError(f"not within {timeout_s:g} s: {description}")


def own_port() -> int:
    """Return a port that nobody has and nobody else of this run gets, so that who stops and starts again finds its own.

    It is below those that the system gives to outgoing connections, which would take it while its server is away.
    """
    for port in islice(_PORTS, 1_000):
        if free_port(port) == port:
            return port
    raise AssertionError("no port is free")


class Server:
    """One server process with a folder of its own.

    Attributes:
        port: where it listens.
        control: a client of it, for the test's own questions.
    """

    def __init__(self, folder: Path, **options: str) -> None:
        """Describe it; options are those of its configuration, with `_` for `-`."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = own_port()
        self._options = options
        self._process: Child[bytes] | None = None
        self.control: Any = redis.Redis(
            host=HOST, port=self.port, decode_responses=True, retry=Retry(NoBackoff(), 0), protocol=2
        )

    def __enter__(self) -> Self:
        """Start it, and wait until it answers."""
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it."""
        self.control.close()
        self.kill()

    @property
    def address(self) -> str:
        """Where it listens, as it stands in a URL."""
        return f"{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """The URL of this server alone."""
        return f"redis://{self.address}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = {"port": str(self.port), "bind": HOST, "dir": str(self.folder), "save": "", **self._options}
        # From a file, because a sentinel writes into its own.
        config = self.folder / "server.conf"
        lines = [f"{name.replace('_', '-')} {value or chr(34) * 2}" for name, value in options.items()]
        config.write_text("\n".join(lines) + "\n")
        words = [str(find_binary()), str(config), *self._words()]
        with (self.folder / "server.log").open("ab") as log:
            self._process = Child[bytes](words, stdout=log, stderr=log, start_new_session=True)
        settled(self._answers, f"an answer on port {self.port}; see {self.folder / 'server.log'}")

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def running(self) -> bool:
        """Whether it was started and not killed."""
        return self._process is not None

    def revive(self) -> None:
        """Start it if it was killed."""
        if self._process is None:
            self.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it stand still, sockets open."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def _words(self) -> list[str]:
        return []

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"it ended: {(self.folder / 'server.log').read_text()[-500:]}")
        return bool(self.control.ping())


def raw(node: Server, *words: str) -> Any:  # noqa: ANN401 - whatever is answered
    """Ask a node, and return the answer as it came."""
    connection = node.control.connection_pool.get_connection()
    try:
        connection.send_command(*words)
        return connection.read_response()
    finally:
        node.control.connection_pool.release(connection)
