"""Where the lines of the guides run: a checkout that is set up, a demonstration at work, a simulated exchange."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from tests.children import child
from tests.guides.blocks import ROOT
from tests.scenarios.stage import Program
from tests.support import wait_until

# Stands in for the real one where a machine lacks it: asks a real server, and prints what it answers.
_REDIS_CLI: Final = """import sys, redis
client = redis.Redis.from_url(sys.argv[2], decode_responses=True, socket_timeout=60)
print(client.execute_command(*sys.argv[3:]))
"""
_LONG_S: Final = 40.0


@dataclass
class Told:
    """How a line went: what it printed, and its exit code; none while it runs on."""

    text: str
    code: int | None


@dataclass
class Stage:
    """Programs that live as long as the module, and what the lines call them.

    Attributes:
        home: a folder for all that they keep.
        exchange: a simulated exchange.
        demo: the whole bridge at work.
    """

    home: Path
    exchange: Program = field(init=False)
    demo: Program = field(init=False)

    def __post_init__(self) -> None:
        """Describe the programs."""
        self.exchange = Program("exchange", self.home, {}, "simulate", "--rate", "10", "--port", "0")
        self.demo = Program("demo", self.home, {"CTRL_ADDR": "127.0.0.1:0"}, "up", "--demo")

    async def ready(self) -> None:
        """Start whatever does not run, and wait until there is something of each kind to read."""
        for program, last_words in ((self.exchange, "Faults:"), (self.demo, "Stop       Ctrl-C")):
            if not program.alive():
                program.output.unlink(missing_ok=True)
                program.start()
            await program.says(last_words, _LONG_S)
        for kind in ("kline ", "order ", "fill "):
            await self.demo.says(kind, _LONG_S)

    def close(self) -> None:
        """End all."""
        self.demo.kill()
        self.exchange.kill()

    def told(self, line: str) -> str:
        """Return a line with the places and times of this stage for those of the guide."""
        now = datetime.now(UTC).replace(minute=0, second=0)
        past, later = ((now - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%MZ") for hours in (6, 2))
        port = self._redis.rpartition(":")[2].partition("/")[0]
        for theirs, ours in (
            ("redis://127.0.0.1:6390/0", self._redis),
            ("redis://127.0.0.1:6379/0", self._redis),
            ("port=6390", f"port={port}"),
            ("http://127.0.0.1:8089", self._control),
            ("--from 2026-01-01 --to 2026-02-01", f"--from {past} --to {later}"),
            ("simulate --rate 10", "simulate --rate 10 --port 0"),
        ):
            line = line.replace(theirs, ours)
        return line

    def environment(self, folder: Path) -> dict[str, str]:
        """Return what a user's shell has who set the bridge up in `folder`."""
        settings = dict(re.findall(r"^(BITMART_\w+)=(.*)$", self.exchange.text, re.MULTILINE))
        return {
            **settings,
            "PATH": f"{folder / 'programs'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder / "home"),
            "REDIS_URL": self._redis,
            "CTRL_ADDR": "127.0.0.1:0",
        }

    @property
    def _redis(self) -> str:
        return self._said(r"Redis +(redis\S+)")

    @property
    def _control(self) -> str:
        return self._said(r"Control +(http\S+)")

    def _said(self, pattern: str) -> str:
        found = re.search(pattern, self.demo.text)
        assert found, self.demo.text
        return found[1]


def checkout(folder: Path) -> Path:
    """Make what a user has before them after `make`: the files that lines name, and a `.venv` that is ready."""
    for name in ("deploy", "consumers"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
    for name in ("bridge", "tests", "requirements", "pyproject.toml", "Makefile"):
        (folder / name).symlink_to(ROOT / name)
    programs, ready = folder / "programs", folder / ".venv" / "bin"
    ready.mkdir(parents=True)
    programs.mkdir()
    (folder / "home").mkdir()
    (folder / "docs" / "reference").mkdir(parents=True)
    _program(ready / "python", f'exec "{sys.executable}" "$@"')
    (folder / ".venv" / ".run-ready").touch()
    for place in (programs, ready):
        _program(place / "bitmart-bridge", f'exec "{sys.executable}" -m bridge "$@"')
    if shutil.which("redis-cli") is None:
        (programs / "redis-cli.py").write_text(_REDIS_CLI, encoding="utf-8")
        _program(programs / "redis-cli", f'exec "{sys.executable}" "{programs / "redis-cli.py"}" "$@"')
    return folder


async def typed(line: str, folder: Path, environment: Mapping[str, str], *, endless: bool) -> Told:
    """Let a shell run a line; one that is endless until it has said something, and then Ctrl-C."""
    assignments, rest = _split(line)
    # Who gives a secret by a file does not give it by a variable too.
    named = {name.removesuffix("_FILE") for name in assignments if name.endswith("_FILE")}
    kept = {name: value for name, value in environment.items() if name not in named}
    output = folder / "said"
    with output.open("wb") as file:
        async with child(
            ["/bin/sh", "-c", f"exec {rest}" if endless else rest],
            cwd=folder,
            env=kept | assignments,
            stdout=file,
            stderr=file,
            start_new_session=True,
        ) as process:
            try:
                if endless:
                    await wait_until(
                        lambda: process.returncode is not None or output.stat().st_size > 0, f"words of {line}", _LONG_S
                    )
                    assert process.returncode is None, output.read_text(encoding="utf-8")
                    os.killpg(process.pid, signal.SIGINT)
                async with asyncio.timeout(_LONG_S):
                    await process.wait()
            finally:
                if process.returncode is None:
                    os.killpg(process.pid, signal.SIGKILL)
    return Told(output.read_text(encoding="utf-8"), process.returncode)


def _split(line: str) -> tuple[dict[str, str], str]:
    """Return the variables that stand before a command, and the command."""
    assignments = {}
    while found := re.match(r"([A-Z_]+)=(\S+) +", line):
        assignments[found[1]] = found[2]
        line = line[found.end() :]
    return assignments, line


def _program(path: Path, command: str) -> None:
    path.write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
    path.chmod(0o755)
