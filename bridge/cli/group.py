"""The command itself, and how every part of it is run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING

import click

from bridge import __version__, settings

if TYPE_CHECKING:
    from bridge.settings import Settings

redis_url_option = click.option(
    "--redis-url", metavar="URL", help="Which Redis; by default REDIS_URL, or the server of `up`."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="bitmart-bridge")
def cli() -> None:
    """BitMart futures klines, orders, fills and positions as Redis Streams.

    Settings come from the environment and from .env; `bitmart-bridge check` shows and tries them.
    """


def found(redis_url: str | None) -> Settings:
    """Return the settings, which say where Redis is: as given, as set, or the server of `up`."""
    from bridge import app

    return app.found(settings.load(redis_url=redis_url))


def serve(chosen: Settings, part: Callable[[asyncio.Event], Coroutine[None, None, None]]) -> None:
    """Run a part of the bridge, with its log, until it ends or is told to by a signal."""
    from bridge import log, transport

    end = log.configure(chosen.log_level, chosen.log_format)
    for line in transport.unprotected(chosen):
        logging.getLogger(__name__).warning(line)
    try:
        run(stoppable(part))
    finally:
        end()


async def stoppable(part: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Await `part`, which is given what a signal sets."""
    from bridge.signals import stopping

    with stopping() as stop:
        await part(stop)


def run(whole: Coroutine[None, None, None]) -> None:
    """Run in an event loop; an error that ends one of the parts comes out as itself, not wrapped in groups."""
    try:
        from bridge import loop

        loop.run(whole)
    except BaseExceptionGroup as group:
        raise _innermost(group) from group
    finally:
        # By Ctrl-C before the loop runs it has not begun, and would complain of that beside the shell's prompt.
        whole.close()


def _innermost(group: BaseExceptionGroup[BaseException]) -> BaseException:
    inner = group.exceptions[0]
    return _innermost(inner) if isinstance(inner, BaseExceptionGroup) else inner
