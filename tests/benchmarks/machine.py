"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from redis.asyncio import Redis

_LIBRARIES: Final = ("bitmart-bridge", "websockets", "msgspec", "redis", "hiredis", "uvloop")


async def described(redis: Redis) -> dict[str, str]:
    """Return machine, versions, and the commit that was measured."""
    server = await redis.info("server")
    name = server.get("server_name", "redis")
    return {
        "machine": f"{platform.system()} {platform.machine()}, {_processor()}, {os.cpu_count()} cores",
        "load": ", ".join(f"{load:.2f}" for load in os.getloadavg()),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **{library: version(library) for library in _LIBRARIES},
        "server": f"{name} {server.get(f'{name}_version')}",
        "commit": _commit(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "a processor of no known name"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _commit() -> str:
    try:
        commit = _git("rev-parse", "--short=10", "HEAD")
        return f"{commit} and changes" if _git("status", "--porcelain", "--", "bridge") else commit
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], check=True, capture_output=True, text=True)  # noqa: S603, S607 - our words, the user's git
    return done.stdout.strip()
