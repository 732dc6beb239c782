"""What the simulator counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Stats:
    """Counters since construction; a restart does not reset them.

    Attributes:
        sockets_opened: WebSockets accepted.
        sockets_refused: WebSockets refused (connection limit, the CDN's 403).
        sockets_cut: WebSockets cut without a close frame.
        logins: Successful logins.
        logins_failed: Refused logins.
        frames_in: Messages received.
        frames_out: Messages sent, counted per socket; pongs and acknowledgements included.
        pings: `{"action":"ping"}` received.
        requests: REST requests by path, refused ones included.
        statuses: REST replies by HTTP status.
        topics: Topics held per open socket, by the number of its opening, such as {"public-1": [...]}.
    """

    sockets_opened: int = 0
    sockets_refused: int = 0
    sockets_cut: int = 0
    logins: int = 0
    logins_failed: int = 0
    frames_in: int = 0
    frames_out: int = 0
    pings: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    topics: dict[str, list[str]] = field(default_factory=dict)

    @property
    def sockets_open(self) -> int:
        """WebSockets open now."""
        return len(self.topics)

    def as_dict(self) -> dict[str, object]:
        """Everything, ready for JSON."""
        counts = {name: getattr(self, name) for name in self.__slots__}
        statuses = {str(status): count for status, count in self.statuses.items()}
        return counts | {"sockets_open": self.sockets_open, "statuses": statuses}
