"""The topics' names, each read once: a whole market is thousands of them, and every pass goes over all."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final

from bridge.errors import InvalidTopicError
from bridge.exchanges.base import Exchange, Topic

# Names read between two breaths.
_CHUNK: Final = 200


class Names:
    """What names mean, as far as they were read."""

    def __init__(self, exchange: Exchange) -> None:
        """Read in the words of `exchange`."""
        self._exchange = exchange
        self._topics: dict[str, Topic] = {}
        self._wrong: dict[str, str] = {}

    async def learn(self, names: Collection[str]) -> None:
        """Read those names that are new, without keeping the event loop for long."""
        new = [name for name in names if name not in self._topics and name not in self._wrong]
        for start in range(0, len(new), _CHUNK):
            for name in new[start : start + _CHUNK]:
                try:
                    self._topics[name] = self._exchange.topic(name)
                except InvalidTopicError as wrong:
                    self._wrong[name] = str(wrong)
            await asyncio.sleep(0)

    def forget_all_but(self, names: Collection[str]) -> None:
        """Keep what is still of use."""
        self._topics = {name: topic for name, topic in self._topics.items() if name in names}
        self._wrong = {name: reason for name, reason in self._wrong.items() if name in names}

    def topic(self, name: str) -> Topic:
        """Return what a name means; raises `InvalidTopicError`."""
        if name in self._wrong:
            raise InvalidTopicError(self._wrong[name])
        return self._topics.get(name) or self._exchange.topic(name)
