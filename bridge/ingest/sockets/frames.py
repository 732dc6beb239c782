"""The socket to the exchange, and its frames in the batches in which the network delivers them.

A queue, a future and a task switch for each frame, as the library has them, cost more than all that is done with the
frame. So what arrives is cut into frames here: texts in one piece, nearly all there are, are taken as they stand, and
all others are handed whole to the library, which answers pings, puts fragments together and says what is wrong. It
never sees a part of a frame while its neighbours are taken here, so that both agree on where the next one begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from bridge import __version__

if TYPE_CHECKING:
    from websockets.protocol import Event

    from bridge.settings import Settings

Socket = TypeVar("Socket", bound=ClientConnection)

# Content delivery networks in front of exchanges refuse the names of common libraries (seen: error 1010).
USER_AGENT: Final = f"bitmart-bridge/{__version__}"
_LARGEST: Final = 1 << 20
_CLOSE_S: Final = 1.0

# RFC 6455, section 5.2: the first byte of a text frame that is a whole message; lengths of 126 and 127 stand for two
# and eight bytes of length that follow; a greater one is masked, which a server's frame never is.
_WHOLE_TEXT: Final = 0x81
_LENGTH: Final = 0x7F
_TWO_BYTES: Final = 126
_MASKED: Final = 0x80
_DATA: Final = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)


class FrameSocket(ClientConnection):
    """A client's socket that gives messages away in batches, as they come, instead of queueing them for `recv`."""

    def __init__(self, *args: Any, take: Callable[[list[bytes]], None], **options: Any) -> None:  # noqa: ANN401 - the library's own arguments
        """Open as the library does; `take` is called with each batch, and what it raises ends the socket."""
        super().__init__(*args, **options)
        self._take = take
        self._rest = b""
        self._batch: list[bytes] = []
        self._fragments: list[bytes] = []
        self._over: asyncio.Future[BaseException] = self.loop.create_future()

    async def ended(self) -> None:
        """Wait for the end, and raise what ended it: `take`'s own error, or the library's `ConnectionClosed`."""
        raise await asyncio.shield(self._over)

    def data_received(self, data: bytes) -> None:
        """Cut what has come into frames, and have them taken."""
        buffer = self._rest + (data if self.response else data[self._shake_hands(data) :])
        at, end = 0, len(buffer)
        self._rest, self._batch = b"", []
        while at < end:
            if self.protocol.state is State.OPEN:
                at = self._take_plain(buffer, at)
                if at == end:
                    break
                stop = _end_of_frame(buffer, at)
                if stop > end and stop - at <= _LARGEST:
                    self._rest = buffer[at:]
                    break
            else:
                stop = end
            super().data_received(buffer[at:stop])
            at = stop
        if self._batch and not self._over.done():
            try:
                self._take(self._batch)
            except Exception as trouble:  # noqa: BLE001 - raised where the end is waited for
                self._over.set_result(trouble)

    def process_event(self, event: Event) -> None:
        """Take a message that came by way of the library; leave all else to it."""
        if self.response is None or not isinstance(event, Frame) or event.opcode not in _DATA:
            super().process_event(event)
            return
        self._fragments.append(bytes(event.data))
        if event.fin:
            self._batch.append(b"".join(self._fragments))
            self._fragments.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note of the end."""
        super().connection_lost(exc)
        if not self._over.done():
            self._over.set_result(self.protocol.close_exc)

    def _shake_hands(self, data: bytes) -> int:
        """Feed the library the answer to the handshake, line by line so as to stop right behind it; return where."""
        at = 0
        while at < len(data) and self.protocol.state is State.CONNECTING:
            stop = data.find(b"\n", at) + 1 or len(data)
            super().data_received(data[at:stop])
            at = stop
        return at

    def _take_plain(self, buffer: bytes, at: int) -> int:
        """Take the texts in one piece that stand at `at`, one behind the other; return where they end."""
        if self.protocol.current_size is not None:
            return at  # inside a fragmented message a text would be an error, which is the library's to tell
        end, batch = len(buffer), self._batch
        while at + 2 <= end and buffer[at] == _WHOLE_TEXT:
            length, start = buffer[at + 1], at + 2
            if length == _TWO_BYTES and at + 4 <= end:
                length, start = buffer[at + 2] << 8 | buffer[at + 3], at + 4
            elif length >= _TWO_BYTES:
                break
            stop = start + length
            if stop > end:
                break
            batch.append(buffer[start:stop])
            at = stop
        return at


def _end_of_frame(buffer: bytes, at: int) -> int:
    """Return where the frame at `at` ends; beyond the buffer's end if not all of it, or of its length, is there."""
    if at + 2 > len(buffer):
        return len(buffer) + 1
    length, start = buffer[at + 1] & _LENGTH, at + 2
    if length >= _TWO_BYTES:
        start += 2 if length == _TWO_BYTES else 8
        if start > len(buffer):
            return len(buffer) + 1
        length = int.from_bytes(buffer[at + 2 : start], "big")
    return start + length + (4 if buffer[at + 1] & _MASKED else 0)


@asynccontextmanager
async def opened(uri: str, settings: Settings, kind: Callable[..., Socket]) -> AsyncIterator[Socket]:
    """Open a socket of some kind to the exchange, and close it at the end."""
    socket = await connect(
        uri,
        user_agent_header=USER_AGENT,
        compression=None,  # frames are short: inflating them costs more than it saves
        open_timeout=settings.connect_timeout_s,
        close_timeout=_CLOSE_S,
        ping_interval=None,  # the exchange's own ping is the one that its documentation asks for
        max_size=_LARGEST,
        create_connection=cast("type[ClientConnection]", kind),
    )
    try:
        yield cast("Socket", socket)
    finally:
        await socket.close()
