"""`bitmart-bridge status --watch`: the state of the bridge as a table that stays up to date."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bridge.errors import StoreError
from bridge.log import shown
from bridge.terminal.report import Seen, look, said_of

if TYPE_CHECKING:
    from bridge.settings import Settings

_COLUMNS: Final = ("public", "private", "connections", "frames", "entries", "depth", "last_error")
# Lines of a screen that are not topics: the heading, the ingesters' frame, the topics' frame, the last line.
_AROUND: Final = 12
_FEWEST: Final = 5


async def watch(settings: Settings, stop: asyncio.Event, every_s: float, console: Console | None = None) -> None:
    """Show the state every `every_s` seconds until `stop` is set; while Redis is away, say so and try on."""
    console = console or Console()
    with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:
        while not stop.is_set():
            try:
                live.update(screen(await look(settings), console.size.height), refresh=True)
            except StoreError as trouble:
                live.update(Text(f"waiting: {trouble}"), refresh=True)
            try:
                async with asyncio.timeout(every_s):
                    await stop.wait()
            except TimeoutError:
                continue


def screen(seen: Seen, height: int) -> Group:
    """Return what a terminal of `height` lines shows; of the topics those in trouble first, as many as fit."""
    heading = Text(f"{seen.heading}, topics: {seen.counted()}")
    room = max(_FEWEST, height - _AROUND - len(seen.alive))
    return Group(heading, _ingesters(seen), _topics(seen, room), Text("Ctrl-C ends", style="dim"))


def _ingesters(seen: Seen) -> Table:
    table = Table("ingester", *(name.replace("_", " ") for name in _COLUMNS), expand=True)
    for name, state in sorted(seen.alive.items()):
        table.add_row(Text(shown(name)), *(Text(shown(state.get(column, ""))) for column in _COLUMNS))
    if not seen.alive:
        table.add_row(Text("no live ingester", style="red"))
    return table


def _topics(seen: Seen, room: int) -> Table:
    table = Table("topic", "state", "", expand=True)
    listed = seen.troubled_first()
    for name, state in listed[:room]:
        table.add_row(Text(shown(name)), Text(state.state.value), Text(said_of(name, state)))
    if len(listed) > room:
        table.add_row(Text(f"... and {len(listed) - room} more; --json lists all", style="dim"))
    return table
