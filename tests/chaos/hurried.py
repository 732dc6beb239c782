"""An ingester as `bitmart-bridge ingest` runs it, but for two things that no setting says.

A ban (HTTP 418) keeps it still for seconds instead of a minute, so that a run outlives it; and the host's date is as
wrong as `CHAOS_DATE_OFF_S` says, which must not matter to any entry.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Final

from bridge import cli
from bridge.ingest.rest import pace

BAN_S: Final = 2.0
DATE_OFF: Final = "CHAOS_DATE_OFF_S"


def _off(true_ns: Callable[[], int], seconds: float) -> Callable[[], int]:
    return lambda: true_ns() + int(seconds * 1e9)


def main() -> None:
    """Run the command line."""
    time.time_ns = _off(time.time_ns, float(os.environ.pop(DATE_OFF, "0")))
    pace._BANNED_S = BAN_S  # type: ignore[misc]  # noqa: SLF001 - no setting: nobody knows how long a real ban lasts
    sys.argv[0] = "bitmart-bridge"
    cli.main()


if __name__ == "__main__":
    main()
