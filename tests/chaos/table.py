"""What is printed: a row for each run, and what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from tests.chaos.run import Outcome

_WHERE: Final = {
    "rest": ("rest_", "gateway_message"),
    "store": ("store_", "clients_cut", "closed_rewound"),
    "ingester": ("ingester_", "date_"),
    "exchange": ("exchange_down",),
}
# Whatever strikes elsewhere strikes what the sockets say.
_ELSEWHERE: Final = "sockets"
HEADER: Final = (
    f"{'':>6} {'':<10} {'':<8} {'faults of':<36} {'entries held against the truth':<35}\n"
    f"{'seed':>6} {'timeframes':<10} {'mode':<8} {'sockets':>7} {'rest':>4} {'store':>5} {'ingester':>8} "
    f"{'exchange':>8} {'candles':>8} {'ws':>4} {'fills':>6} {'orders':>6} {'live':>7} {'seconds':>7}  verdict"
)
_SHOWN: Final = 12


def row(outcome: Outcome) -> str:
    """One run in a line."""
    plan, counts, struck = outcome.plan, outcome.verdict.counts, _by_place(outcome.journal.counts)
    mode = "hedge" if plan.scenario.position_mode == "hedge_mode" else "one-way"
    return (
        f"{plan.seed:>6} {'/'.join(plan.timeframes):<10} {mode:<8} {struck['sockets']:>7} "
        f"{struck['rest']:>4} {struck['store']:>5} {struck['ingester']:>8} {struck['exchange']:>8} "
        f"{counts['candles']:>8} {counts['candles by ws']:>4} {counts['fills']:>6} {counts['orders']:>6} "
        f"{counts['live']:>7} {outcome.wall_s:>7.1f}  {'FAILED' if outcome.verdict.failures else 'ok'}"
    )


def _by_place(counts: Counter[str]) -> Counter[str]:
    struck: Counter[str] = Counter()
    for name, count in counts.items():
        place = next((place for place, starts in _WHERE.items() if name.startswith(starts)), _ELSEWHERE)
        struck[place] += count
    return struck


def troubles(outcome: Outcome) -> Iterable[str]:
    """The first failures of a run, how many there are of each kind, and where its logs are."""
    failures, counts = outcome.verdict.failures, outcome.verdict.counts
    yield from (f"       {failure}" for failure in failures[:_SHOWN])
    kinds = (f"{count} {name}" for name, count in counts.items() if name.startswith("failed"))
    yield f"       in all {len(failures)} ({', '.join(kinds)}); logs in {outcome.folder}"


def faults(counts: Counter[str]) -> str:
    """How often each fault struck, over all runs."""
    return "faults: " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
