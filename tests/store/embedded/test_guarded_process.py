"""A guarded process whose owner is killed: asked to end, and made to."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.children import Child
from tests.support import wait_until

ROOT: Final = Path(__file__).parents[3]

OWNER: Final = """
import asyncio, sys
from bridge.store.embedded.guarded_process import GuardedProcess

async def main():
    await GuardedProcess.start(["/bin/sh", "-c", sys.argv[2]], int(sys.argv[1]), patience_s=int(sys.argv[3]))
    await asyncio.Event().wait()

asyncio.run(main())
"""
OBEDIENT: Final = "trap 'echo asked; exit' TERM; echo started; while :; do sleep 0.01; done"
DEAF: Final = "trap 'echo asked' TERM; echo started; while :; do sleep 0.01; done"


@pytest.mark.parametrize(("command", "patience_s"), [(OBEDIENT, 600), (DEAF, 1)], ids=["obedient", "deaf"])
async def test_it_is_asked_to_end_and_after_some_time_it_is_killed(command: str, patience_s: int) -> None:
    said = bytearray()
    reading, writing = os.pipe()
    os.set_blocking(reading, False)

    def over() -> bool:
        """Read what it said; tell whether it has ended, with all that it started."""
        try:
            heard = os.read(reading, 4_096)
        except BlockingIOError:
            return False
        said.extend(heard)
        return not heard

    words = [sys.executable, "-c", OWNER, writing, command, patience_s]
    with Child[bytes](words, cwd=ROOT, pass_fds=(writing,)) as owner:
        os.close(writing)
        await wait_until(lambda: over() or said == b"started\n", "it has started")
        owner.kill()
        owner.wait(20)
        await wait_until(over, "it has ended")
    os.close(reading)
    assert said == b"started\nasked\n"
