"""The ways to all nodes of a cluster: each append goes to the node that serves its slot, all of a slot by one call.

What a node no longer serves is sent at once to where it says; what nobody can take now is answered as passing, so that
the writer sends it again before all that came later. A slot's appends are accepted or refused together, so that none
of a stream overtakes another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from redis.exceptions import AskError, ClusterDownError, MovedError, RedisError

from bridge.redis_url import Address
from bridge.store.servers.topology import Topology, slot_of, target

if TYPE_CHECKING:
    from bridge.store.writing.appends import Append
    from bridge.store.writing.lane import Answer, Lane

# How often one batch follows what nodes say of a slot, before it waits its turn again.
_ROUNDS: Final = 4

Place = tuple[Address, bool]


class Lanes:
    """Sends batches to a cluster, one at a time.

    Attributes:
        spread: part of a batch may go through while another has to wait.
    """

    spread = True

    def __init__(self, topology: Topology, lane: Callable[[Address], Lane]) -> None:
        """Find nodes by `topology`, and make the way to one by `lane`."""
        self._topology = topology
        self._make = lane
        self._lanes: dict[Address, Lane] = {}
        self._slots: dict[str, int] = {}
        # Of the batch on its way: where each slot was sent last, and where a node said that it is going.
        self._sent: dict[int, Address] = {}
        self._asked: dict[int, Address] = {}

    @property
    def dialled(self) -> int:
        """How many connections there were so far."""
        return sum(lane.dialled for lane in self._lanes.values())

    async def send(self, batch: Sequence[Append]) -> Sequence[Answer]:
        """Bring a batch into the cluster; return each append's answer: its script's, or what went wrong.

        Raises:
            RedisError: no node could be reached; as with the following, whether the batch was written is unknown.
            OSError: the same.
            TimeoutError: none answered in time.
        """
        slots: dict[int, list[int]] = {}
        for index, append in enumerate(batch):
            slots.setdefault(self._slot(append.stream), []).append(index)
        parts = {slot: [batch[index] for index in indexes] for slot, indexes in slots.items()}
        self._asked.clear()
        answered: dict[int, Sequence[Answer]] = {}
        for _ in range(_ROUNDS):
            answered |= await self._round({slot: part for slot, part in parts.items() if slot not in answered})
            answered = {slot: answers for slot, answers in answered.items() if not self._redirected(slot, answers)}
            if len(answered) == len(parts):
                break
        answers: list[Answer] = [ClusterDownError("the slot is on its way to another node")] * len(batch)
        for slot, part in answered.items():
            for index, answer in zip(slots[slot], part, strict=True):
                answers[index] = answer
        return answers

    async def close(self) -> None:
        """Hang up; the next batch dials anew."""
        for lane in self._lanes.values():
            await lane.close()

    async def _round(self, parts: dict[int, list[Append]]) -> dict[int, Sequence[Answer]]:
        """Send each part where its slot is now; a node that fails is the answer of all its parts."""
        answered: dict[int, Sequence[Answer]] = {}
        places: dict[Place, list[int]] = {}
        for slot, part in parts.items():
            place = await self._place(slot)
            if place is None:
                answered[slot] = [ClusterDownError("no node serves the slot")] * len(part)
            else:
                places.setdefault(place, []).append(slot)
                self._sent[slot] = place[0]
        outcomes = await asyncio.gather(
            *(self._send(place, [parts[slot] for slot in slots]) for place, slots in places.items()),
            return_exceptions=True,
        )
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        if failures and len(failures) == len(outcomes) and not answered:
            raise failures[0]
        for slots, outcome in zip(places.values(), outcomes, strict=True):
            for number, slot in enumerate(slots):
                answered[slot] = _answers(outcome, number, len(parts[slot]))
        return answered

    async def _place(self, slot: int) -> Place | None:
        asked = self._asked.pop(slot, None)
        if asked is not None:
            return asked, True
        try:
            return await self._topology.primary(slot), False
        except ClusterDownError:
            return None

    async def _send(self, place: Place, parts: list[list[Append]]) -> list[Sequence[Answer]]:
        address, asking = place
        lane = self._lanes.get(address)
        if lane is None:
            lane = self._lanes[address] = self._make(address)
        try:
            return await lane.send_apart(parts, asking=asking)
        except (RedisError, OSError, TimeoutError):
            self._topology.doubt()
            raise

    def _redirected(self, slot: int, answers: Sequence[Answer]) -> bool:
        """Heed a node that no longer serves a slot; tell whether it is to be sent elsewhere."""
        refusal = answers[0]
        if isinstance(refusal, MovedError):
            self._topology.moved(refusal, self._sent[slot])
        elif isinstance(refusal, AskError):
            self._asked[slot] = target(refusal, self._sent[slot])
        elif isinstance(refusal, ClusterDownError):
            self._topology.doubt()
        return isinstance(refusal, AskError)

    def _slot(self, stream: str) -> int:
        slot = self._slots.get(stream)
        if slot is None:
            slot = self._slots[stream] = slot_of(stream)
        return slot


def _answers(outcome: list[Sequence[Answer]] | BaseException, number: int, count: int) -> Sequence[Answer]:
    if not isinstance(outcome, BaseException):
        return outcome[number]
    if not isinstance(outcome, RedisError | OSError | TimeoutError):
        raise outcome
    return [ClusterDownError(str(outcome) or "a node did not answer in time")] * count
