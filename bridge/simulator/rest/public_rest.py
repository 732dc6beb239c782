"""The public REST endpoints: candles, contracts, time and service status."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from bridge.simulator.market.contracts import Life
from bridge.simulator.replies import RefusalError, ok
from bridge.simulator.timeframes import DAY, MINUTE_MS, REST_STEPS
from bridge.simulator.trading.orders import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bridge.simulator.faults import Faults
    from bridge.simulator.market.candles import Candle
    from bridge.simulator.market.contracts import Contract
    from bridge.simulator.market.market import Market
    from bridge.simulator.replies import Reply
    from bridge.simulator.sockets.delivery import Frame

Query = dict[str, str]

_MOST_ROWS = 500
_MINUTE_S = 60
_HOUR_MS = 3_600_000
_FUNDING_HOURS = 8


@dataclass(slots=True)
class PublicRest:
    """Answers the public requests from the market."""

    market: Market
    faults: Faults
    _details: dict[str, tuple[int, Frame]] = field(default_factory=dict)

    async def kline(self, query: Query) -> Reply:
        """Candles, oldest first, the forming one included.

        Both bounds are inclusive, empty periods are left out, and a window of more than 500 candles is refused. Of
        these only the refusal was observed (by one client); the others are unknown on the wire: our choice.
        """
        symbol = query.get("symbol", "")
        if not self._knows(symbol):
            raise RefusalError(400, 40034, "Symbol Not Exist")  # observed on the wire 2026-09
        step = query.get("step", "1")
        if not step.isdecimal() or int(step) not in REST_STEPS:
            raise RefusalError(400, 40038, "Invalid K-Line Step")  # observed on the wire 2026-09
        minutes = self._openings(query, int(step))
        rows = list(self._rows(symbol, int(step), minutes))
        return ok(rows[::-1] if self.faults.rest_descending else rows)

    async def details(self, query: Query) -> Reply:
        """One contract or all of them, delisted ones included; pauses between them, as each adds up a day."""
        symbol = query.get("symbol")
        if symbol is not None and not self._knows(symbol):
            raise RefusalError(400, 40012, "SYMBOL_NOT_EXIST")  # observed on the wire 2026-09
        every = [self.market.contracts[symbol]] if symbol else self.market.contracts.values()
        contracts = [contract for contract in every if self._knows(contract.symbol)]
        rows = []
        for contract in contracts:
            rows.append(self._contract(contract))
            await asyncio.sleep(0)
        return ok({"symbols": rows})

    def _knows(self, symbol: str) -> bool:
        return symbol in self.market.contracts and symbol not in self.faults.rest_unknown

    async def time(self, _: Query) -> Reply:
        """Market time; the header tells that it may run faster than the host's."""
        reply = ok({"server_time": self.market.clock.now()}, "OK")
        reply.headers["X-Simulator-Clock-Rate"] = f"{self.market.clock.rate:g}"
        return reply

    async def service(self, _: Query) -> Reply:
        """Maintenance windows; status "2" is over, "1" is going on (documented)."""
        now = self.market.clock.now()
        start = now - MINUTE_MS if self.faults.maintenance else now - DAY * MINUTE_MS
        window: Frame = {
            "title": "Contract API Stop",
            "service_type": "contract",
            "status": "1" if self.faults.maintenance else "2",
            "start_time": start,
            "end_time": start + 6 * MINUTE_MS,
        }
        return ok({"service": [window]}, "OK")

    def _openings(self, query: Query, step: int) -> range:
        """The minutes (since 1970) at which the wanted candles open."""
        start, end = _seconds(query, "start_time"), _seconds(query, "end_time")
        if start > end:
            raise RefusalError(400, 40039, "Invalid timestamp")
        start += self.faults.rest_start_exclusive
        first = self.market.opening((start * 1000) + step * MINUTE_MS - 1, step)
        openings = range(first, end // _MINUTE_S + 1, step)
        if len(openings) > _MOST_ROWS and not self.faults.rest_truncate:
            raise RefusalError(400, 40039, "Invalid timestamp")
        return openings[:_MOST_ROWS]

    def _rows(self, symbol: str, step: int, openings: range) -> Iterator[Frame]:
        at = self.market.clock.now() - int(self.faults.rest_early * 1000)
        contract, chart = self.market.contracts[symbol], self.market.charts[symbol]
        for minute in openings:
            if minute * MINUTE_MS > at:
                return
            candle = self.market.candle(symbol, step, minute, at)
            if candle is not None:
                yield self._row(contract, minute, candle)
            elif self.faults.rest_empty_rows and (close := chart.last_close(minute)) is not None:
                yield self._row(contract, minute, candle, close)

    def _row(self, contract: Contract, minute: int, candle: Candle | None, flat: int = 0) -> Frame:
        first, high, low, close, volume = candle or (flat, flat, flat, flat, 0)
        if self.faults.rest_odd_bounds:
            close = high + 1
        return {
            "timestamp": minute * _MINUTE_S,
            "open_price": contract.text(first),
            "close_price": contract.text(close),
            "high_price": contract.text(high),
            "low_price": contract.text(low),
            "volume": str(volume),
        }

    def _contract(self, contract: Contract) -> Frame:
        """A row of the details; refreshed about every 2 s (observed on the wire 2026-09), in market time."""
        now = self.market.clock.now()
        at, row = self._details.get(contract.symbol, (0, {}))
        if now - at > 2 * 1000:
            row = _details_row(contract, self.market, now)
            self._details[contract.symbol] = (now, row)
        return row


def _details_row(contract: Contract, market: Market, now: int) -> Frame:
    """Members and types as documented, funding_time and tradfi_info as seen on the wire.

    Prices and the volume of the last 24 hours are true; interest and funding are invented.
    """
    day = market.charts[contract.symbol].until(now // MINUTE_MS - DAY + 1, now)
    last = market.last_price(contract.symbol, now)
    volume = day.volume if day else 0
    coins = Decimal(contract.size)
    funding = _FUNDING_HOURS * _HOUR_MS
    return {
        "symbol": contract.symbol,
        "product_type": 1,
        "open_timestamp": 1_594_080_000_123,
        "expire_timestamp": 0,
        "settle_timestamp": 0,
        "base_currency": contract.base,
        "quote_currency": "USDT",
        "last_price": contract.text(last),
        "volume_24h": str(volume),
        "turnover_24h": plain(volume * coins * Decimal(contract.text(last))),
        "index_price": contract.text(last),
        "index_name": contract.symbol,
        "contract_size": contract.size,
        "min_leverage": "1",
        "max_leverage": "100",
        "price_precision": contract.tick,
        "vol_precision": "1",
        "max_volume": "500000",
        "market_max_volume": "500000",
        "min_volume": "1",
        "funding_rate": "0.0001",
        "expected_funding_rate": "0.00011",
        "open_interest": "4134180",
        "open_interest_value": plain(4_134_180 * coins * Decimal(contract.text(last))),
        "high_24h": contract.text(day.high if day else last),
        "low_24h": contract.text(day.low if day else last),
        "change_24h": _change(day),
        "funding_interval_hours": _FUNDING_HOURS,
        "funding_time": (now // funding + 1) * funding,
        "status": "Delisted" if contract.life is Life.DELISTED else "Trading",
        "delist_time": contract.delist_time,
        "tradfi_info": {},
    }


def _change(day: Candle | None) -> str:
    """How far a day's candle rose, as a ratio with four decimals."""
    ratio = Decimal(day.close - day.open) / day.open if day else Decimal(0)
    return plain(ratio.quantize(Decimal("0.0001")))


def _seconds(query: Mapping[str, str], name: str) -> int:
    text = query.get(name, "")
    if not text.isdecimal():
        raise RefusalError(400, 40039, "Invalid timestamp")
    return int(text)
