"""The chaos would notice if a protection were taken out: so a run without failures means something."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.trials import CONTROL, STRANGER_UNHEARD, TRIALS, Trial, hurried, tried, unnoticed

# Where nothing is broken, a slow machine may take its time.
_PATIENT_S = 20.0


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    hurried(monkeypatch)


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.name.replace(" ", "_"))
async def test_a_missing_protection_is_noticed(trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial.broken(monkeypatch)
    assert await unnoticed(trial, tmp_path) == []


async def test_with_all_protections_the_same_faults_break_no_promise(tmp_path: Path) -> None:
    outcome = await tried(CONTROL, tmp_path, calm_s=_PATIENT_S)
    assert outcome.verdict.failures == []


async def test_with_all_protections_an_outage_of_the_store_loses_no_execution_and_no_last_word(tmp_path: Path) -> None:
    trial = TRIALS[-1]
    outcome = await tried(trial.acts, tmp_path, calm_s=_PATIENT_S, **trial.plan)
    assert outcome.verdict.failures == []


async def test_with_all_protections_an_order_of_which_nobody_heard_is_found(tmp_path: Path) -> None:
    (trial,) = [trial for trial in TRIALS if STRANGER_UNHEARD in trial.acts]
    outcome = await tried(trial.acts, tmp_path, calm_s=_PATIENT_S, **trial.plan)
    assert outcome.verdict.failures == []
