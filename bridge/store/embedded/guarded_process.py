"""A child process that cannot outlive us."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

# The shell leaves a guard behind in the background and then becomes the command itself. The pipe moves to descriptor 3
# because a background job's own stdin is /dev/null. The command gets neither the pipe nor the terminal. A line on the
# pipe dismisses the guard; the pipe's end without one means that we are gone, and ends the command: by a SIGTERM, and
# after as many seconds as the first argument says by a SIGKILL, which its group gets too if it leads one. What ends the
# group does not end the guard before the command has ended.
GUARD: Final = """
exec 3<&0
patience=$1
shift
(
    trap '' HUP TERM
    read -r dismissed <&3 && exit
    kill -s TERM $$
    while [ "$patience" -gt 0 ] && kill -0 $$; do
        patience=$((patience - 1))
        sleep 1
    done
    kill -s KILL $$
    kill -s KILL -- -$$
) >/dev/null 2>&1 &
exec "$@" </dev/null 3<&-
"""
# What the command writes is for its owner alone: said here, because not every event loop's subprocesses can be told.
_PRIVATE: Final = f"umask 077{GUARD}"


class GuardedProcess:
    """A child process that is ended when we end without having stopped it, however we end.

    The system tells of our end by closing our end of a pipe. What listens at the other is a subshell of the `sh` that
    then turns into the command: so the command is our own child, with the process id and the exit status we see, and no
    process stands between us whose death could be taken for the command's. A Python guard would do the same for ten
    times the memory; Linux's parent-death signal does not exist on macOS and follows the thread, not the process.

    The pipe is not inheritable, so none of our other children can hold it open.

    Attributes:
        stop_asked: whether `stop` was called.
    """

    def __init__(self, process: asyncio.subprocess.Process, guard: int) -> None:
        """Watch over `process`; `guard` is our end of the pipe. Use `start`."""
        self.stop_asked = False
        self._process = process
        self._end = asyncio.create_task(self._dismiss_at_end(guard))

    @classmethod
    async def start(cls, command: Sequence[str], output: int, patience_s: int = 10) -> Self:
        """Run `command` in a session of its own.

        Args:
            command: what to run.
            output: the descriptor that it prints to.
            patience_s: when we are gone it gets a SIGTERM; if it still runs so many seconds later, a SIGKILL.

        Raises:
            OSError: no process can be started. A command that isn't there ends with code 127 instead.
        """
        listening, guard = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                "/bin/sh",
                *("-c", _PRIVATE, "guard", str(patience_s), *command),
                stdin=listening,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except BaseException:
            os.close(guard)
            raise
        finally:
            os.close(listening)
        return cls(process, guard)

    @property
    def pid(self) -> int:
        """The command's process id."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether its end has been seen."""
        return self._end.done()

    @property
    def fate(self) -> str:
        """What became of it, as the rest of a sentence."""
        code = self._process.returncode
        if code is None:
            return f"(pid {self.pid}) is running"
        how = f"was ended by signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"ended with code {code}"
        return f"(pid {self.pid}) {how}"

    async def ended(self, within_s: float | None = None) -> bool:
        """Wait for its end, at most `within_s` seconds if given, and tell whether it came."""
        await asyncio.wait({self._end}, timeout=within_s)
        return self._end.done()

    async def stop(self, deadline_s: float) -> None:
        """Send it a SIGTERM and wait for its end; after `deadline_s` seconds kill it."""
        self.stop_asked = True
        with suppress(ProcessLookupError):
            self._process.terminate()
            if not await self.ended(within_s=deadline_s):
                self._process.kill()
        await self.ended()

    async def _dismiss_at_end(self, guard: int) -> None:
        await self._process.wait()
        # At once, while nobody else can have got the process id that the guard would otherwise signal.
        with suppress(BrokenPipeError):
            os.write(guard, b"\n")
        os.close(guard)
