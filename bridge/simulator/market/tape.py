"""The trades of one contract, minute by minute, each minute a function of seed, symbol and time alone.

That makes every moment of the story reachable without playing what came before it: yesterday's candle costs as much as
the current one, a restarted market goes on as if nothing had happened, and two simulators agree.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from hashlib import shake_128
from itertools import accumulate
from operator import add
from typing import TYPE_CHECKING

from bridge.simulator.market.candles import Candle
from bridge.simulator.market.contracts import Life
from bridge.simulator.timeframes import MINUTE_MS

if TYPE_CHECKING:
    from bridge.simulator.market.contracts import Contract

_MOST_TRADES = 32
_LEAST_TRADES = 16
_SPARSE_TRADES = 4
_SPARSE_LUCK = 90  # of 256: a sparse contract trades in about one minute of three

# The level a price wanders around: waves of 2**shift minutes, each up to price // share high.
_WAVES = ((4, 1000), (8, 125), (12, 25))


@dataclass(frozen=True, slots=True)
class Trades:
    """The trades of one minute, and what they had added up to after each.

    Attributes:
        times: Milliseconds since the minute opened, ascending.
        prices: In ticks.
        highs: The highest price up to and including this trade.
        lows: The lowest price so far.
        volumes: Contracts traded so far.
    """

    times: list[int]
    prices: list[int]
    highs: list[int]
    lows: list[int]
    volumes: list[int]

    def candle(self, until: int) -> Candle | None:
        """What had traded `until` milliseconds after the minute opened."""
        last = bisect_right(self.times, until) - 1
        if last < 0:
            return None
        return Candle(self.prices[0], self.highs[last], self.lows[last], self.prices[last], self.volumes[last])


class Tape:
    """All trades of one contract, at any time."""

    def __init__(self, seed: int, contract: Contract) -> None:
        """Prepare the dice of one contract.

        Args:
            seed: The scenario's seed.
            contract: Whose trades these are.
        """
        self._life = contract.life
        self._price = contract.price
        self._name = f"{seed}:{contract.symbol}:".encode()
        steepest = max(2, contract.price // 4000)
        # The third power makes small steps and sizes common, large ones rare.
        self._steps = tuple((2 * byte - 255) ** 3 * steepest // 255**3 for byte in range(256))
        self._sizes = tuple(1 + byte**3 * 900 // 255**3 for byte in range(256))
        self._crests: dict[tuple[int, int], int] = {}

    def candle(self, minute: int) -> Candle | None:
        """The final candle of a minute (counted since 1970)."""
        if self._life in (Life.DEAD, Life.DELISTED):
            return None
        dice = self._dice(minute)
        count = self._count(dice)
        if not count:
            return None
        prices = self._prices(minute, dice, count)
        sizes = map(self._sizes.__getitem__, dice[48 : 48 + count])
        return Candle(prices[0], max(prices), min(prices), prices[-1], sum(sizes))

    def trades(self, minute: int) -> Trades:
        """The trades of a minute (counted since 1970); they add up to its `candle`."""
        dice = self._dice(minute)
        count = self._count(dice)
        prices = self._prices(minute, dice, count)
        sizes = map(self._sizes.__getitem__, dice[48 : 48 + count])
        pace = MINUTE_MS // max(count, 1)
        times = [place * pace + dice[80 + place] * pace // 256 for place in range(count)]
        return Trades(
            times, prices, list(accumulate(prices, max)), list(accumulate(prices, min)), list(accumulate(sizes, add))
        )

    def _dice(self, minute: int) -> bytes:
        """Random bytes: 0 and 1 for the number of trades, from 16 the steps, from 48 the sizes, from 80 the times."""
        return shake_128(self._name + minute.to_bytes(8, "big")).digest(112)

    def _count(self, dice: bytes) -> int:
        if self._life is Life.ACTIVE:
            return _LEAST_TRADES + dice[0] * (_MOST_TRADES - _LEAST_TRADES) // 255
        if self._life is Life.SPARSE and dice[0] < _SPARSE_LUCK:
            return 1 + dice[1] % _SPARSE_TRADES
        return 0

    def _prices(self, minute: int, dice: bytes, count: int) -> list[int]:
        if not count:
            return []
        steps = map(self._steps.__getitem__, dice[17 : 16 + count])
        return list(accumulate(steps, add, initial=self._level(minute)))

    def _level(self, minute: int) -> int:
        level = self._price
        for shift, share in _WAVES:
            place = minute >> shift
            left = self._crest(shift, place)
            slope = self._crest(shift, place + 1) - left
            height = (left << shift) + slope * (minute - (place << shift))
            level += height * (self._price // share) >> (shift + 15)
        return level

    def _crest(self, shift: int, place: int) -> int:
        """The height of a wave at one of its ends, between -2**15 and 2**15."""
        crest = self._crests.get((shift, place))
        if crest is None:
            dice = shake_128(self._name + b"wave" + shift.to_bytes(1, "big") + place.to_bytes(8, "big")).digest(2)
            crest = self._crests[shift, place] = int.from_bytes(dice, "big") - 2**15
        return crest
