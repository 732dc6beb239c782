"""Where REST contradicts what is written. Pure."""

from __future__ import annotations

from bridge.ingest.candles.comparison import behind, both, same
from bridge.ingest.candles.written import Written
from bridge.records import Kline, Source


class Disputes:
    """Compares replies with what is written last.

    Attributes:
        told: each contradiction in words.
    """

    def __init__(self) -> None:
        """Begin in agreement."""
        self.told: list[str] = []
        self._disputed: int | None = None

    def agrees(self, written: Written, row: Kline | None, newest: int) -> bool:
        """Compare a reply with what is written last, if it is there; tell whether its periods begin where ours do.

        What is written stays: Redis takes no older ids. But nobody shall have to find that out alone.
        """
        tail = written.tail
        if tail is None:
            return True
        shifted = (newest - tail.open_time) % written.timeframe.milliseconds
        wrong = row is not None and tail.source != Source.LOST and not same(row, tail)
        if self._disputed != tail.open_time and (shifted or wrong):
            self._disputed = tail.open_time
            self.told.append(both(tail, row) + (f", but one opens at {newest}" if shifted else ""))
            if row is not None and wrong and not behind(row, tail):
                written.correct(row)
        return not shifted
