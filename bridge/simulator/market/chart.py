"""The candles of one contract at any place of its history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.simulator.market.candles import Candle, joined
from bridge.simulator.timeframes import DAY, HOUR, MINUTE_MS

if TYPE_CHECKING:
    from bridge.simulator.market.tape import Tape, Trades

# Hours whose single minutes are remembered: a full REST answer of one-minute rows touches nine of them.
_REMEMBERED_HOURS = 12


class Chart:
    """Adds up a tape. Hours and days are remembered, so that a week's candle is cheap.

    Minutes are counted since 1970; `first` is the minute before which nothing was traded.
    """

    def __init__(self, tape: Tape, first: int) -> None:
        """Begin the chart of a tape.

        Args:
            tape: The contract's trades.
            first: The first minute of its history.
        """
        self.first = first
        self._tape = tape
        self._minutes: dict[int, list[Candle | None]] = {}
        self._hours: dict[int, Candle | None] = {}
        self._days: dict[int, Candle | None] = {}
        self._latest: tuple[int, Trades] = (first, tape.trades(first))

    def span(self, minute: int, end: int) -> Candle | None:
        """The candle of all whole minutes from `minute` up to, not including, `end`."""
        minute = max(minute, self.first)
        parts: list[Candle | None] = []
        while minute < end:
            if minute % DAY == 0 and minute + DAY <= end:
                parts.append(self._day(minute // DAY))
                minute += DAY
            elif minute % HOUR == 0 and minute + HOUR <= end:
                parts.append(self.hour(minute // HOUR))
                minute += HOUR
            else:
                stop = min(end, (minute // HOUR + 1) * HOUR)
                parts += self._hour_minutes(minute // HOUR)[minute % HOUR : minute % HOUR + stop - minute]
                minute = stop
        return joined(parts)

    def until(self, minute: int, at: int) -> Candle | None:
        """What had traded from `minute` up to and including the market time `at` (Unix milliseconds)."""
        return self.grown(self.span(minute, at // MINUTE_MS), minute, at)

    def grown(self, whole: Candle | None, minute: int, at: int) -> Candle | None:
        """`whole`, the candle of the minutes before `at`, with the trades of the minute around `at` added."""
        current = at // MINUTE_MS
        if current < max(minute, self.first):
            return whole
        part = self._trades(current).candle(at - current * MINUTE_MS)
        if whole is None or part is None:
            return part or whole
        return Candle(
            whole.open, max(whole.high, part.high), min(whole.low, part.low), part.close, whole.volume + part.volume
        )

    def last_close(self, minute: int) -> int | None:
        """The price of the last trade before `minute`, in ticks; None if there never was one."""
        while minute > self.first:
            start = max((minute - 1) // HOUR * HOUR, self.first)
            candle = self.span(start, minute)
            if candle is not None:
                return candle.close
            minute = start
        return None

    def hour(self, hour: int) -> Candle | None:
        """The candle of an hour (counted since 1970)."""
        if hour not in self._hours:
            self._hours[hour] = joined(self._hour_minutes(hour))
        return self._hours[hour]

    def _day(self, day: int) -> Candle | None:
        if day not in self._days:
            self._days[day] = joined([self.hour(hour) for hour in range(day * 24, day * 24 + 24)])
        return self._days[day]

    def _hour_minutes(self, hour: int) -> list[Candle | None]:
        known = self._minutes.get(hour)
        if known is None:
            minutes = range(hour * HOUR, hour * HOUR + HOUR)
            known = [self._tape.candle(minute) if minute >= self.first else None for minute in minutes]
            self._minutes[hour] = known
            if len(self._minutes) > _REMEMBERED_HOURS:
                del self._minutes[next(iter(self._minutes))]
        return known

    def _trades(self, minute: int) -> Trades:
        if self._latest[0] != minute:
            self._latest = (minute, self._tape.trades(minute))
        return self._latest[1]
