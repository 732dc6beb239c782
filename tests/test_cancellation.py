"""A task that is told to end while it tries something again and again."""

from __future__ import annotations

import asyncio

import pytest

from bridge import cancellation


async def test_whoever_tries_again_ends_although_all_fails_in_the_moment_in_which_it_is_told_to() -> None:
    tries = 0

    async def fail() -> None:
        task.cancel()
        raise OSError

    async def try_for_ever() -> None:
        nonlocal tries
        while True:
            tries += 1
            try:
                async with asyncio.TaskGroup() as parts:
                    parts.create_task(fail())
                    await asyncio.Event().wait()
            except* OSError:
                pass
            cancellation.heed()

    task = asyncio.create_task(try_for_ever())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert tries == 1


async def test_time_that_runs_out_ends_nobody() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.Event().wait()
    cancellation.heed()
