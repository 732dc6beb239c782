"""Ingesters, in processes of their own, killed and halted as life does it; or, for small stages, in this one."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from bridge import exchanges, settings
from bridge.ingest.ingester import Ingester
from tests.children import Child

ROOT: Final = Path(__file__).parents[2]


class Program(Protocol):
    """One ingester, over all its lives."""

    name: str

    def start(self) -> None:
        """Start it."""

    @property
    def alive(self) -> bool:
        """Whether it runs."""

    def kill(self) -> None:
        """End it without a chance to say anything."""

    async def gone(self) -> None:
        """Return once all it had open is closed."""

    def halt(self) -> None:
        """Let it stand still."""

    def resume(self) -> None:
        """Let it go on."""


class IngesterTask:
    """An ingester in this process, where its parts can be replaced by broken ones. It can't be halted."""

    def __init__(self, name: str, _folder: Path, environment: Mapping[str, str]) -> None:
        """Prepare it."""
        self.name = name
        self._settings = settings.load({"INGESTER_ID": name, **environment}, dotenv=None)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start it."""
        self._task = asyncio.create_task(Ingester(self._settings, exchanges.chosen(self._settings)).run())

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._task is not None and not self._task.done()

    def kill(self) -> None:
        """End it; what it holds is gone."""
        if self._task is not None:
            self._task.cancel()

    async def gone(self) -> None:
        """Return once all it had open is closed."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def halt(self) -> None:
        """Do nothing."""

    def resume(self) -> None:
        """Do nothing."""


class IngesterProgram:
    """One ingester's process, over all its lives."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str]) -> None:
        """Prepare it; nothing of the caller's own environment reaches it."""
        self.name = name
        self.output = folder / f"{name}.log"
        self.lives = 0
        self._folder = folder
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
            "INGESTER_ID": name,
            **environment,
        }
        self._process: Child[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        self.lives += 1
        with self.output.open("ab") as output:
            self._process = Child[bytes](
                [sys.executable, "-m", "tests.chaos.hurried", "ingest"],
                cwd=self._folder,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it without a chance to say anything."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def gone(self) -> None:
        """Return at once: a killed process has nothing open."""

    def halt(self) -> None:
        """Let it stand still."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self.alive:
            self._process.send_signal(number)
