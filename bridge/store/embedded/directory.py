"""The embedded server's data directory: whose it is, what its server said, and where that server listens.

Two locks keep two servers off the same data. `owner.lock` belongs to the process that runs the server and dies with it.
The log is locked too, by the server itself: it inherits the locked file as its output, so that lock lasts exactly until
the server has ended, whether or not its owner still lives.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from bridge.backoff import growing_waits
from bridge.errors import BridgeError

if TYPE_CHECKING:
    from pathlib import Path

OWNER_DEADLINE_S: Final = 0.5  # how long a killed owner may take to be gone
HANDOVER_DEADLINE_S: Final = 15.0  # and then its server
LOG_LIMIT_BYTES: Final = 1_000_000
LAST_WORDS_BYTES: Final = 4096
LAST_WORDS_LINES: Final = 12
PROBE_TIMEOUT_S: Final = 0.5


class EmbeddedServerError(BridgeError):
    """The embedded server cannot be had: no binary, no usable directory, or a server that does not come up."""


class Run(msgspec.Struct, frozen=True):
    """What `run.json` tells: where the server listens, which process it is, and which one owns it."""

    url: str
    pid: int
    owner_pid: int


class ServerDirectory:
    """A data directory that one process at a time may own, and one server at a time may write.

    Attributes:
        path: the directory, absolute.
        log: the file the server's output goes to.
    """

    def __init__(self, path: Path) -> None:
        """Name the directory; `claim` makes and takes it."""
        self.path = path.absolute()
        self.log = self.path / "server.log"
        self._owner_lock: int | None = None
        self._log_start = 0

    async def claim(self) -> None:
        """Make the directory (mode 0700) where it's missing, and own it until `release` or our death.

        Raises:
            EmbeddedServerError: it cannot be made or written, or another owner has it.
        """
        if self._owner_lock is not None:
            return
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from error
        lock = self._open("owner.lock", os.O_RDWR)
        try:
            await self._sign(lock)
        except BaseException:
            os.close(lock)
            raise
        self._owner_lock = lock

    def release(self) -> None:
        """Withdraw what `publish` wrote and give up the directory; nothing happens when we don't own it."""
        if self._owner_lock is None:
            return
        with suppress(OSError):  # whoever reads a file that can't be removed finds nobody at its address
            self._run_file.unlink(missing_ok=True)
        os.close(self._owner_lock)
        self._owner_lock = None

    async def open_log(self) -> int:
        """Return a descriptor of the log for a new server to write and thereby lock; the caller closes its own copy.

        A server whose owner was killed a moment ago still has the lock, and the data: its end is awaited.

        Raises:
            EmbeddedServerError: it cannot be opened, or the earlier server doesn't end within `HANDOVER_DEADLINE_S`.
        """
        log = self._open(self.log.name, os.O_WRONLY | os.O_APPEND)
        try:
            await self._await_earlier_server(log)
            if os.fstat(log).st_size > LOG_LIMIT_BYTES:
                os.ftruncate(log, 0)
            self._log_start = os.fstat(log).st_size
        except BaseException:
            os.close(log)
            raise
        return log

    def last_words(self) -> str:
        """Return the last lines that the newest server wrote, indented for a place below an error's first line."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(self._log_start, os.fstat(log.fileno()).st_size - LAST_WORDS_BYTES))
                lines = log.read().decode(errors="replace").splitlines()
        except OSError as error:
            lines = [f"(unreadable: {error.strerror})"]
        return "\n".join(f"  {line}" for line in lines[-LAST_WORDS_LINES:]) or "  (nothing)"

    def publish(self, url: str, pid: int) -> None:
        """Write `run.json` (mode 0600) for `running` to read: all of it at once, never a half.

        Raises:
            EmbeddedServerError: it cannot be written.
        """
        draft = self.path / "run.json.new"
        descriptor = self._open(draft.name, os.O_WRONLY | os.O_TRUNC)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(Run(url=url, pid=pid, owner_pid=os.getpid())))
            draft.replace(self._run_file)
        except OSError as error:
            raise self._unusable(error) from error

    @property
    def _run_file(self) -> Path:
        return self.path / "run.json"

    def _open(self, name: str, flags: int) -> int:
        try:
            return os.open(self.path / name, flags | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unusable(error) from error

    async def _sign(self, lock: int) -> None:
        if not await self._locked(lock, OWNER_DEADLINE_S):
            holder = os.read(lock, 20).decode() or "unknown"
            raise EmbeddedServerError(f"{self.path} already serves another bridge (pid {holder}): stop that one first")
        try:
            os.ftruncate(lock, 0)
            os.write(lock, str(os.getpid()).encode())
        except OSError as error:
            raise self._unusable(error) from error

    async def _await_earlier_server(self, log: int) -> None:
        if not await self._locked(log, HANDOVER_DEADLINE_S):
            raise EmbeddedServerError(
                f"{self.path} is still in use by an earlier embedded server after {HANDOVER_DEADLINE_S:g} s: "
                f"end the process named in {self.path / 'server.pid'}, then start again"
            )

    async def _locked(self, descriptor: int, within_s: float) -> bool:
        """Lock the open file, waiting `within_s` seconds at most for whoever has it, and tell whether we got it."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        for wait_s in growing_waits():
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if loop.time() > deadline:
                    break
            except OSError as error:  # a file system without locks
                raise self._unusable(error) from error
            else:
                return True
            await asyncio.sleep(wait_s)
        return False

    def _unusable(self, error: OSError) -> EmbeddedServerError:
        return EmbeddedServerError(f"{self.path} cannot hold the embedded server's data: {error.strerror}")


def running(directory: Path) -> str | None:
    """Return the URL of the server that serves `directory` now, or None.

    The word of `run.json` is checked: a server must answer there and say that it is the process written there. Blocks
    for a second at most.
    """
    try:
        run = msgspec.json.decode((directory / "run.json").read_bytes(), type=Run)
        with redis.Redis.from_url(
            run.url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=PROBE_TIMEOUT_S, socket_timeout=PROBE_TIMEOUT_S
        ) as client:
            answered = client.info("server")
    except (OSError, ValueError, redis.RedisError):
        return None
    return run.url if answered.get("process_id") == run.pid else None
