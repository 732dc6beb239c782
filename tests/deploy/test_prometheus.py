"""Alerts, the scrape and the dashboard: understood by Prometheus itself, and only of metrics that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from bridge import metrics
from tests.deploy.tools import DEPLOY, document, run, tool

PROMETHEUS = DEPLOY / "prometheus"
RULES = [rule for group in document(PROMETHEUS / "alerts.yml")["groups"] for rule in group["rules"]]
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/dashboards/bitmart-bridge.json").read_text(encoding="utf-8"))
TARGETS = [target for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
# Prometheus's own, and those that prometheus_client shows of every process.
FOREIGN = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}


def scraped() -> Iterator[str]:
    """Yield every name that a scrape can show."""
    for metric in metrics.METRICS:
        yield metric.name
        if metric.kind is metrics.Kind.HISTOGRAM:
            yield from (f"{metric.name}_{part}" for part in ("bucket", "count", "sum"))


def test_prometheus_understands_the_alerts_and_they_fire_when_they_should() -> None:
    promtool = tool("promtool", "prometheus")
    run(promtool, "check", "rules", PROMETHEUS / "alerts.yml")
    run(promtool, "test", "rules", PROMETHEUS / "alerts.test.yml")


def test_prometheus_understands_the_scrape() -> None:
    run(tool("promtool", "prometheus"), "check", "config", "--syntax-only", PROMETHEUS / "prometheus.yml")


def test_every_alert_is_tried_ill_and_healthy() -> None:
    names = {rule["alert"] for rule in RULES}
    healthy, *ill = document(PROMETHEUS / "alerts.test.yml")["tests"]
    assert {row["alertname"] for row in healthy["alert_rule_test"]} == names
    assert {row["alertname"] for trial in ill for row in trial["alert_rule_test"] if row["exp_alerts"]} == names


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]


@pytest.mark.parametrize(
    "expression",
    [*(rule["expr"] for rule in RULES), *(target["expr"] for target in TARGETS)],
)
def test_what_is_asked_for_is_a_metric_that_there_is_with_labels_that_it_has(expression: str) -> None:
    names = set(re.findall(r"\b(bitmart_bridge_\w+|process_\w+|up)\b(?![\"=~])", expression))
    assert names
    assert not names - set(scraped()) - FOREIGN
    for name, labels in re.findall(r"\b(bitmart_bridge_\w+)\{([^}]*)\}", expression):
        (metric,) = (row for row in metrics.METRICS if name.startswith(row.name) and name in scraped_of(row))
        assert set(re.findall(r"(\w+)=", labels)) <= {*metric.labels, "instance", "job"}


def scraped_of(metric: metrics.Metric) -> set[str]:
    return {metric.name, *(f"{metric.name}_{part}" for part in ("bucket", "count", "sum"))}


def test_every_panel_has_a_title_and_a_question_of_our_data_source() -> None:
    panels = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert all(panel["title"] and panel["targets"] for panel in panels)
    (source,) = document(DEPLOY / "grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    used = {target["datasource"]["uid"] for target in TARGETS}
    assert used == {source["uid"]}


def test_no_two_panels_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        places = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not places & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= places


def test_every_target_of_the_scrape_is_a_service_that_shows_metrics() -> None:
    services = document(DEPLOY / "compose/compose.yaml")["services"]
    for job in document(PROMETHEUS / "prometheus.yml")["scrape_configs"]:
        assert job["authorization"]["credentials_file"] == "/run/secrets/ctrl-token"
        for target in job["static_configs"][0]["targets"]:
            name, _, port = target.partition(":")
            settings = services[name]["environment"]
            assert f"0.0.0.0:{port}" in (settings.get("METRICS_ADDR"), settings.get("CTRL_ADDR"))
