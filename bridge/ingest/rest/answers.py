"""What REST's answers are worth beyond their candles: that it answers at all, and where days and weeks begin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from bridge.records import EventName, Kline
from bridge.store.client import Unreachable
from bridge.timeframes import DAY_MS, Timeframe

if TYPE_CHECKING:
    from bridge.clock import ExchangeClock
    from bridge.store.proofs import Proofs

_SHARE_MS: Final = 1_000
_SUBJECT: Final = "rest"


class Answers:
    """Remembers for this ingester, and shares with all others.

    Attributes:
        phases: by timeframe, where in the count of time its days or weeks begin, in ms.
    """

    def __init__(
        self,
        proofs: Proofs,
        clock: ExchangeClock,
        timeout_ms: int,
        happened: Callable[[EventName, str, str], None],
    ) -> None:
        """Share by `proofs`; a silence of `timeout_ms` exchange milliseconds, and its end, are told once each."""
        self._proofs = proofs
        self._clock = clock
        self._timeout_ms = timeout_ms
        self._happened = happened
        self._answered_ms = 0
        self._heard_ms = 0
        self._shared_ms = 0
        self._away = False
        self._loaded = False
        self.phases: dict[str, int] = {}

    def forget(self) -> None:
        """Look again at what the store holds: it may not hold any more what it was given."""
        self._loaded = False

    async def load(self) -> None:
        """Learn what others have learned, and give back what the store lost; raises redis-py's `RedisError`."""
        if self._loaded:
            return
        held = await self._proofs.phases()
        for timeframe, phase_ms in self.phases.items():
            if timeframe not in held:
                await self._proofs.begins(timeframe, phase_ms)
        self.phases = held | self.phases
        self._loaded = True

    async def heard(self, rows: list[Kline]) -> None:
        """Take note of a valid answer."""
        now = self._answered_ms = self._clock.now_ms()
        self._tell(0)
        try:
            if now - self._shared_ms >= _SHARE_MS:
                await self._proofs.heard(now)
                self._shared_ms = now
            if rows:
                await self._learn(rows[-1])
        except Unreachable:
            # The heartbeat names the trouble. What is not shared now is shared with the next answer.
            return

    async def silence_ms(self) -> int:
        """Return for how long REST has given nothing valid to anybody, in exchange milliseconds; 0 if nobody knows."""
        now = self._clock.now_ms()
        self._answered_ms = self._answered_ms or now
        if now - self._answered_ms < self._timeout_ms:
            return now - self._answered_ms
        try:
            shared_ms = await self._proofs.last_heard()
        except Unreachable:
            return 0
        # A store that was emptied has forgotten what the others heard; they will share only what they hear next.
        self._heard_ms = max(self._heard_ms, shared_ms)
        # Another call of ours may have been answered while the store was asked.
        silent_ms = max(0, now - max(self._answered_ms, self._heard_ms))
        self._tell(silent_ms)
        return silent_ms

    def _tell(self, silent_ms: int) -> None:
        """Tell that REST is away, or back, once each; it is back, too, when others alone hear it again."""
        away = silent_ms >= self._timeout_ms
        if away and not self._away:
            self._happened(EventName.REST_AWAY, _SUBJECT, f"REST has given no valid answer for {silent_ms // 1000} s")
        elif self._away and not away:
            self._happened(EventName.REST_BACK, _SUBJECT, "REST answers again")
        self._away = away

    async def _learn(self, row: Kline) -> None:
        length = Timeframe(row.timeframe).milliseconds
        phase_ms, known = row.open_time % length, self.phases.get(row.timeframe)
        if length < DAY_MS or phase_ms == known:
            return
        self.phases[row.timeframe] = phase_ms
        await self._proofs.begins(row.timeframe, phase_ms)
        if known is not None:
            text = f"periods of {row.timeframe} begin {phase_ms} ms into their count now, not {known}"
            self._happened(EventName.CONTRADICTION, row.timeframe, text)
