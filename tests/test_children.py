"""Tests that are killed leave nothing behind."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.children import Child, child, finished
from tests.support import wait_until

TESTS: Final = Path(__file__).parent

# Starts a command that holds the pipe, and another one that this starts, and stays.
PARENT: Final = """
import sys, time
from tests.children import Child
kept = int(sys.argv[1])
Child(["/bin/sh", "-c", sys.argv[2]], pass_fds=(kept,), start_new_session=True)
time.sleep(600)
"""
# What a command does so as not to end: nothing, ignore whatever can be ignored, stand still, leave another one behind.
TENACIOUS: Final = {
    "idle": "echo started; exec sleep 600",
    "deaf": "trap '' HUP INT QUIT TERM; echo started; sleep 600; sleep 600",
    "halted": "echo started; kill -STOP $$; exec sleep 600",
    "survived": "sleep 600 & echo started; exec sleep 600",
}
# What starts a process, in the modules of the standard library.
STARTS: Final = re.compile(
    r"subprocess\.(Popen|run|call|check_\w+|get\w+output)|asyncio\.(subprocess\.)?create_subprocess_\w+"
    r"|\w*loop\.subprocess_\w+|multiprocessing\.\w+|concurrent\.futures\.Process\w+|pty\.\w+"
    r"|os\.(system|popen|fork|forkpty|posix_spawn\w*|spawn\w+)"
)
# Those that start one otherwise, and why it does not outlive the tests.
EXCUSED: Final = {
    ("children.py", "asyncio.create_subprocess_exec"): "it is guarded here",
    ("test_children.py", "subprocess.Popen"): "it plays the tests that are killed",
    ("chaos/test_dates.py", "subprocess.Popen"): "it ends with its standard input",
    ("deploy/test_guides.py", "subprocess.run"): "it ends with its standard input",
    ("scrapes.py", "subprocess.run"): "it ends with its standard input",
}


@pytest.mark.parametrize("how", TENACIOUS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_child_ends_with_the_parent_that_was_killed(how: str, number: signal.Signals) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with subprocess.Popen(  # noqa: ASYNC220, S603 - our own interpreter and our own text, and it starts at once
        [sys.executable, "-c", PARENT, str(writing), TENACIOUS[how]],
        cwd=TESTS.parent, pass_fds=(writing,), stdout=subprocess.PIPE,
    ) as parent:  # fmt: skip
        os.close(writing)
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        assert not ended(reading)
        parent.send_signal(number)
        await wait_until(lambda: ended(reading), "nobody holds the pipe any more")
    os.close(reading)


def ended(reading: int) -> bool:
    """Whether all who could write have ended."""
    try:
        return os.read(reading, 1) == b""
    except BlockingIOError:
        return False


def test_a_child_tells_its_own_code() -> None:
    assert Child[bytes](["sh", "-c", "exit 7"]).wait(20) == 7


async def test_a_child_that_still_runs_is_killed_at_the_end() -> None:
    async with child(["sleep", "600"]) as process:
        assert process.returncode is None
    assert process.returncode == -signal.SIGKILL


def test_a_finished_command_tells_its_code_and_what_it_printed() -> None:
    told = finished(["sh", "-c", "echo out; echo err >&2; exit 7"])
    assert (told.returncode, told.stdout, told.stderr) == (7, "out\n", "err\n")


def test_a_command_that_takes_too_long_is_killed() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        finished(["sleep", "600"], timeout=0.01)


def test_every_process_that_a_test_starts_is_guarded() -> None:
    found = {
        (path.relative_to(TESTS).as_posix(), name)
        for path in TESTS.rglob("*.py")
        if "benchmarks" not in path.parts  # they are no tests, and measure what they start
        for name in started_in(path.read_text(encoding="utf-8"))
    }
    assert found == set(EXCUSED)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import subprocess\nsubprocess.run(['true'], check=True)", ["subprocess.run"]),
        ("from subprocess import run\nrun(['true'])", ["subprocess.run"]),
        ("import asyncio\nasyncio.run(asyncio.create_subprocess_exec('true'))", ["asyncio.create_subprocess_exec"]),
        ("os.fork()", ["os.fork"]),
        ("from multiprocessing import Process", ["multiprocessing.Process"]),
        ("child(['true'], stdout=subprocess.PIPE)\nasyncio.run(loop.run())", []),
    ],
)
def test_it_is_seen_how_a_process_is_started(text: str, names: list[str]) -> None:
    assert list(started_in(text)) == names


def started_in(text: str) -> Iterator[str]:
    """Yield what starts a process in a module's text."""
    for node in ast.walk(ast.parse(text)):
        named = []
        if isinstance(node, ast.ImportFrom):
            named = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call):
            named = [ast.unparse(node.func)]
        yield from filter(STARTS.fullmatch, named)
