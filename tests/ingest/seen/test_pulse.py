"""The loop's beat."""

from __future__ import annotations

import time

from bridge.ingest.seen.pulse import Pulse
from tests.ingest.rig import running
from tests.support import wait_until


async def test_a_loop_that_was_held_up_beats_late() -> None:
    pulse = Pulse()
    async with running(pulse.run()):
        await wait_until(lambda: pulse.lag.count >= 1, "the first beat")
        before_s = pulse.lag.sum
        time.sleep(0.75)  # noqa: ASYNC251 - the very thing that is to be noticed
        await wait_until(lambda: pulse.lag.sum >= before_s + 0.4, "a beat that was late by what was left of the sleep")
