"""`?wait=active`: from a stored wish to one that the exchange has acknowledged.

The state in Redis is looked at again and again until it shows what is hoped for, can't come to it by itself, or time is
up. Nothing is asked of an ingester.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bridge.clock import host_ms
from bridge.control.answers import RefusedError, Reply, TopicStatus, Waited
from bridge.control.backend import Backend, Snapshot
from bridge.control.progress import Progress
from bridge.store.members import State

DEFAULT_S: Final = 5.0
LONGEST_S: Final = 60.0
_MOST_REASONS: Final = 20
_FIRST_LOOK_S: Final = 0.02
_LONGEST_LOOK_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Hope:
    """What a change is to come to: its revision applied by all, these topics active, those served no more."""

    revision: int
    active: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()


@dataclass(slots=True)
class Outcome:
    """What is missing, in words, and the topics concerned; `settled` when waiting longer would change nothing."""

    reasons: list[str] = field(default_factory=list)
    states: dict[str, TopicStatus] = field(default_factory=dict)
    settled: bool = True

    def miss(self, reason: str, *, passing: bool) -> None:
        """Note what is missing, and whether that may come by itself."""
        self.reasons.append(reason)
        self.settled = self.settled and not passing


def patience(query: Mapping[str, str]) -> float | None:
    """Return how many seconds a caller wants to wait, or nothing if it doesn't.

    Raises:
        RefusedError: `wait` or `timeout` is none that we know.
    """
    if "wait" not in query:
        return None
    if query["wait"] != "active":
        raise RefusedError(422, "expected wait=active, or no wait at all", "wait")
    try:
        seconds = float(query.get("timeout", DEFAULT_S))
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= LONGEST_S:
        raise RefusedError(422, f"expected seconds from 0 to {LONGEST_S:g}", "timeout")
    return seconds


async def outcome(backend: Backend, hope: Hope, patience_s: float) -> Outcome:
    """Wait until a change has come to what is hoped for, or to nothing; return how it stands then."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_s
    look_s = _FIRST_LOOK_S
    while True:
        found = compared(hope, Progress(backend.exchange, await backend.snapshot()))
        left_s = deadline - loop.time()
        if found.settled or left_s <= 0:
            found.reasons = _shortened(found.reasons)
            return found
        await asyncio.sleep(min(look_s, left_s))
        look_s = min(look_s * 1.5, _LONGEST_LOOK_S)


async def replied(backend: Backend, answer: Waited, hope: Hope, patience_s: float | None) -> Reply:
    """Return the answer to a change that is stored: at once, or when its outcome is known or time is up."""
    if patience_s is None:
        return Reply(answer)
    found = await outcome(backend, hope, patience_s)
    answer.applied = not found.reasons
    answer.reasons = found.reasons
    answer.states = found.states
    return Reply(answer, 200 if answer.applied else 202)


def compared(hope: Hope, progress: Progress) -> Outcome:
    """Compare what is hoped for with what there is."""
    found = Outcome()
    _compare_members(hope, progress.seen, found)
    now_ms = host_ms()
    for name in sorted(hope.active):
        status = found.states[name] = progress.status(name, now_ms)
        if status.state != State.ACTIVE:
            passing = status.state == State.PENDING and not progress.seen.wishes.paused
            found.miss(": ".join(filter(None, (f"{name} is {status.state}", status.reason))), passing=passing)
    for name in progress.leftovers(hope.gone):
        found.states[name] = progress.status(name, now_ms)
        found.miss(f"{name} is still served", passing=True)
    return found


def _compare_members(hope: Hope, seen: Snapshot, found: Outcome) -> None:
    # One that drains applies no more changes: it goes, and what it served shows until then.
    staying = {name: state for name, state in seen.members.items() if state.get("draining", "0") != "1"}
    if not staying:
        found.miss("no live ingester", passing=True)
    for name, state in staying.items():
        applied = state.get("applied_rev", "")
        if not applied.isdecimal() or int(applied) < hope.revision:
            found.miss(f"ingester {name} has not applied revision {hope.revision} yet", passing=True)


def _shortened(reasons: list[str]) -> list[str]:
    more = len(reasons) - _MOST_REASONS
    return [*reasons[:_MOST_REASONS], f"and {more} more"] if more > 0 else reasons
