"""Rows of a reply that cannot be read: their periods are neither proven nor absent. Pure.

One bad row must not take its neighbours along, nor be waited for without end.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.records import Kline, Source


class Unreadable:
    """Keeps apart what cannot be read, and remembers since when."""

    def __init__(self, timeout_ms: int) -> None:
        """Give a row up when it was unreadable for `timeout_ms`."""
        self._timeout_ms = timeout_ms
        self._opens: frozenset[int] = frozenset()
        self._since: tuple[int, int] | None = None

    def __bool__(self) -> bool:
        """Tell whether the last reply held any."""
        return bool(self._opens)

    def without(self, rows: Sequence[Kline]) -> list[Kline]:
        """Return the readable rows of a reply, and remember which others it held."""
        self._opens = frozenset(row.open_time for row in rows if row.source == Source.LOST)
        return [row for row in rows if row.source != Source.LOST]

    def holds(self, open_time: int) -> bool:
        """Tell whether the last reply had an unreadable row for that period."""
        return open_time in self._opens

    def given_up(self, open_time: int, now_ms: int) -> bool:
        """Tell whether that row was unreadable for too long to be waited for."""
        if self._since is None or self._since[0] != open_time:
            self._since = (open_time, now_ms)
        return now_ms - self._since[1] >= self._timeout_ms
