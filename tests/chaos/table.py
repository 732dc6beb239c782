"""What is printed: a row for each run, and what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from tests.chaos.run import Outcome

HEADER: Final = (
    f"{'seed':>6} {'timeframes':<10} {'mode':<8} {'faults':>6} {'candles':>8} {'ws':>4} {'fills':>6} {'orders':>6} "
    f"{'live':>7} {'seconds':>7}  verdict"
)
_SHOWN: Final = 12


def row(outcome: Outcome) -> str:
    """One run in a line."""
    plan, counts = outcome.plan, outcome.verdict.counts
    mode = "hedge" if plan.scenario.position_mode == "hedge_mode" else "one-way"
    return (
        f"{plan.seed:>6} {'/'.join(plan.timeframes):<10} {mode:<8} {outcome.journal.counts.total():>6} "
        f"{counts['candles']:>8} {counts['candles by ws']:>4} {counts['fills']:>6} {counts['orders']:>6} "
        f"{counts['live']:>7} {outcome.wall_s:>7.1f}  {'FAILED' if outcome.verdict.failures else 'ok'}"
    )


def troubles(outcome: Outcome) -> Iterable[str]:
    """The first failures of a run, how many there are of each kind, and where its logs are."""
    failures, counts = outcome.verdict.failures, outcome.verdict.counts
    yield from (f"       {failure}" for failure in failures[:_SHOWN])
    kinds = (f"{count} {name}" for name, count in counts.items() if name.startswith("failed"))
    yield f"       in all {len(failures)} ({', '.join(kinds)}); logs in {outcome.folder}"


def faults(counts: Counter[str]) -> str:
    """How often each fault struck, over all runs."""
    return "faults: " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
