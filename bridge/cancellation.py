"""A task's own cancellation, where the end of others may hide it."""

from __future__ import annotations

import asyncio


def heed() -> None:
    """Raise the cancellation of the task that runs, if it was asked to end and nothing has told it so.

    A group of tasks that fails in the very moment in which its owner is cancelled raises the failure alone (Python
    before 3.13). Whoever catches that, to try again, would try for ever.

    Raises:
        asyncio.CancelledError: the task is to end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
