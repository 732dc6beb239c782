"""What the tests of several rooms share."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def wait_until(
    predicate: Callable[[], bool | Awaitable[bool]],
    description: str,
    timeout: float = 20,  # noqa: ASYNC109 - the deadline of the test, told by name when it passes
) -> None:
    """Return once `predicate` holds: the only place where a test sleeps.

    Args:
        predicate: what to ask again and again; a plain function or a coroutine function.
        description: what is waited for, for the failure.
        timeout: seconds until the wait has failed.

    Raises:
        AssertionError: `predicate` still doesn't hold after `timeout` seconds.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while True:
        answer = predicate()
        if await answer if inspect.isawaitable(answer) else answer:
            return
        if loop.time() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {description}")
        await asyncio.sleep(0.005)
