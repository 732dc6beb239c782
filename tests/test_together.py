"""Several things at once, within one that is told to end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from bridge.together import Part, all_of, first_of

Run = Callable[[Sequence[Part]], Coroutine[Any, Any, None]]


class Steps:
    """What parts have done."""

    def __init__(self) -> None:
        """Begin with nothing done."""
        self.done: list[str] = []

    async def end(self, name: str, turns: int) -> None:
        try:
            for _ in range(turns):
                await asyncio.sleep(0)
            self.done.append(name)
        except asyncio.CancelledError:
            self.done.append(f"{name} cancelled")
            raise

    async def fail(self, name: str, turns: int) -> None:
        await self.end(name, turns)
        raise OSError(name)


@pytest.fixture
def steps() -> Steps:
    return Steps()


async def test_all_are_waited_for(steps: Steps) -> None:
    await all_of([steps.end("late", 5), steps.end("early", 1)])
    assert steps.done == ["early", "late"]
    await all_of([])


async def test_the_first_that_ends_ends_the_others(steps: Steps) -> None:
    await first_of([steps.end("late", 15), steps.end("early", 1)])
    assert steps.done == ["early", "late cancelled"]


@pytest.mark.parametrize("run", [all_of, first_of])
async def test_the_first_failure_ends_the_others_and_is_raised(run: Run, steps: Steps) -> None:
    with pytest.raises(OSError, match="early"):
        await run([steps.end("late", 15), steps.fail("early", 1), steps.fail("later", 16)])
    assert (steps.done[0], sorted(steps.done[1:])) == ("early", ["late cancelled", "later cancelled"])


@pytest.mark.parametrize("run", [all_of, first_of])
@pytest.mark.parametrize("turns", range(12))
async def test_whoever_tries_again_for_ever_ends_when_told_to_whatever_fails_meanwhile(run: Run, turns: int) -> None:
    def cancel_after(turns: int) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(cancel_after, turns - 1)
        else:
            task.cancel()

    async def try_for_ever() -> None:
        while True:
            steps = Steps()
            try:
                await run([steps.fail("one", 2), steps.fail("two", 2), steps.end("three", 9)])
            except OSError:
                continue

    task = asyncio.create_task(try_for_ever())
    cancel_after(turns)
    await asyncio.wait([task], timeout=20)
    assert task.cancelled()


@pytest.mark.parametrize("run", [all_of, first_of])
async def test_a_failure_leaves_no_mark_of_a_cancellation_behind(run: Run, steps: Steps) -> None:
    with pytest.raises(OSError, match="one"):
        await run([steps.fail("one", 1), steps.end("two", 3)])
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
