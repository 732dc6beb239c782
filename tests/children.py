"""Processes that cannot outlive the tests, however these end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from bridge.store.embedded.guarded_process import GUARD


@contextmanager
def guarded(command: Sequence[object]) -> Iterator[tuple[list[str], int]]:
    """Tell how to start a command, its standard input included, so that it gets a SIGTERM when we are gone.

    Its end has to be waited for within the context. `GuardedProcess` tells how the guard works.
    """
    listening, guard = os.pipe()
    try:
        yield ["/bin/sh", "-c", GUARD, "guard", *map(str, command)], listening
    finally:
        with suppress(BrokenPipeError):
            os.write(guard, b"\n")
        os.close(guard)
        os.close(listening)


class Child(subprocess.Popen[bytes]):
    """A process of our own; `wait` has to be called once it has ended."""

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
