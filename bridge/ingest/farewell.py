"""How an ingester ends: unsubscribe, close, write what was received, say goodbye."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from bridge.records import EventName
from bridge.store import client

if TYPE_CHECKING:
    from bridge.ingest.router import Router
    from bridge.ingest.sockets.pool import Pool
    from bridge.store.members import Members
    from bridge.store.writing.writer import Writer

log = logging.getLogger(__name__)

_HANG_UP_S: Final = 3.0
_FLUSH_S: Final = 10.0


async def drain(
    name: str, pools: tuple[Pool, Pool], router: Router, writer: Writer, tasks: dict[str, asyncio.Task[None]]
) -> None:
    """Stop the parts of ingester `name`, which run as `tasks`, in the order that loses nothing."""
    log.info("draining")
    # From here on frames may be missing: nothing is called over any more.
    for part in ("reconciler", "watch"):
        tasks.pop(part).cancel()
    for pool in pools:
        pool.want(frozenset())
    try:
        async with asyncio.timeout(_HANG_UP_S):
            for pool in pools:
                await pool.emptied()
    except TimeoutError:
        log.warning("the exchange did not answer our unsubscriptions in time")
    writing = tasks.pop("writer")
    for task in tasks.values():
        task.cancel()
    router.happened(EventName.STOPPED, name, "asked to stop")
    if not await writer.drain(_FLUSH_S):
        log.error("%d entries could not be written before the end", writer.depth)
    writing.cancel()


async def leave(name: str, members: Members) -> None:
    """Say goodbye to the others."""
    try:
        await members.leave(name)
    except client.Unreachable as trouble:
        log.warning("no goodbye: %s", client.described(trouble))
