"""One connection within a pool: its topics, and what becomes of what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bridge.ingest.sockets.connection import Connection
from bridge.ingest.sockets.connection import Phase as Life
from bridge.ingest.sockets.subscriptions import Phase

if TYPE_CHECKING:
    from bridge.records import EventName, Record


class PoolSink(Protocol):
    """Where a pool's output goes. No call may wait or fail."""

    def take(self, record: Record) -> None:
        """Take a record."""

    def happened(self, event: EventName, subject: str, text: str) -> None:
        """Take note of what happened to a connection, to a topic, or to all."""

    def lost(self, *, private: bool, topics: Collection[str]) -> None:
        """Take note that these topics are listened to no more."""

    def activated(self, topic: str) -> None:
        """Take note that a topic is active from now on."""

    def stirred(self) -> None:
        """Take note that the state of a connection or of a topic is another now."""


class Line:
    """A connection's sink, and its topics."""

    connection: Connection

    def __init__(self, sink: PoolSink, lost: Callable[[Line], None], stirred: Callable[[], None]) -> None:
        """Pass on to `sink`; a loss and whatever changes are for the pool to hear."""
        self.topics: set[str] = set()
        self.task: asyncio.Task[None] | None = None
        self.take = sink.take  # no step of our own on the hot path
        self.happened = sink.happened
        self.activated = sink.activated
        self._sink = sink
        self._lost = lost
        self._stirred = stirred

    def lost(self, *, private: bool) -> None:  # noqa: ARG002 - the pool knows which side it is
        """Take note that the socket is gone."""
        self._lost(self)

    def stirred(self) -> None:
        """Take note that something is another now."""
        self._stirred()
        self._sink.stirred()

    def active(self, topic: str) -> bool:
        """Tell whether the exchange has granted a topic to this connection."""
        held = self.connection.held.get(topic)
        return held is not None and held.phase is Phase.ACTIVE

    @property
    def answered(self) -> bool:
        """Whether the exchange answers here: it has granted or refused something."""
        return any(held.phase in (Phase.ACTIVE, Phase.REJECTED) for _, held in self.connection.held)


@dataclass(slots=True)
class Replacement:
    """A connection that another is to take the place of, and until when it waits for that."""

    old: Line
    new: Line
    until: float

    def over(self, now: float) -> bool:
        """Tell whether the old one has nothing left to wait for."""
        if now >= self.until or self.old.connection.phase is not Life.OPEN:
            return True
        return all(self.new.active(topic) for topic in self.new.topics if self.old.active(topic))
