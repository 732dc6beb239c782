"""Record closed candles to Parquet, a file a day: `python consumers/record_candles.py BTCUSDT 1m --to candles`.

The files are the position: a candle's entry has its open for an ID, so the last row says where to go on. A file is
replaced as a whole, so that it is complete at any moment. Needs pyarrow (`pip install pyarrow`).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from bridge.consumer import Keys, Kline, Reader, connect, history

try:
    import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
    import pyarrow.parquet as pq  # type: ignore[import-untyped]  # the same
except ModuleNotFoundError:
    sys.exit("Parquet needs pyarrow: pip install pyarrow")

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6390/0")
KEYS = Keys(os.environ.get("BRIDGE_PREFIX", "bitmart"))
ALL = 1_000_000
# Prices stay the exchange's own decimal texts: cast them as you read them.
SCHEMA = pa.schema(
    [("open_time", pa.timestamp("ms", "UTC"))]
    + [(name, pa.string()) for name in ("open", "high", "low", "close", "volume", "source")]
)


class Record:
    """One symbol's candles of one timeframe in a folder."""

    def __init__(self, folder: Path, symbol: str, timeframe: str) -> None:
        """Go on with the files that are there."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._name = f"{symbol}-{timeframe}"
        self._rows: list[dict[str, Any]] = []
        files = sorted(folder.glob(f"{self._name}-????-??-??.parquet"))
        if files:
            self._rows = pq.read_table(files[-1]).to_pylist()

    @property
    def last(self) -> int:
        """The open of the last candle recorded, in UTC milliseconds; 0 at the beginning."""
        return round(self._rows[-1]["open_time"].timestamp() * 1000) if self._rows else 0

    def add(self, candles: Iterable[Kline]) -> None:
        """Record what is new among these candles."""
        fresh = (candle for candle in candles if candle.open_time > self.last)
        for day, those in groupby(fresh, lambda candle: candle.opened.date()):
            if self._rows and self._rows[-1]["open_time"].date() != day:
                self._rows = []
            self._rows += [{name: getattr(c, name) for name in SCHEMA.names} | {"open_time": c.opened} for c in those]
            file = self._folder / f"{self._name}-{day}.parquet"
            beside = file.with_suffix(".new")
            pq.write_table(pa.Table.from_pylist(self._rows, SCHEMA), beside)
            beside.replace(file)
            print(f"{len(self._rows)} candles in {file.name}", flush=True)


def main() -> None:
    """Record until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Record closed candles to Parquet, a file a day.")
    parser.add_argument("symbol")
    parser.add_argument("timeframe")
    parser.add_argument("--to", required=True, type=Path, metavar="FOLDER", help="where the files go")
    chosen = parser.parse_args()
    for ending in (signal.SIGINT, signal.SIGPIPE):  # Nothing is ever half written: any moment is good for the end.
        signal.signal(ending, signal.SIG_DFL)
    record = Record(chosen.to, chosen.symbol, chosen.timeframe)
    with connect(URL) as client:
        kept = history(client, chosen.symbol, chosen.timeframe, ALL, keys=KEYS)
        if kept and record.last and kept[0].open_time > record.last + kept[0].close_time + 1 - kept[0].open_time:
            print("some candles were trimmed before they were recorded: see bitmart-bridge backfill", file=sys.stderr)
        record.add(kept)
        for entry in Reader(client, KEYS.closed_klines(chosen.symbol, chosen.timeframe), start=f"{record.last}-0"):
            if isinstance(entry.record, Kline):
                record.add([entry.record])


if __name__ == "__main__":
    main()
