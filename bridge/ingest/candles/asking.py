"""What a series asks REST for, and when again. Pure; all times are exchange time in UTC milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bridge.ingest.candles.closed import How, Window
from bridge.ingest.candles.written import Written
from bridge.timeframes import Timeframe

_FIRST_RETRY_MS: Final = 2_000
_LONGEST_RETRY_MS: Final = 60_000
_LADDER: Final = tuple(sorted(Timeframe, key=lambda timeframe: timeframe.milliseconds))


class Asking:
    """How a series asks.

    Attributes:
        blind: how many replies in a row told nothing of when the contract traded last.
        not_before: no request leaves before that time.
    """

    def __init__(self, seed: int, cap: int) -> None:
        """Ask for the newest `seed` candles of an empty stream, and for at most `cap` in any other."""
        self.blind = 0
        self.not_before = 0
        self._seed = seed
        self._cap = cap
        self._retry_ms = _FIRST_RETRY_MS

    def again(self, now_ms: int, *, went_well: bool) -> None:
        """Plan the next request: at once when the last one went well, else after a wait that grows."""
        if went_well:
            self._retry_ms, self.not_before = _FIRST_RETRY_MS, 0
        else:
            self.not_before = now_ms + self._retry_ms
            self._retry_ms = min(self._retry_ms * 2, _LONGEST_RETRY_MS)

    def window(self, written: Written, shown_first: int | None, now_ms: int, over_ms: int, most: int) -> Window:
        """Return what to ask for, at most `most` candles.

        Args:
            written: how far the stream has come.
            shown_first: the open of the oldest candle that the socket showed and that is not written.
            now_ms: the time now.
            over_ms: what ended by then counts as over.
            most: how many candles one call may ask for.
        """
        wider = _LADDER[_LADDER.index(written.timeframe) :]
        asked = wider[min(self.blind, len(wider) - 1)]
        length = written.timeframe.milliseconds
        if written.tail is None:
            last = written.timeframe.floor(now_ms)
            return Window(asked, last - (min(self._seed, most) - 1) * asked.milliseconds, last, How.START)
        after, last = written.tail.open_time, written.newest_over(over_ms) + length
        if last - length - after > self._cap * length:
            return Window(asked, last - (min(self._cap, most) - 1) * asked.milliseconds, last, How.JUMP, after)
        if not written.anchored(most) and shown_first is not None and shown_first < after + (most - 1) * length:
            return Window(written.timeframe, after, min(last, after + (most - 1) * length), How.NEXT, after)
        return self._next(written, wider, last, most)

    def _next(self, written: Written, wider: Sequence[Timeframe], last: int, most: int) -> Window:
        """Begin at the anchor where it is known and near enough: a reply that lacks it proves no absence.

        Otherwise reach back as far as possible, or ask for longer candles that do reach it. A vague anchor says only
        that the trade lies somewhere in a longer candle: where a reply from its beginning shows nothing, longer candles
        are asked for.
        """
        after = written.tail.open_time if written.tail else 0
        for longer in wider[min(self.blind, len(wider) - 1) if written.vague else 0 :]:
            if written.anchor is not None and written.next_open - written.anchor < (most - 1) * longer.milliseconds:
                until = min(last, written.anchor + (most - 1) * longer.milliseconds)
                return Window(longer, written.anchor, until, How.NEXT, after)
        asked = wider[min(self.blind, len(wider) - 1)]
        reach = (most - 1) * asked.milliseconds
        until = min(last, after + reach)
        return Window(asked, until - reach, until, How.NEXT, after)
