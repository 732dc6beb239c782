"""The same readers for asyncio: `async for entry in reader`."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from bridge.consumer.connecting import connect_async
from bridge.consumer.records import Entry
from bridge.consumer.shells import GroupShell, PlainShell, Shell
from bridge.consumer.steps import carry_out_async, is_passing

log = logging.getLogger(__name__)


class _Awaiting(Shell):
    """An endless iterator over entries: whoever asks for the next one has processed the last.

    An `async for` that begins after a `break` or an exception is given the entry at which the one before ended once
    more.
    """

    def _connected(self, url: str) -> Any:  # noqa: ANN401 - a client of redis-py
        return connect_async(url)

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


class AsyncReader(_Awaiting, PlainShell):
    """Reads streams from a position that is kept: each entry at least once, in each stream's order."""


class AsyncGroupReader(_Awaiting, GroupShell):
    """Reads streams as one consumer of a group, whose consumers share the work: each entry at least once.

    Order holds as far as one consumer's work goes; what is tried again, or taken over, comes later than it stands.
    """

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
