"""Pages of metrics, as scrapers read them."""

from __future__ import annotations

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics

from bridge.buckets import Buckets
from bridge.exposition import exposition
from bridge.metrics import METRICS, Kind, Sample
from tests.scrapes import Scrape, promtool

KNOWN_TYPES = (
    "text/plain; version=0.0.4; charset=utf-8",
    "application/openmetrics-text; version=1.0.0; charset=utf-8",
)


def one_of_each() -> list[Sample]:
    spread = Buckets()
    for value in (0.0005, 0.3, 100):
        spread.observe(value)
    return [
        Sample(metric, spread if metric.kind is Kind.HISTOGRAM else 7, tuple(f"a-{label}" for label in metric.labels))
        for metric in METRICS
    ]


def page(samples: list[Sample], accept: str = "") -> str:
    return exposition(samples, accept)[0].decode()


def test_every_metric_is_shown_as_it_is_declared() -> None:
    scrape = Scrape(page(one_of_each()))
    assert {metric.name.removesuffix("_total"): metric.kind for metric in METRICS}.items() <= scrape.kinds.items()
    assert scrape("frames_total", connection="a-connection") == 7
    assert scrape("loop_lag_seconds_bucket", le="0.5") == 2
    assert (scrape("loop_lag_seconds_count"), scrape("loop_lag_seconds_sum")) == (3, 100.3005)


def test_the_process_is_shown_too() -> None:
    assert {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"} <= Scrape(page([])).names


def test_a_series_that_two_parts_know_of_is_shown_once() -> None:
    (paused,) = (metric for metric in METRICS if metric.name == "bitmart_bridge_paused")
    assert Scrape(page([Sample(paused, 0), Sample(paused, 1)]))("paused") == 1


def test_prometheus_own_tool_finds_no_fault() -> None:
    ours = [line for line in page(one_of_each()).splitlines(keepends=True) if "bitmart_bridge_" in line]
    assert promtool("check", "metrics", given="".join(ours)) == ""


def test_a_label_may_hold_anything() -> None:
    (build,) = (metric for metric in METRICS if metric.name == "bitmart_bridge_build_info")
    odd = 'a"b\\c\nd{e}=é'
    assert Scrape(page([Sample(build, 1, (odd, "", ""))])).series("build_info") == {("", "", odd): 1}


def test_openmetrics_is_spoken_where_it_is_asked_for() -> None:
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4"
    content, content_type = exposition(one_of_each(), accept)
    assert content_type.startswith("application/openmetrics-text")
    assert content.endswith(b"# EOF\n")
    families = list(read_openmetrics(content.decode()))  # type: ignore[no-untyped-call]  # the library's
    assert len(families) >= len(METRICS)


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "text/html", "text/plain;version=x", "application/openmetrics-text;version=é.0", ";;,,;", "a" * 9_000],
)
def test_whatever_is_accepted_there_is_an_answer(accept: str) -> None:
    content, content_type = exposition(one_of_each(), accept)
    assert content
    assert content_type in KNOWN_TYPES
