"""Candles that are over: how each follows the one before it, and what was asked for to prove it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

import msgspec

from bridge.records import Kline, Source
from bridge.timeframes import Timeframe


class How(StrEnum):
    """How a closed candle follows the one before it in the stream."""

    NEXT = "next"
    START = "start"
    JUMP = "jump"


@dataclass(frozen=True, slots=True)
class Closed:
    """A candle proven, and how it follows the one before."""

    kline: Kline
    how: How = How.NEXT


@dataclass(frozen=True, slots=True)
class Window:
    """What to ask for, and how the first candle found there follows what is written.

    Attributes:
        timeframe: which candles: the series' own, or longer ones.
        first: the open of the first.
        last: the open of the last, which proves nothing itself: no source says whether replies include it.
        how: `next`, or how the stream begins or goes on.
        after: the open of the last candle written when this was decided.
    """

    timeframe: Timeframe
    first: int
    last: int
    how: How = How.NEXT
    after: int | None = None


def traded(row: Kline) -> bool:
    """Tell whether anything was traded."""
    return bool(Decimal(row.volume))


def named(row: Kline) -> Kline:
    """Return REST's row under the name of its source: one without volume says that nothing was traded."""
    return row if traded(row) else msgspec.structs.replace(row, source=Source.EMPTY.value)


def empty(symbol: str, timeframe: Timeframe, opened: int, price: str) -> Kline:
    """Return the candle of a period in which nothing was traded, after one that closed at `price`."""
    return Kline(
        symbol=symbol,
        timeframe=timeframe.value,
        open_time=opened,
        close_time=opened + timeframe.milliseconds - 1,
        open=price,
        high=price,
        low=price,
        close=price,
        volume="0",
        closed=1,
        source=Source.EMPTY.value,
        received_at=0,
    )
