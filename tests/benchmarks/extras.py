"""The peers that are libraries of others: installed in an environment of the benchmark's own, never with the bridge."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.benchmarks.frames import TOPICS
from tests.benchmarks.stand import Cost, Stand

_ROOT: Final = Path(__file__).parents[2]
_HOME: Final = _ROOT / ".venv" / "benchmark-peers"
_SCRIPT: Final = Path(__file__).with_name("outsiders.py")
_REQUIREMENTS: Final = (
    "cryptofeed==2.4.1",
    "ccxt==4.5.65",
    "bitmart-python-sdk-api==2.8.0",
    "redis==8.1.0",
    "hiredis==3.5.0",
    "websockets==17.4",
)
_INSTALL_S: Final = 600
_LONGEST_S: Final = 90


def installed() -> str:
    """Install what is missing; return why that is impossible, or nothing."""
    if (_HOME / "ready").exists():
        return ""
    python = str(_HOME / "bin" / "python")
    try:
        made, filled = (sys.executable, "-m", "venv", str(_HOME)), (python, "-m", "pip", "install", *_REQUIREMENTS)
        for command in (made, filled):
            subprocess.run(command, check=True, capture_output=True, timeout=_INSTALL_S)  # noqa: S603 - our words
    except (OSError, subprocess.SubprocessError) as trouble:
        return f"peers (c) to (e) are left out, they cannot be installed: {trouble}"
    (_HOME / "ready").touch()
    return ""


async def outsider(stand: Stand, frames: int, which: str) -> Cost:
    """The whole way, by one of them."""
    await stand.empty()
    port = stand.settings.redis_url.reveal().rpartition(":")[2].partition("/")[0]
    process = await asyncio.create_subprocess_exec(
        *(str(_HOME / "bin" / "python"), str(_SCRIPT), which, stand.source.uri, port, str(frames)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("a process without pipes")
    try:
        async with asyncio.timeout(_LONGEST_S):
            process.stdin.write(json.dumps(TOPICS[: stand.source.turn]).encode() + b"\n")
            await stand.source.ready()
            await _said(process.stdout)
            stand.source.send(frames)
            told = json.loads(await _said(process.stdout))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    return Cost(frames, told["cpu_s"], told["wall_s"])


async def _said(output: asyncio.StreamReader) -> bytes:
    line = await output.readline()
    if not line:
        raise RuntimeError("a peer ended early")
    return line
