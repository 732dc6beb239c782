"""The connections of one side, public or private, and which topic is on which of them.

A topic stays where it is for as long as it is wanted. New ones fill up the connections there are, then open another,
up to a cap; what finds no room waits, and says so. A connection without topics closes. One that is to be replaced
stays until its successor holds what it held.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from typing import Final

from bridge.ingest.sockets.connection import Connection, Phase
from bridge.ingest.sockets.endings import Cause
from bridge.ingest.sockets.line import Line, PoolSink, Replacement
from bridge.records import EventName

log = logging.getLogger(__name__)

# How often a replacement is looked at, and how long the old connection may wait for the new one.
_LOOK_S: Final = 0.1
_REPLACE_S: Final = 30.0


class Pool:
    """Holds topics on as many connections as they need.

    Attributes:
        name: `public` or `private`.
        lines: the connections, each with its topics.
        wanted: all topics that are to be held.
        unplaced: those that no connection has room for.
        replaced: how many connections were replaced.
    """

    def __init__(
        self,
        *,
        name: str,
        connect: Callable[[Line], Connection],
        sink: PoolSink,
        per_connection: int,
        most: int,
        give_way_s: float,
    ) -> None:
        """Make connections by `connect`, at most `most`, each of at most `per_connection` topics.

        Not able to reach a single topic for `give_way_s`, the pool says that others had better try.
        """
        self.name = name
        self.lines: list[Line] = []
        self.wanted: frozenset[str] = frozenset()
        self.unplaced: frozenset[str] = frozenset()
        self.replaced = 0
        self._connect = connect
        self._sink = sink
        self._per_connection = per_connection
        self._most = most
        self._give_way_s = give_way_s
        self._replacement: Replacement | None = None
        self._to_replace: list[Line] = []
        self._changed = asyncio.Event()
        self._out_since: float | None = None
        self._opened = 0
        self._past_frames = 0
        self._past_malformed = 0
        self._past_bytes = 0
        self._past_ends: Counter[Cause] = Counter()

    def want(self, topics: frozenset[str]) -> None:
        """Say which topics are to be held from now on."""
        if topics == self.wanted:
            return
        self.wanted = topics
        placed: set[str] = set()
        for line in self.lines:
            line.topics &= topics
            placed |= line.topics
        self._place(topics - placed)
        for line in self.lines:
            line.connection.want(frozenset(line.topics))
        self._changed.set()

    def replace(self, concerned: Callable[[str], bool]) -> None:
        """Replace each connection that carries a topic which is `concerned`."""
        self._to_replace += [
            line for line in self.lines if line not in self._to_replace and any(map(concerned, line.topics))
        ]
        self._changed.set()

    def able(self, now: float) -> bool:
        """Tell whether there is reason to hope: something is held, or it is not long since; `now` is monotonic."""
        if not self.wanted or any(line.answered for line in self.all()):
            self._out_since = None
            return True
        if self._out_since is None:
            self._out_since = now
        return now - self._out_since < self._give_way_s

    def active(self, topic: str) -> bool:
        """Tell whether a topic is held at the exchange."""
        return any(line.active(topic) for line in self.all())

    def all(self) -> Iterator[Line]:
        """Go over all connections, one that is being replaced included."""
        yield from self.lines
        if self._replacement is not None:
            yield self._replacement.old

    @property
    def no_room(self) -> str:
        """Why `unplaced` topics wait."""
        return f"no room: {self._most} connections of {self._per_connection} topics are full"

    @property
    def phase(self) -> Phase:
        """The furthest that any connection has come."""
        phases = [line.connection.phase for line in self.all()]
        return Phase.OPEN if Phase.OPEN in phases else next(iter(phases), Phase.IDLE)

    @property
    def trouble(self) -> str:
        """What troubles a connection, if anything does."""
        return next((line.connection.trouble for line in self.all() if line.connection.trouble), "")

    @property
    def frames(self) -> int:
        """How many frames came."""
        return self._past_frames + sum(line.connection.frames for line in self.all())

    @property
    def malformed(self) -> int:
        """How many of them, or parts of them, could not be understood."""
        return self._past_malformed + sum(line.connection.malformed for line in self.all())

    @property
    def bytes(self) -> int:
        """How many bytes these frames had."""
        return self._past_bytes + sum(line.connection.bytes for line in self.all())

    @property
    def ends(self) -> Counter[Cause]:
        """How many lives of connections ended, by their cause."""
        return sum((line.connection.ends for line in self.all()), self._past_ends)

    @property
    def sizes(self) -> list[int]:
        """How many topics each open connection holds."""
        return [len(line.connection.held) for line in self.all() if line.connection.phase is Phase.OPEN]

    async def run(self) -> None:
        """Keep the connections for ever; one that fails fails the whole."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._changed.clear()
                self._replace_next()
                for line in self.lines:
                    line.task = line.task or group.create_task(line.connection.run(), name=line.connection.name)
                self._retire()
                self._close_empty()
                try:
                    async with asyncio.timeout(_LOOK_S if self._replacement else None):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    async def emptied(self) -> None:
        """Return once no connection is open any more."""
        for line in list(self.all()):
            await line.connection.idle.wait()

    def _place(self, topics: Collection[str]) -> None:
        # Where it is being left just now, it may as well stay.
        lately = {topic: line for line in self.lines for topic, _ in line.connection.held if topic in topics}
        rest = []
        for topic in sorted(topics):
            line = lately.get(topic)
            if line is not None and len(line.topics) < self._per_connection:
                line.topics.add(topic)
            else:
                rest.append(topic)
        for line in self.lines:
            room = self._per_connection - len(line.topics)
            line.topics.update(rest[:room])
            del rest[:room]
        while rest and len(self.lines) < self._most:
            line = self._open()
            line.topics.update(rest[: self._per_connection])
            del rest[: self._per_connection]
        self._tell_unplaced(frozenset(rest))

    def _tell_unplaced(self, unplaced: frozenset[str]) -> None:
        if unplaced and not self.unplaced:
            log.error("%d topics wait: %s", len(unplaced), self.no_room)
            self._sink.happened(EventName.NO_ROOM, self.name, f"{len(unplaced)} topics wait: {self.no_room}")
        self.unplaced = unplaced

    def _open(self) -> Line:
        line = Line(self._sink, self._lost, self._changed.set)
        self._opened += 1
        line.connection = self._connect(line)
        if self._opened > 1:
            line.connection.name = f"{self.name}-{self._opened}"
        self.lines.append(line)
        return line

    def _lost(self, line: Line) -> None:
        # What another connection holds as well is not lost.
        others = [other for other in self.all() if other is not line]
        topics = {topic for topic, _ in line.connection.held if not any(other.active(topic) for other in others)}
        self._sink.lost(private=self.name == "private", topics=topics)

    def _replace_next(self) -> None:
        while self._to_replace and self._replacement is None:
            old = self._to_replace.pop(0)
            if old not in self.lines or not old.topics:
                continue
            new = self._open()
            new.topics, new.connection.data_at = old.topics, dict(old.connection.data_at)
            new.connection.want(frozenset(new.topics))
            self.lines.remove(old)
            self._replacement = Replacement(old, new, asyncio.get_running_loop().time() + _REPLACE_S)

    def _retire(self) -> None:
        replacement = self._replacement
        if replacement is None or not replacement.over(asyncio.get_running_loop().time()):
            return
        self._replacement = None
        self.replaced += 1
        self._drop(replacement.old)
        self._changed.set()

    def _close_empty(self) -> None:
        for line in [line for line in self.lines if not line.topics and line.connection.idle.is_set()]:
            self.lines.remove(line)
            self._drop(line)

    def _drop(self, line: Line) -> None:
        self._past_frames += line.connection.frames
        self._past_malformed += line.connection.malformed
        self._past_bytes += line.connection.bytes
        self._past_ends += line.connection.ends
        if line.task is not None:
            line.task.cancel()
