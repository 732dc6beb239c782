"""How many REST requests a client may make."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

_ABUSE_WINDOW_S = 10.0


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of one endpoint.

    Attributes:
        count: Requests allowed in a window.
        scope: Per address ("IP") or per API key ("KEY"). "IP" was seen in the mode header; "KEY" is our choice.
        window_s: Wall seconds of the window.
    """

    count: int
    scope: Literal["IP", "KEY"]
    window_s: int = 2

    def headers(self, used: int) -> dict[str, str]:
        """The headers of every reply. `Remaining` is how many were used: it counts up (documented and observed)."""
        return {
            "X-BM-RateLimit-Limit": str(self.count),
            "X-BM-RateLimit-Remaining": str(used),
            "X-BM-RateLimit-Reset": str(self.window_s),
            "X-BM-RateLimit-Mode": self.scope,
        }


@dataclass(slots=True)
class Limits:
    """Counts requests per endpoint in sliding windows of wall time, and bans who goes on when refused.

    Attributes:
        ban_after: Refusals within ten seconds that lead to a ban.
        ban_s: Seconds a ban lasts; its real length is unknown.
    """

    ban_after: int
    ban_s: float
    _used: dict[tuple[str, str], deque[float]] = field(default_factory=dict)
    _refused: dict[str, deque[float]] = field(default_factory=dict)
    _banned: dict[str, float] = field(default_factory=dict)

    def banned(self, address: str) -> bool:
        """Whether an address is banned now."""
        return time.monotonic() < self._banned.get(address, 0.0)

    def count(self, path: str, limit: Limit, client: str) -> int:
        """Count a request, and return how many its client made of this endpoint within the window."""
        now = time.monotonic()
        used = self._used.setdefault((path, client), deque())
        _forget(used, now - limit.window_s)
        used.append(now)
        return len(used)

    def refuse(self, address: str) -> None:
        """Note a refused request; too many of them ban the address."""
        now = time.monotonic()
        refused = self._refused.setdefault(address, deque())
        _forget(refused, now - _ABUSE_WINDOW_S)
        refused.append(now)
        if len(refused) >= self.ban_after:
            self._banned[address] = now + self.ban_s
            refused.clear()


def _forget(times: deque[float], before: float) -> None:
    while times and times[0] <= before:
        times.popleft()
