"""One socket to the exchange, kept open for as long as it has something to carry.

Each life of the connection: connect, log in where that is needed, then three things at once: receive, ping, and bring
what is held to what is wanted. Any of them ends the life; the next begins after a back-off. Topics are asked for anew
each time from the wanted set, so a new life needs no memory of the last.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Final

from websockets.exceptions import WebSocketException

from bridge import together
from bridge.backoff import Backoff
from bridge.clock import ExchangeClock, host_ms
from bridge.exchanges.base import (
    Acknowledged,
    Action,
    Exchange,
    LoggedIn,
    LoginRefused,
    Malformed,
    Notice,
    Pong,
    Refused,
    ServerError,
    Session,
)
from bridge.ingest.sockets.endings import Cause, Ended, LoginRefusedError, cause_of, reason_of
from bridge.ingest.sockets.frames import FrameSocket, opened
from bridge.ingest.sockets.subscriptions import Subscriptions
from bridge.log import Sampled
from bridge.records import EventName, Kline, Record
from bridge.settings import Settings

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

    from bridge.ingest.sockets.sink import Sink

log = logging.getLogger(__name__)

_FRESH_S: Final = 3.0
_LOOK_S: Final = 0.05


class Phase(StrEnum):
    """What a connection is doing."""

    IDLE = "idle"
    CONNECTING = "connecting"
    LOGGING_IN = "logging_in"
    OPEN = "open"
    WAITING = "waiting"
    REFUSED = "refused"


class Connection:
    """One socket, `public` or `private`."""

    def __init__(
        self,
        *,
        private: bool,
        exchange: Exchange,
        clock: ExchangeClock,
        settings: Settings,
        sink: Sink,
        draw: Callable[[], float] = random.random,
        turn: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Prepare; nothing is opened before `run` has something to carry, nor before `turn` has returned."""
        self.name = "private" if private else "public"
        self.phase = Phase.IDLE
        self.trouble = ""
        self.frames = 0
        self.bytes = 0
        self.ends: Counter[Cause] = Counter()
        self.malformed = 0
        self.data_at: dict[str, int] = {}
        self.held = self._nothing(settings)
        self._private = private
        self._uri = exchange.private_uri if private else exchange.public_uri
        self._exchange = exchange
        self._clock = clock
        self._settings = settings
        self._sink = sink
        self._turn = turn
        self._backoff = Backoff(settings.reconnect_delay_s, settings.reconnect_max_s, draw)
        self._wanted: frozenset[str] = frozenset()
        self._changed = asyncio.Event()
        self._wanting = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()
        self._logged_in = asyncio.Event()
        self._pong = asyncio.Event()
        self._odd = Sampled(log)

    def want(self, topics: frozenset[str]) -> None:
        """Say which topics are to be held from now on; none at all closes the socket."""
        if topics == self._wanted:
            return
        self._wanted = topics
        self._changed.set()
        if topics:
            self._wanting.set()
        else:
            self._wanting.clear()

    @property
    def wanted(self) -> frozenset[str]:
        """The topics that are to be held."""
        return self._wanted

    async def run(self) -> None:
        """Keep the socket for ever; ends only by being cancelled."""
        while True:
            await self._wanting.wait()
            self.idle.clear()
            wait_s = await self._life()
            self.held = self._nothing(self._settings)
            self.idle.set()
            self._sink.stirred()
            await asyncio.sleep(wait_s)
            self.phase = Phase.IDLE

    async def _life(self) -> float:
        """Live once; return how many seconds to wait before the next life."""
        try:
            await self._open()
        except LoginRefusedError as refused:
            self._end(Phase.REFUSED, EventName.LOGIN_REFUSED, refused)
            return self._settings.login_retry_s
        except (OSError, TimeoutError, WebSocketException, Ended) as trouble:
            self._end(Phase.WAITING, EventName.LOST, trouble)
            return self._backoff.next()
        self.trouble = ""
        return 0.0

    def _end(self, phase: Phase, event: EventName, trouble: BaseException) -> None:
        reason = reason_of(trouble, self._uri)
        self.ends[cause_of(trouble)] += 1
        (log.error if phase is Phase.REFUSED else log.warning)("%s connection %s: %s", self.name, event, reason)
        self.phase, self.trouble = phase, reason
        self._sink.lost(private=self._private)
        self._sink.happened(event, self.name, reason)

    async def _open(self) -> None:
        self.phase = Phase.CONNECTING
        session = self._exchange.session()
        if self._private:
            await self._time_known()
        if self._turn is not None:
            await self._turn()
        kind = partial(FrameSocket, take=partial(self._take, session))
        async with opened(self._uri, self._settings, kind) as socket:
            parts = (socket.ended(), self._ping(socket, session), self._serve(socket, session))
            await together.first_of(parts)

    async def _serve(self, socket: ClientConnection, session: Session) -> None:
        if self._private:
            await self._log_in(socket, session)
        self.phase, self.trouble = Phase.OPEN, ""
        log.info("%s connection open", self.name)
        self._sink.happened(EventName.CONNECTED, self.name, self._uri.partition("?")[0])
        self._sink.stirred()
        while self._wanted or len(self.held):
            self._changed.clear()
            plan = self.held.plan(self._wanted, _now())
            await self._ask(socket, session, plan)
            await self._next_pass()

    async def _ask(self, socket: ClientConnection, session: Session, plan: dict[Action, list[str]]) -> None:
        for action, topics in plan.items():
            for request in session.requests(action, topics):
                self.held.sent(action, request.topics, _now())
                await socket.send(request.frame)
                await asyncio.sleep(self._settings.subscribe_delay_ms / 1000)

    async def _next_pass(self) -> None:
        # Awake at a change of the wanted set or of an answer; else often enough to see requests that went unanswered.
        try:
            async with asyncio.timeout(self._settings.ack_timeout_s / 2):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _time_known(self) -> None:
        # A login signed with a wrong date is refused, and the next try is far. If nobody tells, the host's has to do.
        # A time known before is most likely good still, and is soon good enough.
        patience_s = _FRESH_S if self._clock.synchronised else self._settings.connect_timeout_s
        try:
            async with asyncio.timeout(patience_s):
                while self._clock.doubted:  # noqa: ASYNC110 - the clock is no part of the event loop
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            log.warning("%s connection: the exchange does not tell its time, signing with what is known", self.name)

    async def _log_in(self, socket: ClientConnection, session: Session) -> None:
        self.phase = Phase.LOGGING_IN
        self._logged_in.clear()
        await socket.send(session.login(self._clock.now_ms()))
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await self._logged_in.wait()
        except TimeoutError:
            raise Ended("no answer to the login") from None

    async def _ping(self, socket: ClientConnection, session: Session) -> None:
        while True:
            await asyncio.sleep(self._settings.ping_interval_s)
            self._pong.clear()
            await socket.send(session.ping())
            try:
                async with asyncio.timeout(self._settings.pong_timeout_s):
                    await self._pong.wait()
            except TimeoutError:
                raise Ended(f"no answer to our ping in {self._settings.pong_timeout_s:g} s") from None

    def _take(self, session: Session, frames: list[bytes]) -> None:
        at, receive, data_at, take = host_ms(), session.receive, self.data_at, self._sink.take
        self.frames += len(frames)
        self.bytes += sum(map(len, frames))
        for frame in frames:
            topic, said = receive(frame, at)
            if topic:
                data_at[topic] = at
            for item in said:
                if isinstance(item, Kline) or isinstance(item, Record):  # noqa: SIM101 - a union is slow to look through
                    take(item)
                else:
                    self._notice(item)

    def _notice(self, notice: Notice) -> None:
        match notice:
            case Pong():
                self._pong.set()
            case Acknowledged(action, topic):
                if self.held.acknowledged(action, topic, _now()):
                    self._backoff.reset()
                    self._sink.activated(topic)
                self._changed.set()
                self._sink.stirred()
            case Refused(action, topic, text):
                self._refused(action, topic, text)
            case LoggedIn():
                self._logged_in.set()
            case LoginRefused(text, passing):
                # Signed with a doubtful time, a refusal says nothing of the credentials.
                doubtful = passing or self._clock.doubted
                raise (Ended if doubtful else LoginRefusedError)(f"login refused: {text}", Cause.LOGIN)
            case ServerError(text):
                self._odd.warning("%s connection: the exchange complains: %s", self.name, text)
            case Malformed(reason, sample):
                self.malformed += 1
                self._odd.warning("%s connection: malformed frame: %s: %s", self.name, reason, sample)

    def _refused(self, action: Action, topic: str, text: str) -> None:
        if self.held.refused(action, topic, text, _now()):
            log.warning("%s connection: topic %s refused: %s", self.name, topic, text)
            self._sink.happened(EventName.TOPIC_REJECTED, topic, text)
        self._changed.set()
        self._sink.stirred()

    @staticmethod
    def _nothing(settings: Settings) -> Subscriptions:
        return Subscriptions(ack_timeout_s=settings.ack_timeout_s, rejected_retry_s=settings.rejected_retry_s)


def _now() -> float:
    return asyncio.get_running_loop().time()
