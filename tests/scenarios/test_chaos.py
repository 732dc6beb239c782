"""One short run of the chaos: real programs, a real store, and every promise kept."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.plan import drawn
from tests.chaos.run import played
from tests.chaos.schedule import acts

_SEED = 1


async def test_whatever_fails_the_streams_tell_the_truth(tmp_path: Path) -> None:
    """Whatever fails, the streams tell the truth."""
    # A short run; `make chaos` plays twenty longer ones.
    plan = drawn(_SEED, seconds=6.0, symbols=12)
    outcome = await played(plan, tmp_path, acts(plan))
    assert outcome.verdict.failures == []
    assert outcome.verdict.counts["candles"] > 500
    assert outcome.verdict.counts["fills"] > 10
    assert outcome.journal.counts.total() > 10
