"""The small contract: all that the house outside `exchanges` knows of an exchange.

An exchange names topics, holds conversations (`Session`, one per connection, sans I/O) and describes REST calls
(`Call`). Whoever owns the sockets feeds frames in and sends what comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from bridge.records import Fill, Kline, Order, Position, Record
from bridge.timeframes import Timeframe
from bridge.values import Secret

T = TypeVar("T")

EVERY_SYMBOL = "*"


class Channel(StrEnum):
    """What a topic carries."""

    KLINE = "kline"
    ORDER = "order"
    POSITION = "position"


@dataclass(frozen=True, slots=True)
class Topic:
    """One thing to subscribe to. `name` is the exchange's own; `symbol` may be `*`: every contract that trades."""

    name: str
    channel: Channel
    private: bool
    symbol: str = ""
    timeframe: Timeframe | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an account's owner was given; shown nowhere."""

    key: Secret
    secret: Secret
    memo: Secret


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The login was accepted."""


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """The login was refused, in the exchange's words; `passing` when it blames itself and not our credentials."""

    text: str
    passing: bool = False


class Action(StrEnum):
    """What a subscription request asks for."""

    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"


@dataclass(frozen=True, slots=True)
class Request:
    """A frame to send, and the topics that it asks for."""

    frame: str
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A topic's request was accepted."""

    action: Action
    topic: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A topic's request was refused, in the exchange's words."""

    action: Action
    topic: str
    text: str


@dataclass(frozen=True, slots=True)
class Pong:
    """Our ping was answered."""


@dataclass(frozen=True, slots=True)
class ServerError:
    """The exchange complained about something that belongs to no topic."""

    text: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """A frame, or a part of one, that could not be understood. `sample` is its beginning, safe to log."""

    reason: str
    sample: str


Notice = LoggedIn | LoginRefused | Acknowledged | Refused | Pong | ServerError | Malformed


class Session(Protocol):
    """One connection's conversation, sans I/O: frames to send come out, frames received go in."""

    def login(self, now_ms: int) -> str:
        """Return the frame that logs in, signed for exchange time `now_ms`."""

    def requests(self, action: Action, topics: Iterable[str]) -> list[Request]:
        """Return the frames that ask for `action` on all `topics`, each within the exchange's limits."""

    def ping(self) -> str:
        """Return the frame that the exchange answers with what `receive` reports as `Pong`."""

    def receive(self, frame: str | bytes, received_at: int) -> tuple[str, Sequence[Record | Notice]]:
        """Take one frame; return the topic whose data it brings, or nothing, and what it says in its order.

        Never raises: nonsense comes back as `Malformed`.

        Args:
            frame: the message's payload, text or binary.
            received_at: host time in UTC milliseconds, passed on into the records.
        """


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One REST call: what to ask for, how often its path may be called in two seconds, and how to read the answer.

    `read` takes status, headers (names in lower case) and body, and raises `RestError` for every answer that isn't a
    success: `UnknownSymbolError` for one that there is no such contract.
    """

    path: str
    per_2s: int
    read: Callable[[int, Mapping[str, str], bytes], T]
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class ServerTime:
    """The exchange's time in UTC milliseconds, and how many of its seconds pass in one of ours (simulators hurry)."""

    now_ms: int
    rate: float = 1.0


@dataclass(frozen=True, slots=True)
class Contract:
    """One thing the exchange lists.

    `idle` means that nothing at all was traded in the last 24 hours; `last_price` is empty before the first trade;
    `delisted_ms` is when it stopped trading, 0 if that is not said.
    """

    symbol: str
    trading: bool
    idle: bool = False
    last_price: str = ""
    delisted_ms: int = 0


class Exchange(Protocol):
    """One exchange: its addresses, its topics, its conversations, its REST calls."""

    @property
    def name(self) -> str:
        """The exchange's name."""

    @property
    def environment(self) -> str:
        """Which of its worlds the addresses point at: `live`, `demo`, `simulator` or `other`."""

    @property
    def public_uri(self) -> str:
        """The socket of market topics."""

    @property
    def private_uri(self) -> str:
        """The socket of account topics."""

    @property
    def rest_uri(self) -> str:
        """What the paths of calls are relative to."""

    @property
    def has_credentials(self) -> bool:
        """Whether private topics can be asked for."""

    @property
    def order_topic(self) -> str:
        """The topic of the account's orders and their fills."""

    @property
    def position_topic(self) -> str:
        """The topic of the account's positions."""

    def kline_topic(self, symbol: str, timeframe: Timeframe) -> str:
        """Return the topic of one symbol's candles; symbol `*` stands for every contract that trades."""

    def topic(self, name: str) -> Topic:
        """Read a topic's name.

        Raises:
            InvalidTopicError: the exchange has no such topic; the message says what was expected.
        """

    def session(self) -> Session:
        """Begin a conversation on a new connection."""

    def time_call(self) -> Call[ServerTime]:
        """Ask for the exchange's time."""

    def contracts_call(self) -> Call[list[Contract]]:
        """Ask what is listed."""

    @property
    def most_klines(self) -> int:
        """How many candles one call may ask for."""

    @property
    def most_rows(self) -> int:
        """How many rows a private call answers at most; as many as that may be too few."""

    @property
    def most_open_orders(self) -> int:
        """How many open orders one call answers at most."""

    def open_orders_call(self, symbol: str = "") -> Call[list[Order]]:
        """Ask for the account's unfinished orders, of one symbol or of all."""

    def plan_orders_call(self, symbol: str = "") -> Call[list[Order]]:
        """Ask for the account's orders that wait for a price, of one symbol or of all; as many at most."""

    def order_call(self, symbol: str, order_id: str) -> Call[Order | None]:
        """Ask for one order, whatever its state; `None` if the exchange does not know it."""

    def history_call(self, symbol: str, start_ms: int, end_ms: int, order_id: str = "") -> Call[list[Order]]:
        """Ask for one symbol's finished orders between two times, or for one of them."""

    def trades_call(self, start_ms: int, end_ms: int, order_id: str = "") -> Call[list[Fill]]:
        """Ask for the executions between two times, of one order or of all."""

    def positions_call(self, symbol: str = "") -> Call[list[Position]]:
        """Ask for the open positions, or for every slot of one symbol, flat ones included."""

    def klines_call(self, symbol: str, timeframe: Timeframe, first_ms: int, last_ms: int) -> Call[list[Kline]]:
        """Ask for the candles that open from `first_ms` to `last_ms`, both inclusive; the answer is in order of time.

        The candle still open may be among them, and every candle says `closed=0`: what is over is not theirs to say.
        `received_at` is 0, for the caller to fill in. A row that cannot be read but for its time says so by the source
        `lost`, and has no prices.
        """
