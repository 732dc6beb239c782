"""What the exchange answers to a message of a client."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

import msgspec

from bridge.simulator.topics import is_private, is_public

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bridge.simulator.clock import MarketClock
    from bridge.simulator.faults import Faults
    from bridge.simulator.scenario import Scenario
    from bridge.simulator.sockets.delivery import Frame
    from bridge.simulator.sockets.sockets import Socket, Sockets
    from bridge.simulator.stats import Stats

_LOGIN_WINDOW_MS = 60_000  # documented
_LOGIN_ARGS = 4
_SHOWN_KEY = 10  # characters of the key in a failure's text, as in the documented sample


class Request(msgspec.Struct):
    """A client's message. The keys are read whatever their case, as one official client sends them in capitals."""

    action: str = ""
    args: list[str] = []


class Listed(Protocol):
    """What a conversation needs to know of a market, invented or recorded."""

    @property
    def clock(self) -> MarketClock:
        """Market time."""

    @property
    def contracts(self) -> Iterable[str]:
        """The symbols that are listed."""

    def tradable(self, symbol: str) -> bool:
        """Whether a symbol has topics."""


class Dialogue:
    """Answers messages, and keeps what they change: login and held topics of a socket."""

    def __init__(
        self,
        scenario: Scenario,
        faults: Faults,
        market: Listed,
        sockets: Sockets,
        stats: Stats,
        *,
        on_hold: Callable[[Socket, str], None],
    ) -> None:
        """Take what answers depend on.

        Args:
            scenario: The account's credentials.
            faults: Looked at for every message.
            market: Its symbols exist; its clock checks the login's timestamp.
            sockets: Who holds what.
            stats: Counts logins and pings.
            on_hold: Called after a socket newly holds a topic and its acknowledgement was taken.
        """
        self._scenario = scenario
        self._faults = faults
        self._market = market
        self._sockets = sockets
        self._stats = stats
        self._on_hold = on_hold
        self._symbols = frozenset(filter(market.tradable, market.contracts))

    def answers(self, socket: Socket, message: str | bytes) -> Iterator[Frame | str]:
        """Yield the answers to a message, in order; a topic is held from after its acknowledgement was taken."""
        text = message if isinstance(message, str) else message.decode(errors="replace")
        if text == "ping" and self._faults.pong_text:
            yield "pong"
            return
        request = _parsed(text)
        if request is None:
            # Observed on the wire 2026-09 for the text "ping"; the socket stays open.
            yield {"success": False, "error": f"Invalid message: message must be JSON: {text}"}
            return
        yield from self._acted(socket, request)

    def _acted(self, socket: Socket, request: Request) -> Iterator[Frame | str]:
        match request.action:
            case "ping":
                yield from self._pong()
            case "access":
                yield from self._login(socket, request.args)
            case "subscribe":
                for topic in request.args:
                    yield from self._subscribe(socket, topic, request)
            case "unsubscribe":
                for topic in request.args:
                    yield from self._unsubscribe(socket, topic, request)
            case "request":
                # A one-shot answer, documented for fundingRate and depthIncrease: channels that are silent here.
                return
            case _:
                for topic in request.args or [""]:
                    error = f"Invalid action [{request.action}] for group [{topic}]"
                    yield self._reply(topic, request, error)

    def _pong(self) -> Iterator[Frame | str]:
        self._stats.pings += 1
        if self._faults.no_pong:
            return
        if self._faults.pong_text:
            yield "pong"
            return
        # Observed on the wire 2026-08 and 2026-09: pong, a plus sign, a fresh uuid4.
        yield {"group": "System", "data": "pong" if self._faults.pong_plain else f"pong+{uuid4()}"}

    def _login(self, socket: Socket, args: list[str]) -> Iterator[Frame]:
        if self._faults.login_silent:
            return
        if not self._faults.refuse_login and self._genuine(args):
            self._stats.logins += 1
            socket.logged_in = True
            yield {"action": "access", "success": True}
            return
        # Documented text. That an expired timestamp reads the same is our choice; the socket is closed afterwards.
        self._stats.logins_failed += 1
        socket.doomed = True
        key = f"{args[0][:_SHOWN_KEY]}****" if args else "****"
        error = f"access failed: openapi auth: apiKey {key} failed: openapi auth failed"
        yield {"action": "access", "success": False, "error": error}

    def _genuine(self, args: list[str]) -> bool:
        if len(args) != _LOGIN_ARGS or not args[1].isdecimal():
            return False
        key, timestamp, sign, _ = args
        expected = login_signature(self._scenario.api_secret, self._scenario.api_memo, timestamp)
        timely = abs(self._market.clock.now() - int(timestamp)) <= _LOGIN_WINDOW_MS
        return timely and key == self._scenario.api_key and hmac.compare_digest(expected.encode(), sign.encode())

    def _subscribe(self, socket: Socket, topic: str, request: Request) -> Iterator[Frame]:
        error = self._refusal(socket, topic)
        if not self._faults.ack_silent:
            yield self._reply(topic, request, error)
        # Subscribing twice is acknowledged twice and changes nothing (observed on the wire 2026-09).
        if error is None and self._sockets.hold(socket, topic):
            self._on_hold(socket, topic)

    def _unsubscribe(self, socket: Socket, topic: str, request: Request) -> Iterator[Frame]:
        # What the exchange says about a topic that is not held is unknown: our choice is success.
        self._sockets.release(socket, topic)
        if not self._faults.ack_silent:
            yield self._reply(topic, request, None)

    def _refusal(self, socket: Socket, topic: str) -> str | None:
        if is_private(topic):
            if not socket.logged_in:
                return f"{topic} need authenication"  # spelled so in the documentation
            if self._faults.auth_unavailable:
                return "authentication is temporarily unavailable"
        # Whether a socket serves the other's topics is unknown: our choice is that it does not.
        exists = is_private(topic) if socket.side == "private" else is_public(topic, self._symbols)
        if exists and topic not in self._faults.refuse_topics:
            return None
        return f"group [{topic}] not exist" if self._faults.docs_error_text else f"Invalid channel: not found {topic}"

    def _reply(self, topic: str, request: Request, error: str | None) -> Frame:
        """An acknowledgement or a refusal; member order as captured 2026-09 (`error` before `request`)."""
        args = [topic] if self._faults.ack_own_request else request.args
        frame: Frame = {"action": request.action, "group": topic, "success": error is None}
        if error is not None:
            frame["error"] = error
        return frame | {"request": {"action": request.action, "args": args}}


def login_signature(secret: str, memo: str, timestamp: str) -> str:
    """The signature of a login: HMAC-SHA256 in lower-case hex (documented, with a test vector).

    Args:
        secret: The API secret.
        memo: The API memo.
        timestamp: Unix milliseconds as sent.
    """
    return hmac.new(secret.encode(), f"{timestamp}#{memo}#bitmart.WebSocket".encode(), "sha256").hexdigest()


def _parsed(text: str) -> Request | None:
    try:
        members = msgspec.json.decode(text.encode(), type=dict[str, object])
        return msgspec.convert({key.lower(): value for key, value in members.items()}, Request)
    except (msgspec.MsgspecError, UnicodeError):
        return None
