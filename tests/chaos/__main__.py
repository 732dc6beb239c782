"""The command: play seeds, print a table, end with 1 if a promise was broken."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

import click

from tests.chaos import table
from tests.chaos.plan import RATE, SYMBOLS, drawn
from tests.chaos.run import Outcome, played
from tests.chaos.schedule import acts

_SECONDS: Final = 20.0


@click.command()
@click.option("--seeds", default=20, show_default=True, type=click.IntRange(min=1), help="How many runs.")
@click.option("--first", default=1, show_default=True, help="The first run's seed; the others follow.")
@click.option("--seconds", default=_SECONDS, show_default=True, help="How long faults strike in each run.")
@click.option("--symbols", default=SYMBOLS, show_default=True, help="Contracts that are wanted.")
@click.option("--rate", default=RATE, show_default=True, help="Market seconds per second.")
@click.option("--emptied/--no-emptied", default=True, show_default=True, help="Whether the store may lose all it had.")
@click.option("--keep", is_flag=True, help="Keep the logs of runs that went well, too.")
@click.option("--verbose", is_flag=True, help="Print each run's faults by kind.")
def main(
    *, seeds: int, first: int, seconds: float, symbols: int, rate: float, emptied: bool, keep: bool, verbose: bool
) -> None:
    """Let everything fail at random under load, and hold the streams against the truth."""
    struck: Counter[str] = Counter()
    failed = 0
    click.echo(table.HEADER)
    for seed in range(first, first + seeds):
        folder = Path(tempfile.mkdtemp(prefix=f"chaos-{seed}-"))
        plan = drawn(seed, seconds, symbols=symbols, rate=rate)
        outcome = asyncio.run(played(plan, folder, acts(plan, emptied=emptied)))
        _told(outcome, verbose=verbose)
        struck += outcome.journal.counts
        failed += bool(outcome.verdict.failures)
        if not outcome.verdict.failures and not keep:
            shutil.rmtree(folder)
    click.echo(table.faults(struck))
    click.echo(f"{seeds - failed} of {seeds} seeds kept every promise")
    sys.exit(1 if failed else 0)


def _told(outcome: Outcome, *, verbose: bool) -> None:
    click.echo(table.row(outcome))
    if verbose:
        click.echo(f"       {table.faults(outcome.journal.counts)}")
    if outcome.verdict.failures:
        for line in table.troubles(outcome):
            click.echo(line)


if __name__ == "__main__":
    main()
