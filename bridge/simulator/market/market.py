"""The market: every contract's candles, as of any market time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from bridge.simulator.market.chart import Chart
from bridge.simulator.market.contracts import Life, listing
from bridge.simulator.market.tape import Tape
from bridge.simulator.timeframes import BY_NAME, DAY, HOUR, MINUTE_MS, TIMEFRAMES, WEEK, opening

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.simulator.clock import MarketClock
    from bridge.simulator.market.candles import Candle
    from bridge.simulator.scenario import Scenario

CandleFact = dict[str, str | int | None]


class Market:
    """All contracts with their charts."""

    def __init__(self, scenario: Scenario, clock: MarketClock) -> None:
        """List the contracts; their history begins `history_s` before the clock's start.

        Args:
            scenario: Which contracts, and how far back.
            clock: Tells market time.
        """
        self.contracts = listing(scenario)
        self.clock = clock
        self.start = clock.start
        self._week_starts_on = scenario.week_starts_on
        first = (self.start - scenario.history_s * 1000) // MINUTE_MS // HOUR * HOUR
        self.charts = {
            symbol: Chart(Tape(scenario.seed, contract), first) for symbol, contract in self.contracts.items()
        }
        self._cold = deque(self._hours_by_age(first))

    def tradable(self, symbol: str) -> bool:
        """Whether a contract of this name exists and is not delisted."""
        contract = self.contracts.get(symbol)
        return contract is not None and contract.life is not Life.DELISTED

    def opening(self, at: int, minutes: int) -> int:
        """The minute (since 1970) at which the candle of `minutes` around the market time `at` opens."""
        return opening(at // MINUTE_MS, minutes, self._week_starts_on)

    def candle(self, symbol: str, minutes: int, minute: int, at: int) -> Candle | None:
        """The candle of `minutes` that opens at `minute`, as it stood at market time `at`; None while empty."""
        chart = self.charts[symbol]
        if at >= (minute + minutes) * MINUTE_MS:
            return chart.span(minute, minute + minutes)
        return chart.until(minute, at)

    def last_price(self, symbol: str, at: int) -> int:
        """The price of the last trade at market time `at`, in ticks; of a contract without trades, its level."""
        chart = self.charts[symbol]
        current = at // MINUTE_MS
        candle = chart.until(current, at)
        price = candle.close if candle else chart.last_close(current)
        return self.contracts[symbol].price if price is None else price

    def fact(self, symbol: str, timeframe: str, minute: int, candle: Candle | None) -> CandleFact:
        """A candle as a ledger fact. An empty one repeats the last close before it and has volume "0"."""
        contract = self.contracts[symbol]
        if candle is None:
            close = self.charts[symbol].last_close(minute)
            prices = [None if close is None else contract.text(close)] * 4
        else:
            prices = [contract.text(price) for price in (candle.open, candle.high, candle.low, candle.close)]
        return {
            "fact": "candle",
            "symbol": symbol,
            "timeframe": timeframe,
            "open_time": minute * MINUTE_MS,
            "open": prices[0],
            "high": prices[1],
            "low": prices[2],
            "close": prices[3],
            "volume": str(candle.volume) if candle else "0",
        }

    def truth(self, symbol: str, timeframe: str, start: int, end: int) -> Iterator[CandleFact]:
        """Yield every candle of a window as a fact, history and empty periods included.

        Args:
            symbol: A listed contract.
            timeframe: A ledger name, "1m" to "1w".
            start: Unix milliseconds; the candle that opens at or after it comes first.
            end: Unix milliseconds; the last candle opens before it. Candles the market has not finished yet are
                given as they will be once they are: the story is fixed.
        """
        minutes = BY_NAME[timeframe].minutes
        oldest = self.opening(self.charts[symbol].first * MINUTE_MS, minutes)
        minute = max(oldest, self.opening(start + minutes * MINUTE_MS - 1, minutes))
        while minute * MINUTE_MS < end:
            candle = self.charts[symbol].span(minute, minute + minutes)
            yield self.fact(symbol, timeframe, minute, candle)
            minute += minutes

    def closing(self, minute: int) -> Iterator[CandleFact]:
        """Yield the candles, of all contracts and timeframes, that ended when `minute` began; empty ones not."""
        for timeframe in TIMEFRAMES:
            length = timeframe.minutes
            if opening(minute, length, self._week_starts_on) != minute:
                continue
            for symbol, chart in self.charts.items():
                candle = chart.span(minute - length, minute)
                if candle is not None:
                    yield self.fact(symbol, timeframe.name, minute - length, candle)

    def warm(self) -> None:
        """Add up one more hour of the past, so that a week's candle or a day's volume never has to all at once."""
        if self._cold:
            symbol, hour = self._cold.popleft()
            self.charts[symbol].hour(hour)

    def _hours_by_age(self, first: int) -> Iterator[tuple[str, int]]:
        lively = [symbol for symbol, contract in self.contracts.items() if contract.life in (Life.ACTIVE, Life.SPARSE)]
        """The past hours that the current week and the last 24 hours are made of, newest first."""
        now = self.start // MINUTE_MS
        oldest = max(first, min(self.opening(self.start, WEEK), now - DAY))
        for hour in range(now // HOUR - 1, oldest // HOUR, -1):
            for symbol in lively:
                yield symbol, hour
