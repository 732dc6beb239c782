"""The page of all metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bridge.metrics import METRICS, Place
from tests.reference.tables import code, table

_INTRODUCTION: Final = """# Metrics

`GET /metrics` of the control API, and of each ingester whose `METRICS_ADDR` is set, in the formats of
Prometheus and OpenMetrics. Units are base units and stand in the name; counters end in `_total`. What never
happened is shown as 0, so that its first time is seen by `rate`. No label is a symbol, a topic or a
timeframe: the whole market makes no more series than one candle does. Beside these there are the usual
figures of the process (`process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_open_fds` and
their like). This page is made of `bridge/metrics.py`.

"""
_HEADINGS: Final = {Place.INGESTER: "Of an ingester", Place.API: "Of the control API"}


def page() -> str:
    """Return the page."""
    parts = [f"## {heading}\n\n{_section(place)}" for place, heading in _HEADINGS.items()]
    return _INTRODUCTION + "\n".join(parts)


def _section(place: Place) -> str:
    return table(("metric", "kind", "labels", "meaning"), _rows(place))


def _rows(place: Place) -> Iterator[tuple[str, str, str, str]]:
    for metric in METRICS:
        if metric.place in (place, Place.BOTH):
            labels = ", ".join(code(label) for label in metric.labels)
            yield code(metric.name), metric.kind.value, labels, metric.meaning
