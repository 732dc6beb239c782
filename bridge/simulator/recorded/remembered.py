"""Candles as a replayed recording has shown them so far, and the REST answers that can be given from them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import msgspec

from bridge.simulator.replies import RefusalError, error, ok
from bridge.simulator.timeframes import opening
from bridge.simulator.topics import kline

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bridge.simulator.clock import MarketClock
    from bridge.simulator.recorded.recording import Heard
    from bridge.simulator.replies import Reply
    from bridge.simulator.sockets.delivery import Frame
    from bridge.simulator.stats import Stats

_MOST_ROWS = 500
_KEPT = 2_000


class _Item(msgspec.Struct):
    o: str
    h: str
    l: str  # noqa: E741 - the wire's name
    c: str
    v: str
    ts: int


class _Items(msgspec.Struct):
    items: list[_Item]


@dataclass(slots=True)
class Remembered:
    """The market of a recording: its symbols, its time, and each candle's last recorded state.

    Attributes:
        symbols: Whose candles were recorded.
        clock: The recording's time.
    """

    symbols: tuple[str, ...]
    clock: MarketClock
    _candles: dict[tuple[str, int], dict[int, _Item]] = field(default_factory=dict)

    @property
    def contracts(self) -> tuple[str, ...]:
        """The symbols that are listed."""
        return self.symbols

    def tradable(self, symbol: str) -> bool:
        """Whether there is anything of this symbol."""
        return symbol in self.symbols

    def learn(self, heard: Heard) -> None:
        """Take what a frame shows of its candles; what is none, or can't be read, teaches nothing."""
        topic = kline(heard.topic)
        if topic is None:
            return
        for item in _items(heard.data):
            minute = opening(item.ts // 60, topic.timeframe.minutes, "monday")
            candles = self._candles.setdefault((topic.symbol, topic.timeframe.minutes), {})
            candles[minute] = item
            if len(candles) > _KEPT:
                del candles[min(candles)]

    def rows(self, symbol: str, step: int, first_s: int, last_s: int) -> Iterator[Frame]:
        """Yield a symbol's candles that open between two times (Unix seconds, inclusive) as REST rows, oldest first."""
        candles = self._candles.get((symbol, step), {})
        for minute in sorted(candles):
            if first_s <= minute * 60 <= last_s:
                item = candles[minute]
                yield {
                    "timestamp": minute * 60,
                    "open_price": item.o,
                    "close_price": item.c,
                    "high_price": item.h,
                    "low_price": item.l,
                    "volume": item.v,
                }

    def last_price(self, symbol: str) -> str:
        """The close of the symbol's newest candle; "0" before there is one."""
        newest = [max(candles.items()) for (name, _), candles in self._candles.items() if name == symbol]
        return max(newest)[1].c if newest else "0"


class RememberedRest:
    """Answers what can be known from a recording. The account can't: its paths are out of service."""

    def __init__(self, market: Remembered, stats: Stats) -> None:
        """Answer from `market`, and count requests and replies in `stats`."""
        self._market = market
        self._stats = stats

    async def answer(self, target: str, _headers: Mapping[str, str], _address: str) -> Reply:
        """The reply to a request; the first one starts the recording's time."""
        self._market.clock.begin()
        url = urlsplit(target)
        self._stats.requests[url.path] += 1
        try:
            reply = self._reply(url.path, dict(parse_qsl(url.query)))
        except RefusalError as refusal:
            reply = error(refusal, gateway_message=False)
        self._stats.statuses[reply.status] += 1
        return reply

    def _reply(self, path: str, query: Mapping[str, str]) -> Reply:
        match path:
            case "/system/time":
                reply = ok({"server_time": self._market.clock.now()}, "OK")
                reply.headers["X-Simulator-Clock-Rate"] = f"{self._market.clock.rate:g}"
                return reply
            case "/contract/public/details":
                return ok({"symbols": [self._details(symbol) for symbol in self._market.symbols]})
            case "/contract/public/kline":
                return ok(list(self._klines(query)))
        if path.startswith("/contract/private/"):
            raise RefusalError(503, 30014, "Service unavailable")
        raise RefusalError(404, 30000, "Not found")

    def _klines(self, query: Mapping[str, str]) -> Iterator[Frame]:
        symbol, step = query.get("symbol", ""), query.get("step", "1")
        start, end = query.get("start_time", ""), query.get("end_time", "")
        if not self._market.tradable(symbol):
            raise RefusalError(400, 40034, "Symbol Not Exist")
        if not step.isdecimal():
            raise RefusalError(400, 40038, "Invalid K-Line Step")
        within = start.isdecimal() and end.isdecimal() and int(start) <= int(end)
        if not within or (int(end) - int(start)) // (int(step) * 60) >= _MOST_ROWS:
            raise RefusalError(400, 40039, "Invalid timestamp")
        return self._market.rows(symbol, int(step), int(start), int(end))

    def _details(self, symbol: str) -> Frame:
        # Volume unknown, so no contract may be taken for one that does not trade.
        return {
            "symbol": symbol,
            "last_price": self._market.last_price(symbol),
            "volume_24h": "1",
            "status": "Trading",
            "delist_time": 0,
        }


def _items(data: bytes) -> list[_Item]:
    """What a frame's data says of candles, in the shape of `items` or the flat one."""
    with suppress(msgspec.MsgspecError):
        return msgspec.json.decode(data, type=_Items).items
    with suppress(msgspec.MsgspecError):
        return [msgspec.json.decode(data, type=_Item)]
    return []
