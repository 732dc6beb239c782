"""REST calls to the exchange, paced to stay inside its limits."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx2

from bridge.errors import RestError
from bridge.ingest.connection import USER_AGENT
from bridge.ingest.pace import Pace

if TYPE_CHECKING:
    from bridge.clock import ExchangeClock
    from bridge.exchanges.base import Call

T = TypeVar("T")

_TOO_MANY: Final = (429, 418)
_TIMEOUT_S: Final = 10.0


def _own_pace(call: Call[Any]) -> Pace:
    return Pace(call.per_2s)


class Rest:
    """Makes calls, one after the other, and lets the clock hear what the answers say of the time."""

    def __init__(self, uri: str, clock: ExchangeClock, pace: Callable[[Call[Any]], Pace] = _own_pace) -> None:
        """Ask the exchange at `uri`, each path at its own pace, which `pace` makes at its first call."""
        self._client = httpx2.AsyncClient(base_url=uri, headers={"User-Agent": USER_AGENT}, timeout=_TIMEOUT_S)
        self._clock = clock
        self._make_pace = pace
        self._paces: dict[str, Pace] = {}
        self.calls = 0
        self.failures = 0
        self.refusals = 0
        self.waiting = 0

    async def ask(self, call: Call[T]) -> T:
        """Make a call when it is our turn, and return what its reader makes of the answer; raises as `send` does."""
        await self.turn(call)
        return await self.send(call)

    async def turn(self, call: Call[Any]) -> None:
        """Wait until a call of that path may leave."""
        self.waiting += 1
        try:
            await self._pace(call).turn()
        finally:
            self.waiting -= 1

    async def send(self, call: Call[T]) -> T:
        """Make a call now, for those who had to know when their turn came.

        Raises:
            RestError: no answer, or one that is no success.
        """
        self.calls += 1
        try:
            return await self._sent(call)
        except RestError:
            self.failures += 1
            raise

    async def _sent(self, call: Call[T]) -> T:
        try:
            answer = await self._client.get(call.path, params=dict(call.params), headers=dict(call.headers))
        except httpx2.HTTPError as trouble:
            raise RestError(f"no answer from {call.path}: {str(trouble) or type(trouble).__name__}") from None
        if answer.status_code in _TOO_MANY:
            self.refusals += 1
            await self._pace(call).refused(answer.status_code)
        self._hear(answer.headers.get("date", ""))
        return call.read(answer.status_code, answer.headers, answer.content)

    def still_s(self) -> float:
        """Return how long it is until a call may leave, at the path whose turn comes last; 0 if all may leave now."""
        return max((pace.still_s() for pace in self._paces.values()), default=0.0)

    async def aclose(self) -> None:
        """Close what is open."""
        await self._client.aclose()

    def _pace(self, call: Call[Any]) -> Pace:
        pace = self._paces.get(call.path)
        if pace is None:
            pace = self._paces[call.path] = self._make_pace(call)
        return pace

    def _hear(self, date: str) -> None:
        try:
            said = parsedate_to_datetime(date)
        except (TypeError, ValueError):
            return
        # Until the exchange's own time is known, a header's whole second must not set a sped-up clock.
        if self._clock.synchronised:
            self._clock.observe(int(said.timestamp() * 1000))
