"""The command: measure in rounds, print, and write JSON if asked to."""

from __future__ import annotations

import json
import logging
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

import click

from bridge import loop
from tests.benchmarks import extras, live, machine, report
from tests.benchmarks.goals import goals
from tests.benchmarks.plan import MOST_FRAMES, SECTIONS
from tests.benchmarks.stand import Cost, Stand, built

_QUICK_ROUNDS: Final = 3
_FLOOD_S: Final = 60.0
_QUICK_FLOOD_S: Final = 12.0


@click.command()
@click.option("--quick", is_flag=True, help="Fewer frames and rounds: one minute instead of a few.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=5), help="Rounds to take medians of.")
@click.option("--json", "target", type=click.Path(dir_okay=False, path_type=Path), help="Write all figures to a file.")
def main(*, quick: bool, rounds: int, target: Path | None) -> None:
    """Measure what a frame costs on its way into Redis, beside what others would pay for the same."""
    logging.basicConfig(level=logging.ERROR)
    missing = extras.installed()
    measured = loop.run(_measured(quick=quick, rounds=_QUICK_ROUNDS if quick else rounds, others=not missing))
    click.echo(missing)
    for name, what in measured["on"].items():
        click.echo(f"{name:<15} {what}")
    click.echo(f"{'rounds':<15} {measured['rounds']}")
    click.echo("Medians, and the least of all rounds: far apart, they tell of a busy machine.")
    click.echo("Beside a peer's name: how many times its CPU time, and its rate, a row is better.\n")
    click.echo(report.text(measured["sections"], measured["way"]))
    found = goals(measured["sections"], measured["live"])
    table = report.table([["", "measured", "goal", ""], *(goal.line() for goal in found)])
    click.echo(f"\nwhat is to be reached\n{table}")
    if target:
        target.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")


async def _measured(*, quick: bool, rounds: int, others: bool) -> dict[str, Any]:
    async with built(MOST_FRAMES) as stand:
        on = await machine.described(stand.redis)
        costs = await _costs(stand, quick=quick, rounds=rounds, others=others)
        moments = await live.measured(stand, 1 if quick else rounds, _QUICK_FLOOD_S if quick else _FLOOD_S)
    sections = report.figures(costs)
    way = report.way(sections)
    return {"on": on, "quick": quick, "rounds": rounds, "sections": sections, "way": way, "live": moments}


async def _costs(stand: Stand, *, quick: bool, rounds: int, others: bool) -> dict[tuple[str, str], list[Cost]]:
    costs: dict[tuple[str, str], list[Cost]] = defaultdict(list)
    with click.progressbar(range(rounds), label="measuring", file=sys.stderr) as counted:
        for _ in counted:
            for section in SECTIONS:
                for row in section.rows:
                    if row.extra and not others:
                        continue
                    cost = await row.run(stand, row.hurried if quick else row.frames)
                    costs[section.title, row.name].append(cost)
    return costs


if __name__ == "__main__":
    main()
