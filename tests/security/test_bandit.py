"""What bandit finds in the code, and why it stays."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from tests.children import finished

ROOT: Final = Path(__file__).parents[2]
EXCUSED: Final = {
    ("bridge/control/server.py", "B104"): "an address of the settings is looked up here, none is bound",
    ("bridge/healthcheck.py", "B104"): "the same",
    ("bridge/simulator/klines.py", "B311"): "the rhythm of an invented market, no cryptography",
    ("bridge/store/servers/topology.py", "B311"): "any node of a cluster will do, no cryptography",
    ("bridge/simulator/server.py", "B311"): "a story that can be told again, no cryptography",
}


def test_bandit_finds_nothing_that_has_no_reason() -> None:
    words = ["-m", "bandit", "--quiet", "--format", "json", "--recursive", "bridge", "consumers"]
    done = finished([sys.executable, *words], timeout=100, cwd=ROOT)
    report = json.loads(done.stdout)
    assert report["errors"] == []
    found = {(row["filename"], row["test_id"]): row for row in report["results"]}
    assert {place: row["code"] for place, row in found.items() if place not in EXCUSED} == {}
    assert set(EXCUSED) <= set(found), "an excuse that is needed no more goes"
