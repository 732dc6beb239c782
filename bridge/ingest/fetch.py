"""REST calls to the exchange, paced to stay inside its limits."""

from __future__ import annotations

import asyncio
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, TypeVar

import httpx2

from bridge.errors import RestError
from bridge.ingest.connection import USER_AGENT

if TYPE_CHECKING:
    from bridge.clock import ExchangeClock
    from bridge.exchanges.base import Call

T = TypeVar("T")

# 12 calls of an endpoint per 2 s are allowed; running exactly at that drew refusals (seen), so 10 are planned.
_GAP_S: Final = 0.2
_TIMEOUT_S: Final = 10.0


class Rest:
    """Makes calls, one after the other, and lets the clock hear what the answers say of the time."""

    def __init__(self, uri: str, clock: ExchangeClock) -> None:
        """Ask the exchange at `uri`."""
        self._client = httpx2.AsyncClient(base_url=uri, headers={"User-Agent": USER_AGENT}, timeout=_TIMEOUT_S)
        self._clock = clock
        self._turn = asyncio.Lock()
        self.calls = 0

    async def ask(self, call: Call[T]) -> T:
        """Make a call and return what its reader makes of the answer.

        Raises:
            RestError: no answer, or one that is no success.
        """
        async with self._turn:
            self.calls += 1
            try:
                answer = await self._client.get(call.path, params=dict(call.params), headers=dict(call.headers))
            except httpx2.HTTPError as trouble:
                raise RestError(f"no answer from {call.path}: {str(trouble) or type(trouble).__name__}") from None
            finally:
                await asyncio.sleep(_GAP_S)
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
