"""The declarations are named by the rules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bridge.metrics import METRICS, Kind, Metric, Place

ROOT = Path(__file__).parents[1]
# Units that are no base units; what is counted in them would have to be converted by whoever looks.
ODD_UNITS = ("ms", "milliseconds", "minutes", "hours", "kilobytes", "percent", "us")
LABELS = {
    "connection",
    "environment",
    "event",
    "exchange",
    "ingester",
    "kind",
    "move",
    "reason",
    "source",
    "state",
    "status",
    "version",
    "what",
}


def named(metric: Metric) -> str:
    return metric.name


def test_no_name_is_given_twice() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)


@pytest.mark.parametrize("document", ["docs/watch.md", "BEHAVIOR.md"])
def test_every_metric_that_a_document_names_is_declared(document: str) -> None:
    spoken = re.findall(r"bitmart_bridge_\w+", (ROOT / document).read_text(encoding="utf-8"))
    assert spoken
    assert {name.removesuffix("_bucket") for name in spoken} <= {metric.name for metric in METRICS}


@pytest.mark.parametrize("metric", METRICS, ids=named)
def test_a_name_follows_the_rules(metric: Metric) -> None:
    assert re.fullmatch(r"bitmart_bridge_[a-z]+(_[a-z]+)*", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert not set(metric.name.split("_")) & set(ODD_UNITS)
    assert metric.meaning[0].isupper() or metric.meaning[0].isdigit()


@pytest.mark.parametrize("metric", METRICS, ids=named)
def test_no_label_can_take_more_than_a_few_values(metric: Metric) -> None:
    """Never a symbol, a topic or a timeframe: the whole market makes no more series than one candle does."""
    assert set(metric.labels) <= LABELS
    assert "ingester" not in metric.labels or metric.place is Place.API
