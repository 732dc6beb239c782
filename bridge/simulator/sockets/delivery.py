"""The way of a frame to the sockets, and what can befall it there."""

from __future__ import annotations

import time
import zlib
from collections import deque
from typing import TYPE_CHECKING

import msgspec
from websockets.asyncio.server import broadcast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.simulator.faults import Faults
    from bridge.simulator.sockets.sockets import Socket
    from bridge.simulator.stats import Stats

Frame = dict[str, object]

_encoder = msgspec.json.Encoder()

# A client that does not read is cut before its unread frames fill the memory. Unknown on the wire: our choice.
_MOST_UNREAD_BYTES = 8 * 2**20

_ODD_TEXTS = (
    '{"group":"futures/klineBin1m:BTCUSDT","data":{"symbol":"BTCUSDT","items":[{"o":"1","h"',
    '{"group":"futures/klineBin1m:BTCUSDT","data":{"symbol":7,"items":[{"o":1,"h":[],"l":{},"c":null,"v":"x","ts":"t"}]}}',
    '{"group":"futures/unheardOf:BTCUSDT","data":{"symbol":"BTCUSDT"}}',
    '{"group":"futures/klineBin1m:BTCUSDT","data":null}',
    '{"group":"futures/order","data":null}',
    '{"group":"futures/position","data":[{"symbol":"BTCUSDT","hold_volume":12,"position_type":"1"}]}',
    '{"success":false,"error":"Internal server error"}',
    '{"group":"futures/klineBin1m:BTCUSDT","data":{"symbol":"BTCUSDT","items":[]}}',
    '[{"group":"System"}]',
    "",
    "{}",
    "null",
)


class Delivery:
    """Sends frames: a data frame is encoded once for all sockets that hold its topic."""

    def __init__(self, faults: Faults, stats: Stats) -> None:
        """Take the switches and the counters.

        Args:
            faults: Looked at for every frame.
            stats: Counts what was sent and cut.
        """
        self._faults = faults
        self._stats = stats
        self._frames = 0
        self._odd = 0
        self._late: deque[tuple[float, tuple[Socket, ...], str | bytes]] = deque()

    def reply(self, socket: Socket, frame: Frame | str) -> None:
        """Send an answer to one socket: acknowledgements, login replies, pongs, errors."""
        self._send((socket,), frame if isinstance(frame, str) else _encoder.encode(frame).decode())

    def data(self, topic: str, sockets: Sequence[Socket], frame: Frame | str | bytes) -> None:
        """Send a data frame, made here or recorded, to all who hold its topic, unless a fault keeps it back."""
        faults = self._faults
        if not sockets or faults.stall or topic in faults.mute_topics:
            return
        self._frames += 1
        if self._strikes(faults.lose_frames):
            return
        payload = _encoder.encode(frame).decode() if isinstance(frame, dict) else frame
        copies = 2 if self._strikes(faults.duplicate_frames) else 1
        for _ in range(copies):
            self._post(tuple(sockets), payload)
        if self._strikes(faults.malformed_frames):
            self._post(tuple(sockets), _ODD_TEXTS[self._odd % len(_ODD_TEXTS)])
            self._odd += 1
        if faults.cut_once or self._strikes(faults.cut_every_frames):
            faults.cut_once = False
            self._cut(sockets)

    def forward(self) -> None:
        """Send the held back frames that are due."""
        while self._late and self._late[0][0] <= time.monotonic():
            _, sockets, payload = self._late.popleft()
            self._send(sockets, payload)

    def _strikes(self, every: int) -> bool:
        return bool(every) and self._frames % every == 0

    def _post(self, sockets: tuple[Socket, ...], payload: str | bytes) -> None:
        if self._faults.delay_frames or self._late:
            self._late.append((time.monotonic() + self._faults.delay_frames, sockets, payload))
        else:
            self._send(sockets, payload)

    def _send(self, sockets: tuple[Socket, ...], payload: str | bytes) -> None:
        if self._faults.freeze:
            return
        self._stats.frames_out += len(sockets)
        broadcast([socket.connection for socket in sockets], self._dressed(payload))
        self._cut([socket for socket in sockets if _unread(socket) > _MOST_UNREAD_BYTES])

    def _dressed(self, payload: str | bytes) -> str | bytes:
        """The payload as the faults want it; one recorded in binary stays as it is."""
        if isinstance(payload, bytes):
            return payload
        text = payload + "\n" if self._faults.newline else payload
        return _deflated(text) if self._faults.deflate else text

    def _cut(self, sockets: Sequence[Socket]) -> None:
        for socket in sockets:
            socket.cut()
        self._stats.sockets_cut += len(sockets)


def _unread(socket: Socket) -> int:
    return socket.connection.transport.get_write_buffer_size()


def _deflated(text: str) -> bytes:
    """Raw DEFLATE without a zlib header, as documented for the spot sockets."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(text.encode()) + deflater.flush()
