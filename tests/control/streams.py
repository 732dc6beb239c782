"""Answers that go on, read as a page reads them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

HEARD_WITHIN_S = 20


class Stream:
    """What has been heard so far of one answer."""

    def __init__(self, answer: httpx2.Response) -> None:
        """Listen to `answer`."""
        self.answer = answer
        self.heard: list[tuple[str, Any]] = []
        self.comments = 0
        self.ended = False
        self.broken = False
        self._news = asyncio.Event()

    async def listen(self) -> None:
        """Read to the end."""
        rest = ""
        try:
            async for text in self.answer.aiter_text():
                *parts, rest = (rest + text).split("\n\n")
                for part in parts:
                    self._take(part)
                self._news.set()
        except httpx2.HTTPError:
            self.broken = True
        finally:
            self.ended = True
            self._news.set()

    def all(self, event: str) -> list[Any]:
        """What was said of one kind."""
        return [message for name, message in self.heard if name == event]

    async def until(self, count: int, event: str) -> list[Any]:
        """Wait for so many of one kind, and return them."""
        async with asyncio.timeout(HEARD_WITHIN_S):
            while len(found := self.all(event)) < count and not self.ended:
                self._news.clear()
                await self._news.wait()
        return found

    def _take(self, part: str) -> None:
        if part == ":":
            self.comments += 1
            return
        event, data = part.split("\n")
        self.heard.append((event.removeprefix("event: "), json.loads(data.removeprefix("data: "))))


@asynccontextmanager
async def streaming(http: httpx2.AsyncClient, path: str) -> AsyncIterator[Stream]:
    """Hear one answer for as long as the block lasts."""
    async with http.stream("GET", path) as answer:
        stream = Stream(answer)
        listening = asyncio.create_task(stream.listen())
        try:
            yield stream
        finally:
            listening.cancel()
            await asyncio.wait([listening])
