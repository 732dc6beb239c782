"""The first signal asks, the second forces."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from bridge.signals import interruptible, stopping
from tests.children import Child

# Is asked to stop, says so, and takes its time.
SLOW = """
import asyncio
from bridge.signals import stopping

async def main():
    with stopping() as stop:
        print("ready", flush=True)
        await stop.wait()
        print("asked", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_first_signal_sets_the_event(number: signal.Signals) -> None:
    with stopping() as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), number)
        await asyncio.wait_for(stop.wait(), 10)


async def test_afterwards_signals_mean_what_they_meant_before() -> None:
    loop = asyncio.get_running_loop()
    with stopping() as stop:
        pass
    assert not loop.remove_signal_handler(signal.SIGINT)
    assert not loop.remove_signal_handler(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert not stop.is_set()


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_the_process_at_once(first: signal.Signals, second: signal.Signals) -> None:
    with Child[str]([sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(first)
        assert process.stdout.readline() == "asked\n"
        process.send_signal(second)
        _, told = process.communicate(timeout=20)
    assert (process.returncode, told) == (128 + second, "forced\n")


@pytest.mark.parametrize(("before", "after"), [(signal.SIG_DFL, signal.default_int_handler), (signal.SIG_IGN,) * 2])
def test_a_ctrl_c_is_an_exception_where_something_is_to_be_undone_unless_it_is_ignored(
    before: signal.Handlers, after: object
) -> None:
    kept = signal.signal(signal.SIGINT, before)
    try:
        interruptible()
        assert signal.getsignal(signal.SIGINT) is after
    finally:
        signal.signal(signal.SIGINT, kept)
