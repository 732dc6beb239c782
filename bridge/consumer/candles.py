"""Closed candles as a list or as a frame."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

from bridge.consumer.decoding import decode
from bridge.consumer.errors import ConsumerError, MissingPackageError
from bridge.consumer.records import Kline
from bridge.consumer.steps import Patience, Steps, ask, carry_out, carry_out_async
from bridge.store.keys import Keys
from bridge.timeframes import Timeframe

_FIGURES: Final = ("open", "high", "low", "close", "volume")


def history(client: Any, symbol: str, timeframe: str, n: int, *, keys: Keys | None = None) -> list[Kline]:  # noqa: ANN401 - any of redis-py's clients
    """Return the last `n` closed candles, oldest first; fewer where there are fewer.

    To go on from there, read the stream of closed candles from `f"{candles[-1].open_time}-0"`.

    Raises:
        UnknownTimeframeError: `timeframe` is none of the nine.
        ConsumerError: an entry can't be read.
    """
    return carry_out(client, _history((keys or Keys()).closed_klines(symbol, Timeframe.parse(timeframe)), n))


async def history_async(client: Any, symbol: str, timeframe: str, n: int, *, keys: Keys | None = None) -> list[Kline]:  # noqa: ANN401 - any of redis-py's asyncio clients
    """Return the same by a client for asyncio."""
    steps = _history((keys or Keys()).closed_klines(symbol, Timeframe.parse(timeframe)), n)
    return await carry_out_async(client, steps)


def as_pandas(candles: Sequence[Kline]) -> Any:  # noqa: ANN401 - pandas ships no types
    """Return candles as a pandas frame, indexed by the open as UTC timestamp; figures are floats, lost ones NaN.

    Raises:
        MissingPackageError: pandas isn't installed.
    """
    pandas = _package("pandas")
    index = pandas.to_datetime([candle.open_time for candle in candles], unit="ms", utc=True).rename("open_time")
    return pandas.DataFrame(_columns(candles), index=index)


def as_polars(candles: Sequence[Kline]) -> Any:  # noqa: ANN401 - may not be installed
    """Return candles as a polars frame, `open_time` as UTC timestamp; figures are floats, lost ones null.

    Raises:
        MissingPackageError: polars isn't installed.
    """
    polars = _package("polars")
    opens = polars.Series("open_time", [candle.open_time for candle in candles], dtype=polars.Int64)
    when = opens.cast(polars.Datetime("ms", "UTC"))
    schema = dict.fromkeys(_FIGURES, polars.Float64) | {"source": polars.String}
    return polars.DataFrame(_columns(candles), schema=schema).insert_column(0, when)


def _history(stream: str, n: int) -> Steps[list[Kline]]:
    entries: list[tuple[str, dict[str, str]]] = []
    if n > 0:
        entries = yield from Patience().through(lambda: _newest(stream, n))
    candles: list[Kline] = []
    for entry_id, fields in reversed(entries):
        record = decode(fields)
        if not isinstance(record, Kline):
            raise ConsumerError(f"{stream} {entry_id} is no candle: {getattr(record, 'reason', record)}")
        candles.append(record)
    return candles


def _newest(stream: str, n: int) -> Steps[list[tuple[str, dict[str, str]]]]:
    found: list[tuple[str, dict[str, str]]] = yield ask("xrevrange", stream, "+", "-", n)
    return found


def _columns(candles: Sequence[Kline]) -> dict[str, list[Any]]:
    figures = {name: [_number(getattr(candle, name)) for candle in candles] for name in _FIGURES}
    return figures | {"source": [candle.source for candle in candles]}


def _number(text: str) -> float | None:
    return float(text) if text else None


def _package(name: str) -> Any:  # noqa: ANN401 - a module
    try:
        return import_module(name)
    except ModuleNotFoundError:
        raise MissingPackageError(f"{name} is not installed: pip install {name}") from None
