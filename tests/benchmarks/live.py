"""What is no cost of a frame: latencies, the whole market at the exchange's own pace, and a flood."""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING, Final

from tests.benchmarks import flood, latency, whole
from tests.benchmarks.frames import MARKET

if TYPE_CHECKING:
    from tests.benchmarks.stand import Stand

# BitMart pushes each topic about every 2.5 s while it trades.
_PUSH_S: Final = 2.5
_PUSHES: Final = 3


async def measured(stand: Stand, rounds: int, flood_s: float) -> dict[str, dict[str, float]]:
    """Return the medians of all rounds, and what one flood of so many seconds showed."""
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for _ in range(rounds):
        for name, found in (await _round(stand)).items():
            for word, figure in found.items():
                figures[name][word].append(figure)
    medians = {name: {word: median(each) for word, each in found.items()} for name, found in figures.items()}
    return {**medians, "flood": await _flood(stand, flood_s)}


async def _round(stand: Stand) -> dict[str, dict[str, float]]:
    return {
        "1,000/s": await latency.ingester(stand, 3_000, 1_000),
        "bare at 1,000/s": await latency.bare(stand, 3_000, 1_000),
        "20,000/s": await latency.ingester(stand, 20_000, 20_000),
        "market": await _market(stand),
    }


async def _flood(stand: Stand, seconds: float) -> dict[str, float]:
    seen = await flood.flooded(stand, seconds)
    return {
        "grown_percent": seen.grown_percent,
        "flushes_behind": float(seen.flushes_behind),
        "missing": float(seen.missing + seen.overflowed),
        "conflated": seen.conflated / seen.frames,
    }


async def _market(stand: Stand) -> dict[str, float]:
    cost, program, held_mb = await whole.market(stand, _PUSHES, MARKET / _PUSH_S)
    return {
        "cpu_percent": cost.client_s / cost.wall_s * 100,
        "resident_mb": held_mb,
        "topic_kb": (held_mb - program.idle_mb) / MARKET * 1024,
        "connected_s": program.connected_s,
    }
