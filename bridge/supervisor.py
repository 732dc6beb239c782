"""What a service manager is told: ready, still alive, stopping, and a line of status.

The protocol is systemd's `sd_notify`: datagrams to the Unix socket that `NOTIFY_SOCKET` names, a path or, after an `@`,
an abstract name. Without that variable nobody is told anything.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

log = logging.getLogger(__name__)

_LOOK_S: Final = 1.0
# How much longer a start may take, from each look on: one that waits for Redis is no failure.
_START_US: Final = 30_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What is told about.

    Attributes:
        started: whether it does what it is there for, or did once.
        ill: what a restart would mend; while there is such a reason the watchdog is left to bark.
        doing: the line of status.
        stopping: set once it was asked to stop.
    """

    started: Callable[[], bool]
    ill: Callable[[], list[str]]
    doing: Callable[[], str]
    stopping: asyncio.Event


class Supervisor:
    """The service manager at the other end of a socket, or nobody."""

    def __init__(self, address: str = "", watchdog_s: float = 0.0) -> None:
        """Prepare to tell.

        Args:
            address: the value of `NOTIFY_SOCKET`; empty for nobody.
            watchdog_s: after this long without a word the manager restarts us; 0 if it never does.
        """
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._pause_s = min(watchdog_s / 2 or _LOOK_S, _LOOK_S)
        self._said = ""

    async def attend(self, service: Service) -> None:
        """Tell for ever how `service` goes; ends only by being cancelled."""
        while not service.started() and not service.stopping.is_set():
            self._tell(f"EXTEND_TIMEOUT_USEC={_START_US}", service.doing())
            await self._pause(service)
        ready = stopping = False
        while not service.stopping.is_set():
            # Said again until it was taken: a start of which the manager never hears is one that it ends.
            ready = ready or self._tell("READY=1", service.doing())
            self._keep(service)
            await self._pause(service)
        while True:
            stopping = stopping or self._tell("STOPPING=1", "draining")
            self._keep(service)
            await asyncio.sleep(self._pause_s)

    def _keep(self, service: Service) -> None:
        reasons = service.ill()
        doing = "draining" if service.stopping.is_set() else service.doing()
        self._tell("" if reasons else "WATCHDOG=1", reasons[0] if reasons else doing)

    async def _pause(self, service: Service) -> None:
        try:
            async with asyncio.timeout(self._pause_s):
                await service.stopping.wait()
        except TimeoutError:
            pass

    def _tell(self, state: str, doing: str) -> bool:
        """Say what is new, and tell whether that was taken, or nobody is there to be told."""
        lines = [state] if state else []
        if doing != self._said:
            # A line's end in it would begin another assignment.
            lines.append(f"STATUS={' '.join(doing.split())}")
        taken = not self._address or not lines or self._send("\n".join(lines).encode())
        if taken:
            self._said = doing
        return taken

    def _send(self, words: bytes) -> bool:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as teller:
                # A manager that is behind with its reading is not waited for: the next look tells it again.
                teller.settimeout(0)
                teller.sendto(words, self._address)
        except OSError as trouble:
            # A manager that does not listen is its own trouble; the bridge goes on.
            log.debug("the service manager cannot be told: %s", trouble)
            return False
        return True
