"""Contracts that REST says it does not know, and when each is asked for again. Pure; all times are exchange time in ms.

Their series begin nowhere, or nowhere new: of all that are due theirs wait longest. Asked for as often as others and
before them, some hundreds would use up the calls that all share.
"""

from __future__ import annotations

from typing import Final

# As long as between tries at what else has failed for some time; longer only for who goes on being refused.
_FIRST_WAIT_MS: Final = 60_000
_LONGEST_WAIT_MS: Final = 900_000


class Refusals:
    """Remembers each contract from its first refusal until it is known again."""

    def __init__(self) -> None:
        """Begin with none."""
        self._waits: dict[str, tuple[int, int]] = {}

    def refused(self, symbol: str, now_ms: int) -> None:
        """Take note that the exchange does not know the contract."""
        self._waits.setdefault(symbol, (now_ms + _FIRST_WAIT_MS, _FIRST_WAIT_MS))

    def asked(self, symbol: str, now_ms: int) -> None:
        """Take note that a request is to leave; if that is in vain too, the next one waits twice as long."""
        if symbol in self._waits:
            wait_ms = min(2 * self._waits[symbol][1], _LONGEST_WAIT_MS)
            self._waits[symbol] = (now_ms + wait_ms, wait_ms)

    def forget(self, symbol: str) -> None:
        """Take note that there is reason to ask as for any other contract."""
        self._waits.pop(symbol, None)

    def deadline(self, symbol: str, deadline_ms: int, now_ms: int) -> int | None:
        """Return by when a series of the contract is to be asked for, `None` if it is not yet.

        A contract that was refused may be kept waiting as long again as it has waited: others go first, and it is not
        forgotten. For any other it is `deadline_ms`.
        """
        if symbol not in self._waits:
            return deadline_ms
        again_ms, wait_ms = self._waits[symbol]
        return max(deadline_ms, again_ms + wait_ms) if now_ms >= again_ms else None
