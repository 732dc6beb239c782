"""Trade on paper where two moving averages cross: `python consumers/moving_average.py BTCUSDT 1m --fast 9 --slow 21`.

A bot that computes from closed candles: each is proven and none is missing, so the averages are right after any
restart. It starts with the candles that are kept, goes on with those that come, and trades on none that comes late.
"""

from __future__ import annotations

import argparse
import os
import signal
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from bridge.consumer import Freshness, Keys, Kline, Reader, connect, history

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6390/0")
KEYS = Keys(os.environ.get("BRIDGE_PREFIX", "bitmart"))


@dataclass
class Bot:
    """Holds one contract while the fast average is above the slow one."""

    fast: int
    slow: int
    fresh: Freshness
    closes: deque[Decimal] = field(default_factory=deque)
    bought_at: Decimal | None = None
    earned: Decimal = Decimal(0)

    def see(self, candle: Kline) -> None:
        """Take a candle into the averages. One that is lost has no price: the averages begin anew after it."""
        if candle.source == "lost":
            self.closes.clear()
            return
        self.closes.append(candle.decimal("close"))
        if len(self.closes) > self.slow:
            self.closes.popleft()

    def trade(self, candle: Kline) -> None:
        """Buy or sell one contract at the close, on paper, if the averages say so."""
        if len(self.closes) < self.slow or not self.fresh.accepts(candle):
            print(f"{candle.opened:%Y-%m-%d %H:%M} close {candle.close}: no trade", flush=True)
            return
        close = self.closes[-1]
        rising = self.average(self.fast) > self.average(self.slow)
        if rising and self.bought_at is None:
            self.bought_at = close
            print(f"{candle.opened:%Y-%m-%d %H:%M} buy at {close}", flush=True)
        elif not rising and self.bought_at is not None:
            self.earned += close - self.bought_at
            self.bought_at = None
            print(f"{candle.opened:%Y-%m-%d %H:%M} sell at {close}, earned {self.earned}", flush=True)

    def average(self, length: int) -> Decimal:
        """Return the mean of the last closes."""
        return sum(list(self.closes)[-length:], Decimal(0)) / length


def main() -> None:
    """Trade until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Trade on paper where two moving averages cross.")
    parser.add_argument("symbol")
    parser.add_argument("timeframe")
    parser.add_argument("--fast", type=int, default=9, help="candles in the fast average (9)")
    parser.add_argument("--slow", type=int, default=21, help="candles in the slow average (21)")
    parser.add_argument("--late", type=float, default=90, metavar="SECONDS", help="no trade on candles older (90)")
    chosen = parser.parse_args()
    for ending in (signal.SIGINT, signal.SIGPIPE):  # Ctrl-C and `| head` end this without a traceback.
        signal.signal(ending, signal.SIG_DFL)
    bot = Bot(chosen.fast, chosen.slow, Freshness(chosen.late))
    with connect(URL) as client:
        past = history(client, chosen.symbol, chosen.timeframe, chosen.slow, keys=KEYS)
        for candle in past:
            bot.see(candle)
        print(f"{len(past)} candles of the past", flush=True)
        after = f"{past[-1].open_time}-0" if past else "0-0"
        for entry in Reader(client, KEYS.closed_klines(chosen.symbol, chosen.timeframe), start=after):
            if isinstance(entry.record, Kline):
                bot.see(entry.record)
                bot.trade(entry.record)


if __name__ == "__main__":
    main()
