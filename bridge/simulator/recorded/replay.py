"""An exchange that says again what was once recorded."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Self

from bridge.simulator.clock import MarketClock
from bridge.simulator.faults import Faults
from bridge.simulator.place import Place
from bridge.simulator.recorded.remembered import Remembered, RememberedRest
from bridge.simulator.scenario import Scenario
from bridge.simulator.sockets.delivery import Delivery
from bridge.simulator.sockets.dialogue import Dialogue
from bridge.simulator.sockets.door import Door
from bridge.simulator.sockets.sockets import Sockets
from bridge.simulator.stats import Stats

if TYPE_CHECKING:
    from types import TracebackType

    from websockets.asyncio.server import Server

    from bridge.simulator.recorded.recording import Heard, Recording
    from bridge.simulator.sockets.sockets import Socket

_log = logging.getLogger(__name__)

_TURN_S = 0.02
# Frames sent in one go, before others get a turn of the event loop.
_MOST_AT_ONCE = 200


class Replay(Place):
    """Plays a recording on a loopback port to whoever subscribes.

    Its time is the recording's: it stands still until the first request, then runs from `lead_s` seconds before the
    first frame, so that a client has subscribed by then. Frames that answered the recorder's own requests are not
    played, what a client asks is answered anew. REST knows the candles played so far, and nothing of the account.

    Attributes:
        faults: The simulator's switches; those of frames and sockets apply.
        stats: What it counted.
        sockets: The open WebSockets.
        ended: Set when the last frame was played.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        speed: float = 1.0,
        lead_s: float = 5.0,
        port: int = 0,
        faults: Faults | None = None,
    ) -> None:
        """Prepare; nothing listens yet.

        Args:
            recording: What to play.
            speed: Seconds of the recording per second.
            lead_s: Seconds between the first request and the first frame.
            port: The port to listen on; 0 takes a free one.
            faults: Switches to begin with; all off if left out.

        Raises:
            ValueError: The speed is not above zero.
        """
        super().__init__("127.0.0.1", port)
        self.scenario = Scenario(rate=speed, trading=False)
        self.faults = faults or Faults()
        self.stats = Stats()
        self.sockets = Sockets(self.stats)
        self.ended = asyncio.Event()
        self._frames = iter(recording)
        self._next: Heard | None = next(self._frames, None)
        self._clock = MarketClock(speed, recording.first - round(lead_s * 1000 * speed))
        self._market = Remembered(recording.symbols, self._clock)
        self._delivery = Delivery(self.faults, self.stats)
        self._door = self._hang_door()
        self._server: Server | None = None
        self._work: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            OSError: The port is taken.
        """
        self._server = await self._door.open(self.host, self.port)
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        self._work = asyncio.create_task(self._play(), name="replay")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all sockets and the port."""
        if self._server is None or self._work is None:
            return
        self._work.cancel()
        await self._door.shut(self._server)
        await asyncio.wait([self._work])

    def _hang_door(self) -> Door:
        dialogue = Dialogue(
            self.scenario, self.faults, self._market, self.sockets, self.stats, on_hold=lambda _socket, _topic: None
        )
        rest = RememberedRest(self._market, self.stats)
        return Door(self.scenario, self.faults, self._clock, self.stats, self.sockets, self._delivery, dialogue, rest)

    async def _play(self) -> None:
        try:
            while True:
                self._play_due()
                self._delivery.forward()
                await asyncio.sleep(_TURN_S if self._due() is None else 0)
        except Exception:
            _log.exception("the replay came to a halt")
            raise

    def _play_due(self) -> None:
        for _ in range(_MOST_AT_ONCE):
            heard = self._due()
            if heard is None:
                return
            self._market.learn(heard)
            self._delivery.data(heard.topic, self._holders(heard), heard.payload)
            self._next = next(self._frames, None)
            if self._next is None:
                self.ended.set()

    def _due(self) -> Heard | None:
        heard = self._next
        return heard if heard is not None and heard.at <= self._clock.now() else None

    def _holders(self, heard: Heard) -> tuple[Socket, ...]:
        """Who gets a frame: whoever holds its topic; one that can't be read, all who have a socket of its side."""
        if heard.topic:
            return self.sockets.holders(heard.topic)
        return tuple(socket for socket in self.sockets if socket.side == heard.side)
