"""What a service manager hears, at a real socket."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bridge.supervisor import Service, Supervisor
from tests.ingest.rig import running
from tests.support import wait_until


class Manager:
    """The other end of the socket."""

    def __init__(self, listener: socket.socket) -> None:
        """Hear what comes to `listener`."""
        self._listener = listener
        self.heard: list[str] = []

    def listen(self) -> list[str]:
        """Take what has come, each datagram's lines, and return all that was ever heard."""
        while True:
            try:
                self.heard += self._listener.recv(4_096).decode().splitlines()
            except BlockingIOError:
                return self.heard

    def fill(self, address: str) -> None:
        """Let so much wait to be read that nothing more is taken."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.setblocking(False)  # noqa: FBT003 - the standard library's signature
            with suppress(BlockingIOError):
                while True:
                    other.sendto(b"OTHER=1", _spelled(address))


def _spelled(address: str) -> str:
    return f"\0{address[1:]}" if address.startswith("@") else address


@contextmanager
def managing(address: str) -> Iterator[Manager]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(_spelled(address))
        listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
        yield Manager(listener)


class Going:
    """Something that is told about."""

    def __init__(self) -> None:
        """Begin before the start, in good health."""
        self.started = False
        self.ill: list[str] = []
        self.doing = "waits"
        self.stopping = asyncio.Event()

    @property
    def service(self) -> Service:
        """The same as the supervisor sees it."""
        return Service(
            started=lambda: self.started, ill=lambda: self.ill, doing=lambda: self.doing, stopping=self.stopping
        )


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"@bitmart-bridge-{secrets.token_hex(8)}"


async def test_a_start_a_life_and_an_end_are_told(address: str) -> None:
    going = Going()
    with managing(address) as manager:
        async with running(Supervisor(address, watchdog_s=0.02).attend(going.service)):
            await wait_until(lambda: manager.listen().count("EXTEND_TIMEOUT_USEC=30000000") >= 2, "time is asked for")
            assert manager.heard.count("STATUS=waits") == 1
            assert "READY=1" not in manager.heard
            going.started, going.doing = True, "serves"
            await wait_until(lambda: manager.listen().count("WATCHDOG=1") >= 3, "it is alive")
            assert manager.heard.count("READY=1") == manager.heard.count("STATUS=serves") == 1
            assert manager.heard.index("READY=1") < manager.heard.index("WATCHDOG=1")
            going.stopping.set()
            await wait_until(lambda: "STOPPING=1" in manager.listen(), "it stops")
            seen = manager.heard.count("WATCHDOG=1")
            await wait_until(lambda: manager.listen().count("WATCHDOG=1") > seen, "it is alive while it drains")


async def test_one_that_is_ill_lets_the_watchdog_bark(tmp_path: Path) -> None:
    going, address = Going(), str(tmp_path / "notify")
    going.started = True
    with managing(address) as manager:
        async with running(Supervisor(address, watchdog_s=0.02).attend(going.service)):
            await wait_until(lambda: "WATCHDOG=1" in manager.listen(), "it is alive")
            going.ill = ["stands still\nWATCHDOG=1"]
            await wait_until(lambda: "STATUS=stands still WATCHDOG=1" in manager.listen(), "it says what is wrong")
            quiet = manager.heard.count("WATCHDOG=1")
            going.ill = ["another"]
            await wait_until(lambda: "STATUS=another" in manager.listen(), "it goes on saying so")
            assert manager.heard.count("WATCHDOG=1") == quiet
            going.ill = []
            await wait_until(lambda: manager.listen().count("WATCHDOG=1") > quiet, "it is well again")


async def test_a_stop_before_the_start_is_told_without_a_ready(tmp_path: Path) -> None:
    going, address = Going(), str(tmp_path / "notify")
    going.stopping.set()
    with managing(address) as manager:
        async with running(Supervisor(address).attend(going.service)):
            await wait_until(lambda: "STOPPING=1" in manager.listen(), "it stops")
            assert "READY=1" not in manager.heard


async def test_what_a_busy_manager_did_not_take_is_told_again(address: str) -> None:
    going, looks = Going(), 0

    def counted() -> list[str]:
        nonlocal looks
        looks += 1
        return []

    async def looked(times: int) -> None:
        so_far = looks
        await wait_until(lambda: looks >= so_far + times, "it looks again and again")

    service = dataclasses.replace(going.service, ill=counted)
    going.started, going.doing = True, "serves"
    with managing(address) as manager:
        manager.fill(address)
        async with running(Supervisor(address, watchdog_s=0.02).attend(service)):
            await looked(3)
            await wait_until(lambda: "READY=1" in manager.listen(), "it is ready")
            await wait_until(lambda: manager.listen().count("WATCHDOG=1") >= 3, "it is alive")
            assert manager.heard.count("READY=1") == manager.heard.count("STATUS=serves") == 1
            manager.fill(address)
            going.stopping.set()
            await looked(3)
            await wait_until(lambda: "STOPPING=1" in manager.listen(), "it stops")
            seen = manager.heard.count("WATCHDOG=1")
            await wait_until(lambda: manager.listen().count("WATCHDOG=1") >= seen + 3, "it is alive while it drains")
            assert manager.heard.count("STOPPING=1") == manager.heard.count("STATUS=draining") == 1


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "@nobody-listens-here"])
async def test_without_a_manager_life_goes_on(address: str) -> None:
    going, looks = Going(), 0
    going.started = True

    def counted() -> list[str]:
        nonlocal looks
        looks += 1
        return []

    service = Service(started=lambda: True, ill=counted, doing=lambda: "serves", stopping=going.stopping)
    async with running(Supervisor(address, watchdog_s=0.01).attend(service)):
        await wait_until(lambda: looks > 3, "it goes on looking")
