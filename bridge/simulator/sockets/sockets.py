"""The open WebSockets, and who holds which topic."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websockets.asyncio.server import ServerConnection

    from bridge.simulator.stats import Stats

Side = Literal["public", "private"]


@dataclass(slots=True, eq=False)
class Socket:
    """One open WebSocket.

    Attributes:
        connection: Its library object.
        side: "public" for /api, "private" for /user.
        name: Names it in the statistics, such as "public-1".
        topics: Held topics, oldest first.
        logged_in: Whether its login succeeded.
        doomed: Whether it is to be closed once its replies are out.
        opened: Wall time (monotonic seconds) of its opening.
        heard: Wall time of the last message from the client.
    """

    connection: ServerConnection
    side: Side
    name: str
    topics: list[str] = field(default_factory=list)
    logged_in: bool = False
    doomed: bool = False
    opened: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)

    def cut(self) -> None:
        """Abort the TCP connection: no close frame, nothing that is still buffered."""
        self.connection.transport.abort()


class Sockets:
    """All open sockets."""

    def __init__(self, stats: Stats) -> None:
        """Begin with none.

        Args:
            stats: Where openings, cuts and held topics are counted.
        """
        self._stats = stats
        self._open: list[Socket] = []
        self._holders: dict[str, list[Socket]] = {}

    def __iter__(self) -> Iterator[Socket]:
        """All open sockets, oldest first."""
        return iter(tuple(self._open))

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def open(self, connection: ServerConnection, side: Side) -> Socket:
        """Note a newly opened one."""
        self._stats.sockets_opened += 1
        socket = Socket(connection, side, f"{side}-{self._stats.sockets_opened}")
        self._open.append(socket)
        self._stats.topics[socket.name] = socket.topics
        return socket

    def close(self, socket: Socket) -> None:
        """Forget one and what it held."""
        for topic in tuple(socket.topics):
            self.release(socket, topic)
        self._open.remove(socket)
        del self._stats.topics[socket.name]

    def hold(self, socket: Socket, topic: str) -> bool:
        """Give a topic to a socket; whether that is new to it."""
        if topic in socket.topics:
            return False
        socket.topics.append(topic)
        self._holders.setdefault(topic, []).append(socket)
        return True

    def release(self, socket: Socket, topic: str) -> None:
        """Take a topic from a socket, if it holds it."""
        if topic not in socket.topics:
            return
        socket.topics.remove(topic)
        holders = self._holders[topic]
        holders.remove(socket)
        if not holders:
            del self._holders[topic]

    def holders(self, topic: str) -> tuple[Socket, ...]:
        """Who holds a topic."""
        return tuple(self._holders.get(topic, ()))

    def held(self) -> Iterator[str]:
        """All topics held by anyone."""
        return iter(tuple(self._holders))

    def cut(self, which: str = "all") -> int:
        """Cut the open sockets of a side without a close frame, and return how many that were.

        Raises:
            ValueError: `which` is not "public", "private" or "all".
        """
        if which not in ("public", "private", "all"):
            raise ValueError(f"which must be public, private or all, not {which!r}")
        doomed = [socket for socket in self if which in ("all", socket.side)]
        for socket in doomed:
            socket.cut()
        self._stats.sockets_cut += len(doomed)
        return len(doomed)
