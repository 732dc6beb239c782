"""When which fault strikes: drawn from the seed in any order and overlap, then carried out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tests.chaos.faults import ALL_INGESTERS_KILLED, ALWAYS, LONG_SILENCE, OTHERS, STORE_EMPTIED, Fault
from tests.chaos.plan import Plan
from tests.chaos.stage import Stage

# Faults that are drawn for each second besides those that always strike; about three are at work at any time.
_EACH_SECOND: Final = 2.2
_SHORTEST_S: Final = 0.2
_TRIES: Final = 50
# After a fault of REST ends, an answer may still be under way: market milliseconds.
_AFTERMATH_MS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Act:
    """One fault at its time, in wall seconds from the first."""

    fault: Fault
    start_s: float
    end_s: float

    def collides(self, other: Act) -> bool:
        """Whether both claim the same at the same time."""
        return bool(self.fault.claims & other.fault.claims) and (
            self.start_s <= other.end_s and other.start_s <= self.end_s
        )


@dataclass(slots=True)
class Journal:
    """What struck: how often, and when REST was away in market milliseconds."""

    counts: Counter[str] = field(default_factory=Counter)
    rest_away: list[tuple[int, int]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def silences(self) -> list[tuple[int, int]]:
        """The times without REST, those that touch joined."""
        joined: list[tuple[int, int]] = []
        for start, end in sorted(self.rest_away):
            if joined and start <= joined[-1][1] + _AFTERMATH_MS:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((start, end))
        return [(start, end + _AFTERMATH_MS) for start, end in joined]


def acts(plan: Plan, *, emptied: bool = True) -> list[Act]:
    """Draw the faults of a run."""
    dice = Random(f"acts {plan.seed}")  # noqa: S311 - a repeatable story, not cryptography
    certain = [*ALWAYS, *([LONG_SILENCE] if plan.impatient else ())]
    if emptied and plan.seed % 3 == 0:
        certain.append(STORE_EMPTIED)
    count = int(_EACH_SECOND * plan.seconds)
    choice = [*ALWAYS, *OTHERS]
    if STORE_EMPTIED in certain:
        # Somebody has to be left who remembers.
        choice.remove(ALL_INGESTERS_KILLED)
    drawn = dice.choices(choice, [fault.weight for fault in choice], k=count)
    planned: list[Act] = []
    for fault in [*certain, *drawn]:
        act = _placed(fault, plan.seconds, planned, dice, longest=fault is LONG_SILENCE)
        if act is not None:
            planned.append(act)
    return sorted(planned, key=lambda act: act.start_s)


def _placed(fault: Fault, seconds: float, planned: Sequence[Act], dice: Random, *, longest: bool) -> Act | None:
    for _ in range(_TRIES):
        lasts = fault.longest_s if longest else min(fault.longest_s, dice.uniform(_SHORTEST_S, fault.longest_s or 1))
        start = dice.uniform(0, max(0.0, seconds - lasts))
        act = Act(fault, start, start + lasts)
        if not any(act.collides(other) for other in planned):
            return act
    return None


async def carry_out(planned: Sequence[Act], stage: Stage, journal: Journal) -> None:
    """Let all faults strike, each at its time, and return when the last is over."""
    began = asyncio.get_running_loop().time()
    dice = Random(f"strikes {stage.plan.seed}")  # noqa: S311 - a repeatable story, not cryptography
    locks = {claim: asyncio.Lock() for act in planned for claim in act.fault.claims}
    async with asyncio.TaskGroup() as group:
        for act in planned:
            strike = _strike(act, began, stage, Random(dice.random()), journal)  # noqa: S311 - as above
            group.create_task(_alone(act, began, strike, [locks[claim] for claim in sorted(act.fault.claims)]))


async def _alone(act: Act, began: float, strike: Coroutine[None, None, None], locks: Sequence[asyncio.Lock]) -> None:
    """Let a fault strike at its time, or as soon as what it claims is free: putting things right takes a while, too."""
    await asyncio.sleep(began + act.start_s - asyncio.get_running_loop().time())
    async with AsyncExitStack() as held:
        for lock in locks:
            await held.enter_async_context(lock)
        await strike


async def _strike(act: Act, began: float, stage: Stage, dice: Random, journal: Journal) -> None:
    loop, exchange = asyncio.get_running_loop(), stage.exchange
    journal.counts[act.fault.name] += 1
    started = exchange.now
    journal.lines.append(f"{loop.time() - began:6.2f} {started} + {act.fault.name}")
    async with act.fault.strike(stage, dice):
        await asyncio.sleep(began + act.end_s - loop.time())
    journal.lines.append(f"{loop.time() - began:6.2f} {exchange.now} - {act.fault.name}")
    if act.fault.rest_away:
        journal.rest_away.append((started, exchange.now))
