"""The command: play seeds, print a table, end with 1 if a promise was broken."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

import click

from tests.chaos import table
from tests.chaos.broken import patching
from tests.chaos.dates import MISSING, library
from tests.chaos.plan import RATE, SYMBOLS, drawn
from tests.chaos.run import Outcome, played
from tests.chaos.schedule import acts
from tests.chaos.trials import TRIALS, hurried, unnoticed

_SECONDS: Final = 20.0


@click.command()
@click.option("--seeds", default=20, show_default=True, type=click.IntRange(min=1), help="How many runs.")
@click.option("--first", default=1, show_default=True, help="The first run's seed; the others follow.")
@click.option("--seconds", default=_SECONDS, show_default=True, help="How long faults strike in each run.")
@click.option("--symbols", default=SYMBOLS, show_default=True, help="Contracts that are wanted.")
@click.option("--rate", default=RATE, show_default=True, help="Market seconds per second.")
@click.option("--replicas", default=2, show_default=True, type=click.IntRange(1, 2), help="Ingesters of each topic.")
@click.option("--emptied/--no-emptied", default=True, show_default=True, help="Whether the store may lose all it had.")
@click.option("--keep", is_flag=True, help="Keep the logs of runs that went well, too.")
@click.option("--protections", is_flag=True, help="Instead, take out one protection at a time: each has to be missed.")
@click.option("--verbose", is_flag=True, help="Print each run's faults by kind.")
def main(
    *,
    seeds: int,
    first: int,
    seconds: float,
    symbols: int,
    rate: float,
    replicas: int,
    emptied: bool,
    keep: bool,
    protections: bool,
    verbose: bool,
) -> None:
    """Let everything fail at random under load, and hold the streams against the truth."""
    # What is sent to a socket that was just cut is no news here.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    if protections:
        sys.exit(0 if _protections() else 1)
    if library() is None:
        click.echo(MISSING)
    struck: Counter[str] = Counter()
    failed = 0
    click.echo(table.HEADER)
    for seed in range(first, first + seeds):
        folder = Path(tempfile.mkdtemp(prefix=f"chaos-{seed}-"))
        plan = drawn(seed, seconds, symbols=symbols, rate=rate, replicas=replicas)
        outcome = asyncio.run(played(plan, folder, acts(plan, emptied=emptied)))
        _told(outcome, verbose=verbose)
        struck += outcome.journal.counts
        failed += bool(outcome.verdict.failures)
        if not outcome.verdict.failures and not keep:
            shutil.rmtree(folder)
    click.echo(table.faults(struck))
    click.echo(f"{seeds - failed} of {seeds} seeds kept every promise")
    sys.exit(1 if failed else 0)


def _protections() -> bool:
    """Play every trial, and tell whether each was noticed."""
    logging.getLogger("bridge").setLevel(logging.CRITICAL)
    noticed = True
    for trial in TRIALS:
        with patching() as patch, tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            hurried(patch)
            trial.broken(patch)
            missed = asyncio.run(unnoticed(trial, Path(folder)))
        noticed = noticed and not missed
        click.echo(f"{'MISSED' if missed else 'noticed':<8} {trial.name}")
    return noticed


def _told(outcome: Outcome, *, verbose: bool) -> None:
    click.echo(table.row(outcome))
    if verbose:
        click.echo(f"       {table.faults(outcome.journal.counts)}")
    if outcome.verdict.failures:
        for line in table.troubles(outcome):
            click.echo(line)


if __name__ == "__main__":
    main()
