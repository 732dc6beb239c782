"""Candles, answers of REST, and series that are told them: what the rules of closed candles are tried on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from bridge.ingest.candles.closed import Closed, Window
from bridge.ingest.candles.series import Series
from bridge.records import Kline, Source
from bridge.timeframes import Timeframe

M: Final = 60_000
S: Final = 1_000
# 2026-09-23 00:00 UTC, a Wednesday.
DAWN: Final = 1_790_121_600_000
MOST: Final = 498
TIMEOUT_MS: Final = 120_000
Cells = list[tuple[int, str]]


def row(period: int, timeframe: Timeframe = Timeframe.M1, **changes: Any) -> Kline:  # noqa: ANN401 - fields of a kline
    """REST's candle that opens so many periods after dawn; its close tells it from all others."""
    open_time = DAWN + period * timeframe.milliseconds
    made = Kline(
        symbol="BTCUSDT",
        timeframe=timeframe.value,
        open_time=open_time,
        close_time=timeframe.last_ms(open_time),
        open="10",
        high="99999",
        low="1",
        close=str(1_000 + period),
        volume="5",
        closed=0,
        source=Source.REST.value,
        received_at=0,
    )
    return msgspec.structs.replace(made, **changes)


def shown(period: int, **changes: Any) -> Kline:  # noqa: ANN401 - as above
    """What the socket shows of that candle."""
    return msgspec.structs.replace(row(period, source="ws"), **changes)


def rows(*periods: int, timeframe: Timeframe = Timeframe.M1) -> list[Kline]:
    return [row(period, timeframe) for period in periods]


def made(
    tail: int | Kline | None = 0,
    *,
    timeframe: Timeframe = Timeframe.M1,
    now: int = 1,
    cap: int = 1_440,
    seed: int = 498,
    since: int | None = None,
) -> Series:
    """A series whose stream ends with that period; `since` is the period at whose open the socket became active."""
    length = timeframe.milliseconds
    series = Series("BTCUSDT", timeframe, now_ms=DAWN + now * length, seed=seed, cap=cap, timeout_ms=TIMEOUT_MS)
    series.resume(row(tail, timeframe, closed=1) if isinstance(tail, int) else tail)
    if since is not None:
        series.listening(DAWN + since * length)
    return series


def at(period: int, seconds: float = 0, timeframe: Timeframe = Timeframe.M1) -> int:
    """So many seconds after the open of a period."""
    return DAWN + period * timeframe.milliseconds + int(seconds * 1000)


def prove(series: Series, replied: Sequence[Kline], sent_ms: int, now_ms: int | None = None, most: int = MOST) -> Cells:
    """Let the series ask and hear that; return the period and the source of what it proves."""
    window = series.window(sent_ms, most)
    return cells(series, series.prove(replied, window, sent_ms, sent_ms + 100 if now_ms is None else now_ms))


def answer(series: Series, market: Sequence[int], sent_ms: int, most: int = MOST) -> Cells:
    """The same, where REST answers as it should: the market traded in those periods of the series' own."""
    window = series.window(sent_ms, most)
    return cells(series, series.prove(honest(window, series, market), window, sent_ms, sent_ms + 100))


def honest(window: Window, series: Series, market: Sequence[int]) -> list[Kline]:
    own, length = series.timeframe.milliseconds, window.timeframe.milliseconds
    opens = sorted({(at(0) + period * own) // length * length for period in market})
    return [
        row(0, window.timeframe, open_time=opened, close=str(1_000 + (opened - DAWN) // own))
        for opened in opens
        if window.first - length <= opened <= window.last
    ]


def cells(series: Series, closed: Sequence[Closed]) -> Cells:
    length = series.timeframe.milliseconds
    return [((each.kline.open_time - DAWN) // length, each.kline.source) for each in closed]


def asked(window: Window) -> tuple[int, int]:
    length = window.timeframe.milliseconds
    return (window.first - DAWN) // length, (window.last - DAWN) // length


def proven(series: Series, rows: Sequence[Kline], now_ms: int) -> list[Kline]:
    """What a reply proves."""
    window = series.window(now_ms, MOST)
    return [closed.kline for closed in series.prove(rows, window, now_ms, now_ms)]
