"""Which streams one command may read. On a real cluster: `tests/store/test_kit_everywhere.py`."""

from __future__ import annotations

from bridge.consumer.slots import together
from tests.consumer.support import KEYS

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


def test_in_a_cluster_only_streams_of_one_slot_are_read_together() -> None:
    frames = [KEYS.klines(symbol, frame) for symbol in SYMBOLS for frame in ("1m", "5m")]
    assert together(frames, cluster=False) == [tuple(frames)]
    assert together(frames, cluster=True) == [tuple(frames[0:2]), tuple(frames[2:4]), tuple(frames[4:6])]
    assert together([KEYS.orders, KEYS.fills, KEYS.positions], cluster=True) == [
        (KEYS.orders, KEYS.fills, KEYS.positions)
    ]
