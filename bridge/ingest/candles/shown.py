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

    def __init__(self, cap: int) -> None:
        """Begin with nothing; keep at most `cap` candles."""
        self.since: int | None = None
        self.until = 0
        self.mute_periods = 0
        self._patience = MUTE_PERIODS
        self._cap = cap
        self._klines: dict[int, Kline] = {}

    def __len__(self) -> int:
        """How many candles are kept."""
        return len(self._klines)

    def __iter__(self) -> Iterator[int]:
        """Go over the opens of the candles kept."""
        return iter(self._klines)

    def get(self, open_time: int) -> Kline | None:
        """Return what was shown of the period that opens then."""
        return self._klines.get(open_time)

    @property
    def first(self) -> int | None:
        """The open of the oldest candle kept."""
        return min(self._klines, default=None)

    @property
    def newest(self) -> int:
        """The open of the newest candle kept, -1 if there is none."""
        return max(self._klines, default=-1)

    def take(self, kline: Kline, tail: Kline | None, outgrown: Kline | None = None) -> None:
        """Take note of a state of a candle, unless the stream, which ends with `tail`, has come that far.

        `outgrown` is a state of the same period with no more volume than this one, if that is known already.
        """
        self.mute_periods = 0
        before = self._klines.get(kline.open_time)
        if before is not None:
            # Most of what comes changes close and volume alone.
            as_wide = before is outgrown and kline.high == before.high and kline.low == before.low
            if as_wide or not behind(kline, before):
                self._klines[kline.open_time] = kline
            return
        self.until = max(self.until, kline.open_time)
        if tail is not None and kline.open_time <= tail.open_time:
            return
        self._klines[kline.open_time] = kline
        if len(self._klines) > self._cap:
            del self._klines[min(self._klines)]

    def forget(self, written: int) -> None:
        """Forget what is written: everything up to the candle that opens then."""
        for open_time in [open_time for open_time in self._klines if open_time <= written]:
            del self._klines[open_time]

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
