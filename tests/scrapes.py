"""What a scraper makes of a page of metrics."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families


class Scrape:
    """One page, read by prometheus_client's own parser; a series that comes twice is an error."""

    def __init__(self, page: str) -> None:
        """Read `page`."""
        self.kinds: dict[str, str] = {}
        self._values: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in text_string_to_metric_families(page):
            self.kinds[family.name] = family.type
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self._values, f"twice: {key}"
                self._values[key] = sample.value

    def __call__(self, name: str, **labels: str) -> float:
        """Return one series' value; the bridge's prefix is left out of `name`."""
        return self._values[f"bitmart_bridge_{name}", frozenset(labels.items())]

    def total(self, name: str) -> float:
        """Return the sum over all series of a name."""
        return sum(self.series(name).values())

    def series(self, name: str) -> dict[tuple[str, ...], float]:
        """Return the series of a name by the values of their labels, these in the order of the labels' names."""
        return {
            tuple(value for _, value in sorted(labels)): figure
            for (found, labels), figure in self._values.items()
            if found == f"bitmart_bridge_{name}"
        }

    @property
    def names(self) -> set[str]:
        """The names of all samples."""
        return {name for name, _ in self._values}


def promtool(*arguments: str, given: str) -> str:
    """Let Prometheus' own tool judge a text; return what it finds fault with."""
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed: what it would say of the metrics is left out")
    done = subprocess.run([tool, *arguments], input=given, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - a tool of the system
    return f"{done.stdout}{done.stderr}".strip()
