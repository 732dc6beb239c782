"""Follows the bridge's own streams and prints what comes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.store import client, reader
from bridge.store.keys import Keys
from bridge.terminal.printing import Printer, as_json, as_text

if TYPE_CHECKING:
    from bridge.settings import Settings

log = logging.getLogger(__name__)

KINDS: Final = ("klines", "orders", "fills", "positions", "events")
_LOOK_S: Final = 1.0
_RETRY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries to print.

    Attributes:
        kinds: kinds of stream.
        symbols: these symbols' entries only; none given: all. Markers and what else names no symbol is printed anyway.
        timeframes: candles of these timeframes only; none given: all.
        closed: of the candles only the streams of closed ones.
        fields: entries only whose fields have these values, each a pair of name and value.
        from_start: begin with the oldest entry that is kept.
        since_ms: begin with the first entry whose ID is of this time or later (UTC milliseconds).
        most: end after so many entries.
        json: print JSON objects.
    """

    kinds: frozenset[str] = frozenset(KINDS)
    symbols: frozenset[str] = frozenset()
    timeframes: frozenset[str] = frozenset()
    closed: bool = False
    fields: tuple[tuple[str, str], ...] = ()
    from_start: bool = False
    since_ms: int | None = None
    most: int | None = None
    json: bool = False

    def stream(self, key: str) -> bool:
        """Whether a stream of candles, with this key, is among them."""
        symbol, timeframe = key.rsplit("{", 1)[1].split("}:", 1)
        timeframe, _, closed = timeframe.partition(":")
        return (
            (not self.symbols or symbol in self.symbols)
            and (not self.timeframes or timeframe in self.timeframes)
            and (not self.closed or bool(closed))
        )

    def entry(self, fields: Mapping[str, str]) -> bool:
        """Whether an entry of a followed stream is among them."""
        symbol = fields.get("symbol", "")
        return (not symbol or not self.symbols or symbol in self.symbols) and all(
            fields.get(name) == value for name, value in self.fields
        )

    @property
    def origin(self) -> str | None:
        """The ID after which to read what is there already; None for what comes from now on."""
        if self.since_ms is not None:
            return f"{max(self.since_ms - 1, 0)}-{2**64 - 1}" if self.since_ms else "0-0"
        return "0-0" if self.from_start else None


class Tail:
    """Prints entries of the selected streams as they come, those of streams that appear later included."""

    def __init__(self, settings: Settings, selection: Selection, printer: Printer) -> None:
        """Read what `selection` names and print it by `printer`."""
        self._keys = Keys(settings.bridge_prefix, settings.bitmart_account)
        self._selection = selection
        self._printer = printer
        self._format: Callable[[str, str, Mapping[str, str]], str] = as_json if selection.json else as_text
        self._asking = client.commands(settings.redis_url)
        self._following = client.blocking(settings.redis_url)
        self._after: dict[str, str] = {}
        self._left = selection.most

    async def run(self) -> None:
        """Print for ever, until all that was asked for is printed, or until nobody reads our output any more."""
        try:
            await self._through(self._discover_new)
            async with asyncio.TaskGroup() as parts:
                looking = parts.create_task(self._look())
                await self._print()
                looking.cancel()
        finally:
            await self._asking.aclose()
            await self._following.aclose()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            await self._through(self._discover)

    async def _print(self) -> None:
        while not self._ended:
            await self._through(self._print_some)

    @property
    def _ended(self) -> bool:
        return self._printer.closed or self._left == 0

    async def _print_some(self) -> None:
        async for stream, entry_id, fields in reader.follow(self._following, self._after):
            if self._selection.entry(fields):
                await self._printer.line(self._format(stream, entry_id, fields))
                if self._left is not None:
                    self._left -= 1
            if self._ended:
                return

    async def _through(self, step: Callable[[], Awaitable[None]]) -> None:
        """Take a step; when Redis is away, say so once and try again."""
        said = ""
        while True:
            try:
                return await step()
            except client.Unreachable as trouble:
                if said != (said := client.described(trouble)):
                    log.warning("waiting: %s", said)
                await asyncio.sleep(_RETRY_S)

    async def _discover_new(self) -> None:
        async for stream in self._streams():
            self._after[stream] = self._selection.origin or await reader.tip(self._asking, stream)

    async def _discover(self) -> None:
        # A stream that appears while we look on is new from its first entry; only closed candles begin with history.
        async for stream in self._streams():
            if stream not in self._after:
                seeded = stream.endswith(":closed") and self._selection.origin is None
                beginning = self._selection.origin or "0-0"
                self._after[stream] = await reader.tip(self._asking, stream) if seeded else beginning

    async def _streams(self) -> AsyncIterator[str]:
        named = {"orders": self._keys.orders, "fills": self._keys.fills, "positions": self._keys.positions}
        for kind, stream in {**named, "events": self._keys.events}.items():
            if kind in self._selection.kinds:
                yield stream
        if "klines" in self._selection.kinds:
            async for key in reader.streams(self._asking, self._keys.klines("*", "*").replace("{*}", "*")):
                if self._selection.stream(key):
                    yield key
