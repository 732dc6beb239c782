"""BitMart as the rest of the house sees it."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from bridge.errors import ProtocolError
from bridge.exchanges.base import Call, Contract, Credentials, ServerTime, Topic
from bridge.exchanges.bitmart import account, plans, rest, topics
from bridge.exchanges.bitmart.session import BitMartSession
from bridge.records import Fill, Kline, Order, Position
from bridge.timeframes import Timeframe

_LIVE: Final = "api-cloud-v2.bitmart.com"
_DEMO: Final = "demo-api-cloud-v2.bitmart.com"
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class BitMart:
    """BitMart futures V2, at the addresses given."""

    name = "bitmart"
    order_topic = topics.ORDER_TOPIC
    position_topic = topics.POSITION_TOPIC
    most_klines = rest.MOST_KLINES
    most_rows = account.MOST_ROWS
    most_open_orders = account.MOST_OPEN

    def __init__(
        self, *, public_uri: str, private_uri: str, rest_uri: str, credentials: Credentials | None, batch: int
    ) -> None:
        """Take the three addresses, the account's credentials if there are any, and the most topics in one frame."""
        self.public_uri = public_uri
        self.private_uri = private_uri
        self.rest_uri = rest_uri
        self._credentials = credentials
        self._batch = batch

    @property
    def environment(self) -> str:
        """`live` or `demo` by BitMart's own host names, `simulator` on this machine, else `other`."""
        host = urlsplit(self.rest_uri).hostname
        if host in _LOOPBACK:
            return "simulator"
        return {_LIVE: "live", _DEMO: "demo"}.get(host or "", "other")

    @property
    def has_credentials(self) -> bool:
        """Whether private topics can be asked for."""
        return self._credentials is not None

    def kline_topic(self, symbol: str, timeframe: Timeframe) -> str:
        """Return the topic of one symbol's candles."""
        return f"{topics.KLINE_PREFIX}{topics.INTERVALS[timeframe]}:{symbol}"

    def topic(self, name: str) -> Topic:
        """Read a topic's name; raises `InvalidTopicError`."""
        return topics.parse(name)

    def session(self) -> BitMartSession:
        """Begin a conversation on a new connection."""
        return BitMartSession(self._credentials, self._batch)

    def time_call(self) -> Call[ServerTime]:
        """Ask for BitMart's time."""
        return rest.time_call()

    def contracts_call(self) -> Call[list[Contract]]:
        """Ask what BitMart lists."""
        return rest.contracts_call()

    def open_orders_call(self, symbol: str = "") -> Call[list[Order]]:
        """Ask for the unfinished orders."""
        return account.open_orders_call(self._account(), symbol)

    def plan_orders_call(self, symbol: str = "") -> Call[list[Order]]:
        """Ask for the orders that wait for a price."""
        return plans.plan_orders_call(self._account(), symbol)

    def order_call(self, symbol: str, order_id: str) -> Call[Order | None]:
        """Ask for one order."""
        return account.order_call(self._account(), symbol, order_id)

    def history_call(self, symbol: str, start_ms: int, end_ms: int, order_id: str = "") -> Call[list[Order]]:
        """Ask for finished orders."""
        return account.history_call(self._account(), symbol, start_ms, end_ms, order_id)

    def trades_call(self, start_ms: int, end_ms: int, order_id: str = "") -> Call[list[Fill]]:
        """Ask for executions."""
        return account.trades_call(self._account(), start_ms, end_ms, order_id)

    def positions_call(self, symbol: str = "") -> Call[list[Position]]:
        """Ask for positions."""
        return account.positions_call(self._account(), symbol)

    def _account(self) -> Credentials:
        if self._credentials is None:
            raise ProtocolError("private calls need credentials")
        return self._credentials

    def klines_call(self, symbol: str, timeframe: Timeframe, first_ms: int, last_ms: int) -> Call[list[Kline]]:
        """Ask for candles."""
        return rest.klines_call(symbol, timeframe, first_ms, last_ms)
