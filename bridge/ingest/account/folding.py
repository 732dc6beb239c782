"""Brings what was read of the account into the streams, by the scripts that append only what is new."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from bridge.clock import host_ms
from bridge.errors import StoreError
from bridge.records import Fill, Order, Position

if TYPE_CHECKING:
    from bridge.store.writing.appends import Append, Appends

_SETTLE_S: Final = 30.0
# What the script of executions answers for one that the order has not room for.
_TOO_MUCH: Final = -2


class Folding:
    """Hands records to the writer, and counts what Redis makes of them.

    Attributes:
        found: how many of them were missing in the streams.
        held: orders, and their symbols, of which Redis refused executions: they would have traded more than they did.
    """

    def __init__(self, appends: Appends, write: Callable[[Append], None]) -> None:
        """Begin with nothing under way."""
        self._appends = appends
        self._write = write
        self._unanswered = 0
        self._folded = asyncio.Event()
        self.found = 0
        self.held: dict[str, str] = {}

    def add(self, record: Order | Fill | Position) -> None:
        """Fold one record in."""
        append = self._appends.of(msgspec.structs.replace(record, received_at=host_ms()))
        self._unanswered += 1
        self._folded.clear()
        self._write(msgspec.structs.replace(append, settled=partial(self._count, record)))

    async def settled(self) -> None:
        """Wait until Redis has answered for all of it.

        Raises:
            StoreError: it takes too long, or the buffer dropped some of it.
        """
        if self._unanswered > 0:
            try:
                async with asyncio.timeout(_SETTLE_S):
                    await self._folded.wait()
            except TimeoutError:
                self._unanswered = 0
                raise StoreError("Redis does not take what was read of the account") from None

    def _count(self, record: Order | Fill | Position, reply: int) -> None:
        self.found += reply > 0
        if reply == _TOO_MUCH and isinstance(record, Fill):
            self.held[record.order_id] = record.symbol
        self._unanswered -= 1
        if self._unanswered <= 0:
            self._folded.set()
