"""What a reader is told, one that blocks and one of asyncio alike: which streams, how, and by which client."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from typing import Any

from bridge.consumer.group import GroupReading, Rules
from bridge.consumer.positions import FIRST_ID, Positions
from bridge.consumer.trimming import OnMissed, warn
from bridge.consumer.ways import Streams, Way, grouped, plain
from bridge.store.keys import Keys


class Shell(ABC):
    """Holds a client, its own or a borrowed one, and the rules that a reader carries out by it."""

    _way: Way

    @abstractmethod
    def _connected(self, url: str) -> Any:  # noqa: ANN401 - any of redis-py's clients
        """Return a client of the kind that carries the rules out."""

    def _take(self, client: Any) -> Any:  # noqa: ANN401 - any of redis-py's clients, or a URL
        """Keep a client, made of the URL if it is one; only then is it ours to close."""
        self._owned = isinstance(client, str)
        self._client = self._connected(client) if isinstance(client, str) else client
        return self._client


class PlainShell(Shell):
    """Reads streams from a position that is kept: each entry at least once, in each stream's order."""

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - any of redis-py's clients, or a URL
        streams: Streams,
        *,
        positions: Positions | None = None,
        start: str = FIRST_ID,
        count: int = 500,
        on_missed: OnMissed = warn,
    ) -> None:
        """Prepare to read; nothing is sent yet.

        Args:
            client: Redis' URL, or a client made by `connect`, for asyncio by `connect_async`.
            streams: their names, as `Keys` gives them.
            positions: where to keep how far all is processed; nowhere if not given.
            start: where a stream without a kept position begins: `0-0` with the oldest entry there is, `$` with what
                comes from now on, or after an id.
            count: most entries of a stream at once.
            on_missed: called when entries were trimmed before they were read; logs a warning if not given.

        Raises:
            ConsumerError: the URL is none, the client answers in bytes, or there are no streams.
        """
        self._way = plain(self._take(client), streams, positions, start=start, count=count, on_missed=on_missed)


class GroupShell(Shell):
    """Reads streams as one consumer of a group, whose consumers share the work: each entry at least once.

    Order holds as far as one consumer's work goes; what is tried again, or taken over, comes later than it stands.
    """

    _group: GroupReading

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - any of redis-py's clients, or a URL
        streams: Streams,
        group: str,
        *,
        consumer: str = "",
        rules: Rules = Rules(),  # noqa: B008 - frozen
        keys: Keys | None = None,
        on_missed: OnMissed = warn,
    ) -> None:
        """Prepare to read; nothing is sent yet.

        Args:
            client: Redis' URL, or a client made by `connect`, for asyncio by `connect_async`.
            streams: their names, as `Keys` gives them.
            group: the group's name; it is made when missing.
            consumer: this process' name in the group, kept over restarts; the host's name if not given. Two living
                processes of one name give each other's entries twice.
            rules: where a new group begins, how often an entry is tried, when a consumer is taken for dead.
            keys: the prefix under which the dead letters stand.
            on_missed: called when entries were trimmed before the group read them; logs a warning if not given.

        Raises:
            ConsumerError: the URL is none, the client answers in bytes, there are no streams, or the rules can't hold.
        """
        names = group, consumer or socket.gethostname()
        self._group = grouped(self._take(client), streams, names, rules, keys=keys, on_missed=on_missed)
        self._way = self._group
