"""What the socket showed of a series, and since when it has been listened to. Pure; all times in UTC milliseconds.

Periods that trade while the socket, listened to all the time, shows nothing of them make its topic mute.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bridge.ingest.candles.comparison import behind
from bridge.records import Kline

# So many periods in a row that trade unseen make a topic mute.
MUTE_PERIODS: Final = 2
_MUTE_PATIENCE: Final = 64


class Shown:
    """The candles that the socket showed and that are not written yet, each in its fullest state.

    Attributes:
        since: from when on the socket is listened to; `None` while it is not.
        until: the open of the newest candle it ever showed.
        mute_periods: how many periods in a row traded unseen.
    """

    __slots__ = ("_cap", "_klines", "_newest", "_patience", "mute_periods", "since", "until")

    def __init__(self, cap: int) -> None:
        """Begin with nothing; keep at most `cap` candles."""
        self.since: int | None = None
        self.until = 0
        self.mute_periods = 0
        self._patience = MUTE_PERIODS
        self._cap = cap
        self._klines: dict[int, Kline] = {}
        # Of the candle that was taken last its latest state, which the others' place need not hold yet.
        self._newest: Kline | None = None

    def __len__(self) -> int:
        """How many candles are kept."""
        return len(self._klines)

    def __iter__(self) -> Iterator[int]:
        """Go over the opens of the candles kept."""
        return iter(self._klines)

    def __contains__(self, open_time: int) -> bool:
        """Tell whether anything was shown of the period that opens then."""
        return open_time in self._klines

    def get(self, open_time: int) -> Kline | None:
        """Return what was shown of the period that opens then."""
        newest = self._newest
        if newest is not None and newest.open_time == open_time:
            return newest
        return self._klines.get(open_time)

    @property
    def first(self) -> int | None:
        """The open of the oldest candle kept."""
        return min(self._klines, default=None)

    @property
    def newest(self) -> int:
        """The open of the newest candle kept, -1 if there is none."""
        return max(self._klines, default=-1)

    def grown(self, kline: Kline, before: Kline | None) -> bool:
        """Take a state that has no less volume than `before`, of the same candle, if nothing else can make it less.

        Most of what comes changes close and volume alone, and follows what came last. Tell whether that was so.
        """
        if before is None or before is not self._newest or kline.high != before.high or kline.low != before.low:
            return False
        self._newest = kline
        self.mute_periods = 0
        return True

    def take(self, kline: Kline, tail: Kline | None) -> None:
        """Take note of a state of a candle, unless the stream, which ends with `tail`, has come that far."""
        self.mute_periods = 0
        before = self.get(kline.open_time)
        if before is not None:
            if not behind(kline, before):
                self._keep(kline)
            return
        self.until = max(self.until, kline.open_time)
        if tail is not None and kline.open_time <= tail.open_time:
            return
        self._keep(kline)
        if len(self._klines) > self._cap:
            self._drop(min(self._klines))

    def _keep(self, kline: Kline) -> None:
        if self._newest is not None:
            self._klines[self._newest.open_time] = self._newest
        self._klines[kline.open_time] = self._newest = kline

    def _drop(self, open_time: int) -> None:
        del self._klines[open_time]
        if self._newest is not None and self._newest.open_time == open_time:
            self._newest = None

    def forget(self, written: int) -> None:
        """Forget what is written: everything up to the candle that opens then."""
        for open_time in [open_time for open_time in self._klines if open_time <= written]:
            self._drop(open_time)

    def listening(self, now_ms: int | None) -> None:
        """Take note that the socket is listened to from `now_ms` on, or (`None`) no more."""
        if now_ms is None:
            self.since = None
            self.mute_periods = 0
        elif self.since is None:
            self.since = now_ms

    def listened(self, open_time: int) -> bool:
        """Tell whether the socket is listened to since before that period opened."""
        return self.since is not None and self.since <= open_time

    def traded(self, open_time: int) -> None:
        """Take note that REST shows trades in that period: whether the socket showed any tells whether it is mute."""
        if open_time in self._klines:
            self._patience = MUTE_PERIODS
        elif open_time > self.until:
            self.mute_periods += self.listened(open_time)

    def mute(self) -> bool:
        """Tell, once, that the topic is mute: each time in vain it takes twice as many periods to tell it again."""
        if self.mute_periods < self._patience:
            return False
        self.mute_periods, self._patience = 0, min(2 * self._patience, _MUTE_PATIENCE)
        return True
