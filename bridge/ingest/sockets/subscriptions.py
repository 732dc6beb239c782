"""What one connection holds, and what to ask for next. Pure: no socket, and the clock is an argument.

Level-triggered: each plan starts from the whole set of wanted topics and what the exchange has confirmed, so a lost
answer, a changed mind or a new connection need no code of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum

from bridge.exchanges.base import Action


class Phase(StrEnum):
    """How far a topic has come on this connection."""

    SUBSCRIBING = "subscribing"
    ACTIVE = "active"
    REJECTED = "rejected"
    UNSUBSCRIBING = "unsubscribing"


@dataclass(slots=True)
class Held:
    """A topic at this connection; `since` is when it came into its phase or was last asked for, monotonic seconds."""

    phase: Phase
    since: float
    unanswered: int = 0
    reason: str = ""


class Subscriptions:
    """What one connection holds."""

    def __init__(self, *, ack_timeout_s: float, rejected_retry_s: float) -> None:
        """Begin with nothing.

        Args:
            ack_timeout_s: a request unanswered for this long is made again.
            rejected_retry_s: a refused topic is asked for again after this long.
        """
        self._ack_timeout_s = ack_timeout_s
        self._rejected_retry_s = rejected_retry_s
        self._held: dict[str, Held] = {}

    def __iter__(self) -> Iterator[tuple[str, Held]]:
        """Go over all topics held, in whatever phase."""
        return iter(self._held.items())

    def __len__(self) -> int:
        """Return how many topics are held, in whatever phase."""
        return len(self._held)

    def get(self, topic: str) -> Held | None:
        """Return what is known of a topic, if anything."""
        return self._held.get(topic)

    def plan(self, wanted: AbstractSet[str], now: float) -> dict[Action, list[str]]:
        """Return what to ask for so that what is held becomes what is wanted; unsubscriptions come first."""
        unwanted = [(topic, held) for topic, held in self._held.items() if topic not in wanted]
        for topic, held in unwanted:
            if held.phase is Phase.REJECTED:
                del self._held[topic]
        leave = [topic for topic, held in unwanted if self._leaves(held, now)]
        join = [topic for topic in sorted(wanted) if self._joins(self._held.get(topic), now)]
        return {Action.UNSUBSCRIBE: leave, Action.SUBSCRIBE: join}

    def sent(self, action: Action, topics: Iterable[str], now: float) -> None:
        """Note that a request went out."""
        phase = Phase.SUBSCRIBING if action is Action.SUBSCRIBE else Phase.UNSUBSCRIBING
        for topic in topics:
            held = self._held.setdefault(topic, Held(phase, now))
            if held.phase is phase:
                # Asked again because no answer came: the old request is given up, its answer would say the same.
                held.unanswered = 0
            held.phase, held.since, held.reason = phase, now, ""
            held.unanswered += 1

    def acknowledged(self, action: Action, topic: str, now: float) -> bool:
        """Note that a request was granted; tell whether that made the topic active.

        Only the answer to the last request decides: those before it were overtaken by a change of mind.
        """
        known = self._held.get(topic)
        if action is Action.SUBSCRIBE and (known is None or known.phase is Phase.REJECTED):
            # Granted late, after we had given it up: the exchange holds it, so the next plan asks again or leaves it.
            self._held[topic] = Held(Phase.SUBSCRIBING, -math.inf)
            return False
        held = self._answered(topic)
        if held is None:
            return False
        if action is Action.UNSUBSCRIBE and held.phase is Phase.UNSUBSCRIBING:
            del self._held[topic]
        elif action is Action.SUBSCRIBE and held.phase is Phase.SUBSCRIBING:
            held.phase, held.since = Phase.ACTIVE, now
            return True
        return False

    def refused(self, action: Action, topic: str, text: str, now: float) -> bool:
        """Note that a request was refused; tell whether that made the topic rejected."""
        held = self._answered(topic)
        if held is None:
            return False
        if action is Action.UNSUBSCRIBE and held.phase is Phase.UNSUBSCRIBING:
            # The exchange does not know the topic: nothing is held there.
            del self._held[topic]
        elif action is Action.SUBSCRIBE and held.phase is Phase.SUBSCRIBING:
            held.phase, held.since, held.reason = Phase.REJECTED, now, text
            return True
        return False

    def _answered(self, topic: str) -> Held | None:
        held = self._held.get(topic)
        if held is None:
            return None
        held.unanswered = max(0, held.unanswered - 1)
        return held if held.unanswered == 0 else None

    def _joins(self, held: Held | None, now: float) -> bool:
        if held is None or held.phase is Phase.UNSUBSCRIBING:
            return True
        if held.phase is Phase.SUBSCRIBING:
            return now - held.since >= self._ack_timeout_s
        return held.phase is Phase.REJECTED and now - held.since >= self._rejected_retry_s

    def _leaves(self, held: Held, now: float) -> bool:
        if held.phase is Phase.UNSUBSCRIBING:
            return now - held.since >= self._ack_timeout_s
        return held.phase is not Phase.REJECTED
