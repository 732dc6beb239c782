"""How two statements about one candle compare. Pure."""

from __future__ import annotations

from decimal import Decimal

from bridge.records import Kline


def less(one: str, other: str) -> bool:
    """Tell whether `one` is the smaller number. Nearly all are spelled alike or far enough apart for floats to tell."""
    if one == other:
        return False
    if len(one) == len(other) and one.isdecimal() and other.isdecimal():
        return one < other  # whole numbers of as many digits, as volumes mostly are
    nearly_one, nearly_other = float(one), float(other)
    if nearly_one == nearly_other:
        return Decimal(one) < Decimal(other)
    return nearly_one < nearly_other  # rounding never turns an order around


def behind(row: Kline, shown: Kline) -> bool:
    """Tell whether `row` knows less of a period than `shown`: less volume, or a narrower range."""
    return less(row.volume, shown.volume) or less(row.high, shown.high) or less(shown.low, row.low)


def same(one: Kline, other: Kline) -> bool:
    """Tell whether both say the same figures, however they are spelled; an absent one counts as zero."""
    return all(Decimal(a or "0") == Decimal(b or "0") for a, b in zip(_figures(one), _figures(other), strict=True))


def _figures(kline: Kline) -> tuple[str, ...]:
    return (kline.open, kline.high, kline.low, kline.close, kline.volume)


def both(written: Kline, row: Kline | None) -> str:
    """Return both statements in words: what is written or was shown, and what REST says."""
    rest = " ".join(_figures(row)) if row else "no such candle"
    return f"{written.open_time} {written.source}: {' '.join(_figures(written))}; rest: {rest}"
