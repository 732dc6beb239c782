"""BitMart's REST calls: what to ask for and how to read the answers.

A success is HTTP 200 *and* `code` 1000; errors of the contract service say `message`, the gateway's `msg` (wire).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Final, TypeVar

import msgspec

from bridge.errors import RestError, UnknownSymbolError
from bridge.exchanges.base import Call, Contract, ServerTime
from bridge.exchanges.bitmart.topics import kline_of
from bridge.exchanges.bitmart.wire import Candle, ContractsBody, KlineRow, KlineStamp, Reply, TimeBody
from bridge.records import Kline, Source
from bridge.timeframes import MINUTE_MS, Timeframe

T = TypeVar("T")

OK: Final = 1000
# The code of Symbol Not Exist (wire 2026-09).
_UNKNOWN_SYMBOL: Final = 40034
# 12 calls of a path in 2 s are allowed (docs); running exactly at that drew refusals (seen), so 10 are planned.
PUBLIC_PER_2S: Final = 10
# 500 rows is the most that a window may span, else it is refused with 40039; one of them is the overlap.
MOST_KLINES: Final = 498
CLOCK_RATE: Final = "x-simulator-clock-rate"
_LONGEST_CODE: Final = 9
_read_reply: Final = msgspec.json.Decoder(Reply).decode
_read_row: Final = msgspec.json.Decoder(KlineRow).decode
_read_stamp: Final = msgspec.json.Decoder(KlineStamp).decode
# msgspec's errors and broken UTF-8 are both ValueErrors; nesting without end is a RecursionError.
_UNREADABLE: Final = (ValueError, RecursionError)


def time_call() -> Call[ServerTime]:
    """`/system/time`: documented for the spot host, called on the futures host by others' clients."""
    return Call("/system/time", PUBLIC_PER_2S, _time)


def contracts_call() -> Call[list[Contract]]:
    """`/contract/public/details`: every contract ever listed, about 1 MB (wire 2026-09)."""
    return Call("/contract/public/details", PUBLIC_PER_2S, _contracts)


def klines_call(symbol: str, timeframe: Timeframe, first_ms: int, last_ms: int) -> Call[list[Kline]]:
    """`/contract/public/kline`: whether the start is inclusive is unknown, so it is asked for one period earlier."""
    step = timeframe.milliseconds
    params = {
        "symbol": symbol,
        "step": str(step // MINUTE_MS),
        "start_time": str((first_ms - step) // 1000),
        "end_time": str(last_ms // 1000),
    }
    return Call("/contract/public/kline", PUBLIC_PER_2S, partial(_klines, symbol, timeframe), params)


def _time(status: int, headers: Mapping[str, str], body: bytes) -> ServerTime:
    said = data_of(status, body, TimeBody)
    try:
        rate = float(headers.get(CLOCK_RATE, "1"))
    except ValueError:
        rate = 1.0
    return ServerTime(said.server_time, rate if 0 < rate < math.inf else 1.0)


def _contracts(status: int, _headers: Mapping[str, str], body: bytes) -> list[Contract]:
    rows = data_of(status, body, ContractsBody).symbols
    return [
        Contract(
            row.symbol,
            row.status == "Trading",
            idle=_is_zero(row.volume_24h),
            last_price=row.last_price,
            delisted_ms=max(0, row.delist_time) * 1000,
        )
        for row in rows
    ]


def _is_zero(volume: str) -> bool:
    return bool(volume) and not volume.strip("0.")


def _klines(symbol: str, timeframe: Timeframe, status: int, _headers: Mapping[str, str], body: bytes) -> list[Kline]:
    rows = data_of(status, body, list[msgspec.Raw])
    try:
        candles = [_candle(symbol, timeframe, row) for row in rows]
    except ValueError as wrong:
        raise RestError(f"HTTP {status} with unexpected data: {wrong}", status=status, code=OK) from None
    # Some saw the newest first, some last: the order is ours to make.
    return sorted(candles, key=lambda candle: candle.open_time)


def _candle(symbol: str, timeframe: Timeframe, raw: msgspec.Raw) -> Kline:
    """Read one row; of one that cannot be read, at least the time has to be known: its period is not absent."""
    try:
        row = _read_row(raw)
        candle = Candle(row.open_price, row.high_price, row.low_price, row.close_price, row.volume, row.timestamp)
        return kline_of(candle, symbol, timeframe, Source.REST, received_at=0)
    except ValueError:
        stamp = _read_stamp(raw).timestamp
        stand_in = kline_of(Candle("1", "1", "1", "1", "0", stamp), symbol, timeframe, Source.LOST, received_at=0)
        return msgspec.structs.replace(stand_in, open="", high="", low="", close="", volume="")


def data_of(status: int, body: bytes, shape: type[T], *, quoted: bool = False) -> T:
    """Return the data of a successful reply; with `quoted`, its numbers may stand in quotes.

    Raises:
        UnknownSymbolError: there is no such contract.
        RestError: it is no success either, or its data has not the shape.
    """
    try:
        reply = _read_reply(body)
    except _UNREADABLE:
        start = ascii(body[:80].decode(errors="replace"))
        raise RestError(f"HTTP {status} with a body that is not BitMart's: {start}", status=status) from None
    text = str(reply.code)
    code = int(text) if text.isdecimal() and len(text) <= _LONGEST_CODE else 0
    if status != 200 or code != OK:  # noqa: PLR2004 - HTTP's own number
        refusal = UnknownSymbolError if code == _UNKNOWN_SYMBOL else RestError
        raise refusal(f"HTTP {status}, code {code}: {reply.message or reply.msg}", status=status, code=code)
    try:
        return msgspec.json.decode(reply.data, type=shape, strict=not quoted)
    except _UNREADABLE as wrong:
        raise RestError(f"HTTP {status} with unexpected data: {wrong}", status=status, code=code) from None
