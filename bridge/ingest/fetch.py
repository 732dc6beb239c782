"""REST calls to the exchange, paced to stay inside its limits."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, TypeVar

import httpx2

from bridge.errors import RestError
from bridge.ingest.connection import USER_AGENT

if TYPE_CHECKING:
    from bridge.clock import ExchangeClock
    from bridge.exchanges.base import Call
    from bridge.ingest.pace import Pace

T = TypeVar("T")

_TOO_MANY: Final = (429, 418)
_TIMEOUT_S: Final = 10.0


class Rest:
    """Makes calls, one after the other, and lets the clock hear what the answers say of the time."""

    def __init__(self, uri: str, clock: ExchangeClock, pace: Pace) -> None:
        """Ask the exchange at `uri`, at `pace`."""
        self._client = httpx2.AsyncClient(base_url=uri, headers={"User-Agent": USER_AGENT}, timeout=_TIMEOUT_S)
        self._clock = clock
        self._pace = pace
        self.calls = 0

    async def ask(self, call: Call[T]) -> T:
        """Make a call when it is our turn, and return what its reader makes of the answer; raises as `send` does."""
        await self.turn()
        return await self.send(call)

    async def turn(self) -> None:
        """Wait until a call may leave."""
        await self._pace.turn()

    async def send(self, call: Call[T]) -> T:
        """Make a call now, for those who had to know when their turn came.

        Raises:
            RestError: no answer, or one that is no success.
        """
        self.calls += 1
        try:
            answer = await self._client.get(call.path, params=dict(call.params), headers=dict(call.headers))
        except httpx2.HTTPError as trouble:
            raise RestError(f"no answer from {call.path}: {str(trouble) or type(trouble).__name__}") from None
        if answer.status_code in _TOO_MANY:
            await self._pace.refused(answer.status_code)
        self._hear(answer.headers.get("date", ""))
        return call.read(answer.status_code, answer.headers, answer.content)

    async def aclose(self) -> None:
        """Close what is open."""
        await self._client.aclose()

    def _hear(self, date: str) -> None:
        try:
            said = parsedate_to_datetime(date)
        except (TypeError, ValueError):
            return
        # Until the exchange's own time is known, a header's whole second must not set a sped-up clock.
        if self._clock.synchronised:
            self._clock.observe(int(said.timestamp() * 1000))
