"""The past of simulated markets, worked out once: hundreds of tests begin at the same moment of the same story."""

from __future__ import annotations

from typing import Any, Final

from bridge.simulator import Simulator

_KNOWN: Final[dict[tuple[Any, ...], dict[str, Any]]] = {}
_REMEMBERED: Final = ("_minutes", "_hours", "_days")


def shared(simulator: Simulator) -> Simulator:
    """Let a simulator's charts remember what those of the same contract, seed and beginning have added up already."""
    market = simulator.market
    for symbol, chart in market.charts.items():
        key = (simulator.scenario.seed, market.contracts[symbol], chart.first)
        known = _KNOWN.setdefault(key, {name: getattr(chart, name) for name in _REMEMBERED})
        for name, remembered in known.items():
            setattr(chart, name, remembered)
    return simulator
