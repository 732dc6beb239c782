"""The host's date, stepped while a program runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos.dates import MISSING, HostDate, library
from tests.chaos.faults import DATE_STEPPED
from tests.chaos.plan import drawn
from tests.chaos.run import played
from tests.chaos.schedule import Act

pytestmark = pytest.mark.skipif(library() is None, reason=MISSING)

_CLOCK = "import sys, time\nfor _ in sys.stdin: print(time.time_ns(), time.monotonic_ns(), flush=True)"


@contextmanager
def clock(date: HostDate) -> Iterator[subprocess.Popen[str]]:
    """A program that says what time it is whenever it is asked."""
    environment = {"PATH": os.environ["PATH"], **date.environment()}
    with subprocess.Popen(  # noqa: S603 - a text of ours
        [sys.executable, "-c", _CLOCK], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        try:
            yield program
        finally:
            program.kill()


def asked(program: subprocess.Popen[str]) -> tuple[float, float]:
    """The date and the monotonic time that a program sees, in seconds."""
    assert program.stdin
    assert program.stdout
    program.stdin.write("\n")
    program.stdin.flush()
    date, monotonic = program.stdout.readline().split()
    return int(date) / 1e9, int(monotonic) / 1e9


def test_a_programs_date_jumps_while_it_runs_and_its_monotonic_clock_does_not(tmp_path: Path) -> None:
    date = HostDate(tmp_path / "date", 3_600)
    with clock(date) as program:
        before, began = asked(program)
        date.step(-3_600)
        while (after := asked(program))[0] > before - 3_600:
            assert after[1] - began < 20, "the step is seen soon"
        assert 7_100 < before - after[0] < 7_200
        assert 0 < after[1] - began < 20


async def test_a_host_whose_date_jumps_tells_the_truth_all_the_same(tmp_path: Path) -> None:
    plan = drawn(3, seconds=6.0, symbols=8)
    steps = [Act(DATE_STEPPED, start, start + 1.5) for start in (0.5, 2.5, 4.5)]
    outcome = await played(plan, tmp_path, steps)
    assert outcome.journal.counts["date_stepped"] == len(steps)
    assert outcome.verdict.failures == []
    assert outcome.verdict.counts["candles"] > 200
    assert outcome.verdict.counts["fills"] > 5
