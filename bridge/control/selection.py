"""From what callers name (symbols, timeframes, the exchange's own topics) to topics: all of them, or an error."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bridge.control.answers import RefusedError
from bridge.control.bodies import Names, Replacement, Selection
from bridge.errors import InvalidTopicError, UnknownTimeframeError
from bridge.exchanges.base import EVERY_SYMBOL, Exchange
from bridge.timeframes import Timeframe

_MOST_NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class Candles:
    """The topics of some symbols' candles, and what to call them in a message."""

    topics: tuple[str, ...]
    words: str


def candles(exchange: Exchange, chosen: Selection, place: str = "") -> Candles:
    """Read symbols and timeframes.

    Args:
        exchange: whose topics they become.
        chosen: what the caller named.
        place: where in the body it stands, for errors.

    Raises:
        RefusedError: one of them is none, or there are none.
    """
    symbols = _symbols(chosen, place)
    frames = _timeframes(chosen.tfs, f"{place}tfs")
    topics = tuple(
        _known(exchange, exchange.kline_topic(symbol, frame), f"{place}{given}")
        for symbol, given in symbols.items()
        for frame in frames
    )
    every = EVERY_SYMBOL in symbols
    return Candles(
        topics, f"klines for {'every contract' if every else _listed(symbols)} with timeframes: {_listed(frames)}"
    )


def replacement(exchange: Exchange, body: Replacement) -> list[str]:
    """Read the whole of one owner's wishes.

    Raises:
        RefusedError: something of it is wrong, or it says nothing at all.
    """
    if (body.topics, body.klines, body.orders, body.positions) == (None, None, None, None):
        raise RefusedError(
            422, "say what is wanted: topics, klines, orders or positions; topics: [] for nothing", "topics"
        )
    topics = {_known(exchange, name, "topics") for name in body.topics or ()}
    for place, chosen in enumerate(body.klines or ()):
        topics.update(candles(exchange, chosen, f"klines[{place}].").topics)
    if body.orders:
        topics.add(exchange.order_topic)
    if body.positions:
        topics.add(exchange.position_topic)
    return sorted(topics)


def _symbols(chosen: Selection, place: str) -> dict[str, str]:
    """Return each symbol once, and the member that named it."""
    if chosen.symbol is None and chosen.symbols is None:
        raise RefusedError(422, "symbol is missing: one symbol, or symbols: a list of them or *", f"{place}symbol")
    named = {symbol.upper(): "symbols" for symbol in _list(chosen.symbols or [])}
    named |= {symbol.upper(): "symbol" for symbol in _list(chosen.symbol or [])}
    if not named:
        raise RefusedError(
            422, "expected at least one symbol", f"{place}{'symbol' if chosen.symbols is None else 'symbols'}"
        )
    return named


def _timeframes(given: Names, field: str) -> list[Timeframe]:
    try:
        frames = list(dict.fromkeys(Timeframe.parse(text) for text in _list(given)))
    except UnknownTimeframeError as wrong:
        raise RefusedError(422, str(wrong), field) from None
    if not frames:
        raise RefusedError(422, "expected at least one timeframe", field)
    return frames


def _known(exchange: Exchange, name: str, field: str) -> str:
    try:
        return exchange.topic(name).name
    except InvalidTopicError as wrong:
        raise RefusedError(422, str(wrong), field) from None


def _list(given: Names) -> list[str]:
    return [given] if isinstance(given, str) else given


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    more = len(known) - _MOST_NAMED
    return ", ".join(known[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
