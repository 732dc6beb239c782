"""One seed's story, drawn before anything starts: the market, the wishes, the settings."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from bridge.simulator import Scenario

SYMBOLS: Final = 30
RATE: Final = 20.0
# Wall seconds from the exchange's start to the first fault, about; the longest periods end in the middle of the faults.
WARM_UP_S: Final = 6.0
# Market seconds for which REST may be silent; beyond them the socket's word is taken, which only some seeds allow.
PATIENT_S: Final = 1_800
IMPATIENT_S: Final = 60
NEVER_S: Final = 86_400
_LONG_TIMEFRAMES: Final = ("15m", "30m", "1h", "2h", "4h", "1d", "1w")
_WIRE: Final = {"1h": "1H", "2h": "2H", "4h": "4H", "1d": "1D", "1w": "1W"}
# 2026-09-21 00:00 UTC, a Monday, and the Thursday after: there every timeframe has a boundary.
_WEEKS: Final = {"monday": 1_789_948_800_000, "thursday": 1_790_208_000_000}
_DATES_OFF_S: Final = (0.0, -3.0, 7.0, -120.0, 3_600.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run plays.

    Attributes:
        seed: where everything random comes from.
        seconds: how long there are faults.
        scenario: the market and the account.
        timeframes: the three that every symbol is wanted in.
        proof_timeout_s: market seconds after which the socket's word is taken for REST's.
        dates_off_s: by how much the host's date is off, for each ingester.
        private_sync_s: wall seconds between two regular reads of the account.
        replicas: how many ingesters serve each topic: with one, who takes over has heard nothing before.
        last_words: whether every period shown live must have been called closed: only while no socket is lost.
        strangers: whether orders come and go on contracts that the account hardly ever trades.
    """

    seed: int
    seconds: float
    scenario: Scenario
    timeframes: tuple[str, ...]
    proof_timeout_s: int
    dates_off_s: tuple[float, ...]
    private_sync_s: int = 4
    replicas: int = 2
    last_words: bool = False
    strangers: bool = True

    @property
    def synced(self) -> bool:
        """Whether the account is read regularly."""
        return self.private_sync_s < NEVER_S

    @property
    def impatient(self) -> bool:
        """Whether the socket's word may be taken in this run."""
        return self.proof_timeout_s == IMPATIENT_S

    def topics(self, symbols: list[str]) -> list[str]:
        """All that is wanted, in the exchange's words."""
        intervals = [_WIRE.get(timeframe, timeframe) for timeframe in self.timeframes]
        klines = [f"futures/klineBin{interval}:{symbol}" for symbol in symbols for interval in intervals]
        return [*klines, "futures/order", "futures/position"]


def drawn(seed: int, seconds: float, *, symbols: int = SYMBOLS, rate: float = RATE, replicas: int = 2) -> Plan:
    """Draw the story of a seed."""
    dice = Random(seed)  # noqa: S311 - a repeatable story, not cryptography
    week = dice.choice(("monday", "thursday"))
    start = _WEEKS[week] - int((WARM_UP_S + seconds / 2) * rate * 1000)
    scenario = Scenario(
        seed=seed,
        symbols=symbols,
        quiet_share=0.4,
        rate=rate,
        start=start,
        week_starts_on="monday" if week == "monday" else "thursday",
        position_mode="hedge_mode" if seed % 2 else "one_way_mode",
        trading=False,
        limits=False,
    )
    return Plan(
        seed=seed,
        seconds=seconds,
        scenario=scenario,
        timeframes=("1m", "5m", _LONG_TIMEFRAMES[seed % len(_LONG_TIMEFRAMES)]),
        proof_timeout_s=IMPATIENT_S if seed % 4 == 0 else PATIENT_S,
        dates_off_s=(dice.choice(_DATES_OFF_S), dice.choice(_DATES_OFF_S)),
        replicas=replicas,
    )
