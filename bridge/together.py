"""Several things at once within one that can be told to end at any moment.

A group of tasks that fails in the very moment in which its owner is cancelled raises the failure alone, and may leave a
mark of its own cancelling behind (`asyncio.TaskGroup` before Python 3.13). Whoever catches the failure, to try again,
would try for ever. Here a cancellation is always raised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

Part = Coroutine[Any, Any, None]


async def all_of(parts: Sequence[Part]) -> None:
    """Run parts until all have ended or one fails, which ends the others; raise its failure."""
    await _run(parts, asyncio.FIRST_EXCEPTION)


async def first_of(parts: Sequence[Part]) -> None:
    """Run parts until one has ended, which ends the others; raise its failure if it failed."""
    await _run(parts, asyncio.FIRST_COMPLETED)


async def _run(parts: Sequence[Part], until: str) -> None:
    tasks = [asyncio.ensure_future(part) for part in parts]
    failures: list[BaseException] = []
    for task in tasks:
        task.add_done_callback(lambda task: failures.extend(_failure_of(task)))
    if not tasks:
        return
    try:
        await asyncio.wait(tasks, return_when=until)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    if failures:
        raise failures[0]


def _failure_of(task: asyncio.Task[None]) -> list[BaseException]:
    failure = None if task.cancelled() else task.exception()
    return [] if failure is None else [failure]
