"""Tests that are killed leave nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.children import Child
from tests.support import wait_until

PARENT = """
import sys, time
from tests.children import Child
kept = int(sys.argv[1])
Child(["sleep", "600"], pass_fds=(kept,))
print("started", flush=True)
time.sleep(600)
"""


async def test_a_child_ends_with_the_parent_that_was_killed() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with subprocess.Popen(  # noqa: ASYNC220, S603 - our own interpreter and our own text, and it starts at once
        [sys.executable, "-c", PARENT, str(writing)],
        cwd=Path(__file__).parents[1], pass_fds=(writing,), stdout=subprocess.PIPE,
    ) as parent:  # fmt: skip
        os.close(writing)
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        assert not ended(reading)
        parent.kill()
        await wait_until(lambda: ended(reading), "nobody holds the pipe any more")
    os.close(reading)


def ended(reading: int) -> bool:
    """Whether all who could write have ended."""
    try:
        return os.read(reading, 1) == b""
    except BlockingIOError:
        return False


def test_a_child_tells_its_own_code() -> None:
    assert Child(["sh", "-c", "exit 7"]).wait(20) == 7
