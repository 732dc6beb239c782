"""The figures to reach, each beside what was measured. Ratios decide: machines differ, and busy ones most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.benchmarks.plan import BARE, GUARDED, WHOLE_WAY

Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be reached: at least or at most so much of something."""

    what: str
    measured: float
    limit: float
    least: bool = False

    @property
    def reached(self) -> bool:
        """Whether it is."""
        return self.measured >= self.limit if self.least else self.measured <= self.limit

    def line(self) -> list[str]:
        """Return it as a line of a table."""
        sign, verdict = ">=" if self.least else "<=", "reached" if self.reached else "not reached"
        return [self.what, f"{self.measured:,.2f}", f"{sign} {self.limit:g}", verdict]


_TIMES_LESS: Final = {"a": 15.0, "b": 4.0, "c": 8.0}


def goals(sections: Sequence[Figures], live: Figures) -> list[Goal]:
    """Return all goals whose figures were measured; `live` holds those that are no costs of frames."""
    rows: dict[str, Figures] = {row["name"]: row for section in sections for row in section["rows"]}
    way, bare, guarded = rows[WHOLE_WAY], rows[BARE], rows[GUARDED]
    against = [
        Goal(f"CPU of the program, times less than ({peer})", way["against"][peer]["client_cpu"], times, least=True)
        for peer, times in _TIMES_LESS.items()
        if peer in way["against"]
    ]
    quiet, fast, plain, market = (live[name] for name in ("1,000/s", "20,000/s", "bare at 1,000/s", "market"))
    flood = live["flood"]
    return [
        Goal("CPU of the program a frame, flood to acknowledged entry, us", way["client_us"], 9),
        *against,
        Goal("frames/s of the program : of the prepacked guarded append", _rate(way, guarded), 0.8, least=True),
        Goal("server CPU of a guarded entry : of a bare XADD", guarded["server_us"] / bare["server_us"], 2),
        Goal("latency at 1,000/s, p50 ms", quiet["p50_ms"], 0.4),
        Goal("latency at 1,000/s, p99 ms", quiet["p99_ms"], 2),
        Goal("latency at 1,000/s, p50 : of a bare write and read", quiet["p50_ms"] / plain["p50_ms"], 1.2),
        Goal("latency at 20,000/s, p99 ms", fast["p99_ms"], 10),
        Goal("frames conflated or dropped at 20,000/s", fast["missing"], 0),
        Goal("3,240 topics at the exchange's pace, % of a core", market["cpu_percent"], 10),
        Goal("3,240 topics, resident MB", market["resident_mb"], 120),
        Goal("3,240 topics, KB a topic", market["topic_kb"], 12),
        Goal("flood, ten times what Redis takes: memory grown, %", flood["grown_percent"], 5),
        Goal("flood: flushes until every topic's newest is there", flood["flushes_behind"], 1),
        Goal("flood: orders and fills missing, entries dropped", flood["missing"], 0),
        Goal("start of the program to its first socket, s", market["connected_s"], 0.5),
    ]


def _rate(way: Figures, limit: Figures) -> float:
    return float(way["frames_per_s"] / limit["frames_per_s"])
