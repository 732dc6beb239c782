"""What a connection expects of whoever takes what it brings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from bridge.records import EventName, Record


class Sink(Protocol):
    """Where a connection's output goes. No call may wait or fail."""

    def take(self, record: Record) -> None:
        """Take a record."""

    def happened(self, event: EventName, subject: str, text: str) -> None:
        """Take note of what happened to the connection or to a topic."""

    def lost(self, *, private: bool) -> None:
        """Take note that the socket is gone."""

    def activated(self, topic: str) -> None:
        """Take note that a topic is active from now on."""

    def stirred(self) -> None:
        """Take note that the state of the connection or of a topic is another now."""
