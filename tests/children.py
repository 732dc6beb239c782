"""The processes that tests start: none of them outlives the tests, however these end."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, AnyStr, Generic

from bridge.store.embedded.guarded_process import GUARD


@contextmanager
def guarded(command: Sequence[object]) -> Iterator[tuple[list[str], int]]:
    """Tell how to start a command, its standard input included, so that it is killed when we are gone.

    Its end has to be waited for within the context. `GuardedProcess` tells how the guard works. Nothing that a test
    starts is given time to end in order: it may stand still, or take no signal but this one. In a session of its own it
    takes all that it started along.
    """
    listening, guard = os.pipe()
    try:
        yield ["/bin/sh", "-c", GUARD, "guard", "0", *map(str, command)], listening
    finally:
        with suppress(BrokenPipeError):
            os.write(guard, b"\n")
        os.close(guard)
        os.close(listening)


class Child(subprocess.Popen[AnyStr], Generic[AnyStr]):
    """A process of our own; `wait` has to be called once it has ended, as `with` and `communicate` do."""

    def __init__(self, command: Sequence[object], **options: Any) -> None:  # noqa: ANN401 - those of Popen
        """Start it."""
        self._guarding = guarded(command)
        words, listening = self._guarding.__enter__()
        try:
            super().__init__(words, stdin=listening, **options)
        except BaseException:
            self._guarding.__exit__(None, None, None)
            raise
        self._is_guarded = True

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and return its code."""
        code = super().wait(timeout)
        if self._is_guarded:
            self._is_guarded = False
            self._guarding.__exit__(None, None, None)
        return code


def finished(
    command: Sequence[object],
    *,
    timeout: float = 60,
    **options: Any,  # noqa: ANN401 - those of Popen
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, at most `timeout` seconds, and return its code and what it printed."""
    caught = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with Child[str](command, **(caught | options)) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess([*map(str, command)], process.returncode, out, err)


@asynccontextmanager
async def child(command: Sequence[object], **options: Any) -> AsyncIterator[asyncio.subprocess.Process]:  # noqa: ANN401 - those of asyncio
    """Run a command beside the tests, and kill it at the end if it still runs."""
    with guarded(command) as (words, listening):
        process = await asyncio.create_subprocess_exec(*words, stdin=listening, **options)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
