"""Real programs on a stage: started as a user starts them, killed as life kills them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx2

from tests.children import Child
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
# An address at which nobody listens.
NOWHERE: Final = "127.0.0.1:1"


class Program:
    """One `bitmart-bridge` command in a process of its own."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str], *arguments: str) -> None:
        """Prepare the command `arguments`; nothing of the tester's own environment reaches it."""
        self.name = name
        self.output = folder / f"{name}.out"
        self._folder = folder
        self._arguments = arguments
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
            **environment,
        }
        self._process: Child[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        with self.output.open("ab") as output:
            self._process = Child[bytes](
                [sys.executable, "-m", "bridge", *self._arguments],
                cwd=self._folder,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def process(self) -> Child[bytes]:
        """The running process."""
        assert self._process is not None
        return self._process

    @property
    def text(self) -> str:
        """All it has printed so far, over all its lives."""
        return self.output.read_text(encoding="utf-8") if self.output.exists() else ""

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    async def says(self, text: str, timeout_s: float = 20) -> None:
        """Wait until it has printed `text`."""
        await wait_until(lambda: text in self.text, f"{self.name} says {text!r}; it said:\n{self.text}", timeout_s)

    async def ended(self, timeout_s: float = 20) -> int:
        """Wait until it has ended, and return its exit code."""
        await wait_until(lambda: not self.alive(), f"{self.name} ends; it said:\n{self.text}", timeout_s)
        return self.process.wait()

    async def stop(self) -> int:
        """Ask it to end as Ctrl-C does, and return its exit code."""
        self.process.send_signal(signal.SIGINT)
        return await self.ended()

    def kill(self) -> None:
        """End it without a chance to say anything."""
        if self.alive():
            self.process.kill()
        if self._process is not None:
            self._process.wait()


class Api:
    """The control API as `curl` sees it."""

    def __init__(self, url: str) -> None:
        """Call it at `url`."""
        self._client = httpx2.AsyncClient(base_url=url, timeout=20)

    async def get(self, path: str) -> dict[str, Any]:
        """Return the JSON answer to a GET."""
        answer = await self._client.get(path)
        return dict(answer.json())

    async def post(self, path: str, body: object = None) -> dict[str, Any]:
        """Return the JSON answer to a POST."""
        answer = await self._client.post(path, json=body) if body is not None else await self._client.post(path)
        return dict(answer.json())

    async def up(self) -> bool:
        """Whether it answers."""
        try:
            return (await self._client.get("/health/live")).is_success
        except httpx2.HTTPError:
            return False

    async def active(self, topics: set[str]) -> bool:
        """Whether exactly these topics are wanted and all of them active."""
        try:
            status = await self.get("/status")
        except (httpx2.HTTPError, ValueError):
            return False
        states = {name: topic["state"] for name, topic in status.get("topics", {}).items()}
        return states == dict.fromkeys(topics, "active")

    async def close(self) -> None:
        """Close what is open."""
        await self._client.aclose()
