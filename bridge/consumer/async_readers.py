"""The same readers for asyncio: `async for entry in reader`."""

from __future__ import annotations

import logging
import socket
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from bridge.consumer.connecting import connect_async
from bridge.consumer.group import Rules
from bridge.consumer.positions import FIRST_ID, Positions
from bridge.consumer.records import Entry
from bridge.consumer.steps import carry_out_async, is_passing
from bridge.consumer.trimming import OnMissed, warn
from bridge.consumer.ways import Streams, Way, grouped, plain
from bridge.store.keys import Keys

log = logging.getLogger(__name__)


class _Awaiting:
    """An endless iterator over entries: whoever asks for the next one has processed the last.

    An `async for` that begins after a `break` or an exception is given the entry at which the one before ended once
    more.
    """

    _way: Way

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - any of redis-py's clients, or a URL
        self._owned = isinstance(client, str)
        self._client = connect_async(client) if isinstance(client, str) else client

    async def __aenter__(self) -> Self:
        """Return the reader itself; its end closes it."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        await self.close()

    def __aiter__(self) -> Self:
        """Begin, or begin again with the entry whose processing did not come to its end."""
        self._way.put_back()
        return self

    async def __anext__(self) -> Entry:
        """Return the next entry, when there is one; the last one is processed."""
        self._way.processed()
        while not self._way.is_ready():
            await carry_out_async(self._client, self._way.turn())
        return self._way.give()

    async def save(self) -> None:
        """Let Redis, or the file, know now that all that was given is processed; before a `break`, for example.

        Raises redis-py's `RedisError` when Redis is out of reach.
        """
        self._way.processed()
        await carry_out_async(self._client, self._way.save())

    async def close(self) -> None:
        """Save what is processed, as far as Redis is there, and hang up."""
        try:
            await carry_out_async(self._client, self._way.save())
        except Exception as trouble:
            if not is_passing(trouble):
                raise
            log.warning("some of what is processed could not be saved, and will be read again: %s", trouble)
        finally:
            if self._owned:
                await self._client.aclose()


class AsyncReader(_Awaiting):
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
            client: Redis' URL, or a client made by `connect_async`.
            streams: their names, as `Keys` gives them.
            positions: where to keep how far all is processed; nowhere if not given.
            start: where a stream without a kept position begins: `0-0` with the oldest entry there is, `$` with what
                comes from now on, or after an id.
            count: most entries of a stream at once.
            on_missed: called when entries were trimmed before they were read; logs a warning if not given.

        Raises:
            ConsumerError: the client answers in bytes, or there are no streams.
        """
        super().__init__(client)
        self._way = plain(self._client, streams, positions, start=start, count=count, on_missed=on_missed)


class AsyncGroupReader(_Awaiting):
    """Reads streams as one consumer of a group, whose consumers share the work: each entry at least once.

    Order holds as far as one consumer's work goes; what is tried again, or taken over, comes later than it stands.
    """

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
            client: Redis' URL, or a client made by `connect_async`.
            streams: their names, as `Keys` gives them.
            group: the group's name; it is made when missing.
            consumer: this process' name in the group, kept over restarts; the host's name if not given. Two living
                processes of one name give each other's entries twice.
            rules: where a new group begins, how often an entry is tried, when a consumer is taken for dead.
            keys: the prefix under which the dead letters stand.
            on_missed: called when entries were trimmed before the group read them; logs a warning if not given.

        Raises:
            ConsumerError: the client answers in bytes, there are no streams, or the rules can't hold.
        """
        super().__init__(client)
        names = group, consumer or socket.gethostname()
        self._group = grouped(self._client, streams, names, rules, keys=keys, on_missed=on_missed)
        self._way = self._group

    async def run(self, work: Callable[[Entry], Awaitable[object]]) -> None:
        """Do `work` with each entry, for ever; what raises is tried again, and goes to the dead letters in the end.

        An entry is tried again in its place, after growing pauses: those behind it wait.
        """
        async for entry in self:
            trying: Entry | None = entry
            while trying is not None:
                try:
                    await work(trying)
                except Exception as error:  # noqa: BLE001 - whatever it is, it is told and counted
                    trying = await carry_out_async(self._client, self._group.failed(trying, error))
                else:
                    trying = None

    async def remove_idle(self, idle_s: float) -> list[str]:
        """Remove the group's other consumers that were silent for so long and hold nothing; return their names."""
        return await carry_out_async(self._client, self._group.retire(idle_s))
