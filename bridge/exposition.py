"""What `/metrics` answers: samples in the text that Prometheus reads, or in OpenMetrics where that is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prometheus_client import ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from bridge.buckets import Buckets
from bridge.metrics import METRICS, Kind, Metric, Sample

_PROCESS: Final = ProcessCollector(registry=None)


class _Look(Collector):
    """One look at everything: what is asked of it is written down already."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        # Where an ingester and the API share a process, both know some things: a series may be shown once only.
        self._samples: dict[Metric, dict[tuple[str, ...], Sample]] = {}
        for sample in samples:
            self._samples.setdefault(sample.metric, {})[sample.labels] = sample

    def collect(self) -> Iterable[Family]:
        for metric in METRICS:
            if metric in self._samples:
                yield _family(metric, self._samples[metric].values())
        yield from _PROCESS.collect()


def exposition(samples: Iterable[Sample], accept: str = "") -> tuple[bytes, str]:
    """Return the page of these samples and of this process, and its content type.

    Args:
        samples: what the parts of this process say.
        accept: the `Accept` header of who asks; it may say anything.
    """
    # The library's own choice of encoder trips over odd versions and echoes them; two formats need no such care.
    if "application/openmetrics-text" in accept:
        page: bytes = openmetrics.generate_latest(_Look(samples))  # type: ignore[no-untyped-call]  # the library's
        return page, openmetrics.CONTENT_TYPE_LATEST
    return generate_latest(_Look(samples)), CONTENT_TYPE_PLAIN_0_0_4


def _family(metric: Metric, samples: Iterable[Sample]) -> Family:
    if metric.kind is Kind.HISTOGRAM:
        spread = HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
        for sample in samples:
            if isinstance(sample.value, Buckets):
                spread.add_metric(sample.labels, list(sample.value.cumulative()), sample.value.sum)
        return spread
    family = (CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily)(
        metric.name, metric.meaning, labels=metric.labels
    )
    for sample in samples:
        if not isinstance(sample.value, Buckets):
            family.add_metric(sample.labels, sample.value)
    return family
