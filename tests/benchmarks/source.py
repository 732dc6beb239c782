"""Where frames come from: an exchange in a process of its own that has nothing to do but write prepared bytes.

It grants every subscription, says when all topics are subscribed, tells one time of day over REST and nothing else, and
sends what it is told to: each line on its standard input is `<frames> <frames a second, 0 for at once>`, and the end of
that input is its own end, so it never outlives whoever started it. Whenever all topics have been subscribed anew, the
first frame comes again.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import TYPE_CHECKING, Final

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from bridge import loop as loops
from tests.benchmarks.frames import EXCHANGE_MS, TOPICS, TURN, payload, payloads

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from websockets.asyncio.client import ClientConnection
    from websockets.http11 import Request, Response

_OPENED: Final = b"opened\n"
_READY: Final = b"ready\n"
_READY_S: Final = 20.0
_BATCH: Final = 20
_PONG: Final = '{"group":"System","data":"pong"}'
# What REST says: the time, and for the rest that there is nothing.
_TOLD: Final[dict[str, object]] = {
    "/system/time": {"server_time": EXCHANGE_MS},
    "/contract/public/details": {"symbols": []},
    "/contract/public/kline": [],
}


class Source:
    """Our end: what the process is told, and what it says."""

    def __init__(self, process: Process, port: int, turn: int) -> None:
        """Speak with `process`, whose sockets open at `port` and bring `turn` topics; use `started`."""
        self.turn = turn
        self.uri = f"ws://127.0.0.1:{port}/"
        self.rest_uri = f"http://127.0.0.1:{port}"
        self._process = process

    @classmethod
    @asynccontextmanager
    async def started(cls, frames: int, turn: int = TURN) -> AsyncIterator[Source]:
        """Start the process with `frames` frames of `turn` topics prepared; it ends with the block."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", __name__, str(frames), str(turn)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 24,
        )
        try:
            yield cls(process, int(await _line(process)), turn)
        finally:
            if process.stdin:
                process.stdin.close()
            await process.wait()

    async def subscribe(self, socket: ClientConnection) -> None:
        """Subscribe to all topics, and read the answers away."""
        topics = TOPICS[: self.turn]
        for first in range(0, self.turn, _BATCH):
            await socket.send(json.dumps({"action": "subscribe", "args": topics[first : first + _BATCH]}))
        await self.ready()
        for _ in topics:
            await socket.recv()

    async def opened(self) -> None:
        """Wait until somebody has opened a socket."""
        await self._says(_OPENED)

    async def ready(self) -> None:
        """Wait until somebody has subscribed to all topics."""
        await self._says(_READY)

    async def _says(self, word: bytes) -> None:
        async with asyncio.timeout(_READY_S):
            while (line := await _line(self._process)) != word:
                if not line:
                    raise RuntimeError("the source of frames ended early")

    def send(self, frames: int, per_second: float = 0) -> None:
        """Have the next `frames` frames sent: at once, or evenly."""
        if self._process.stdin:
            self._process.stdin.write(f"{frames} {per_second}\n".encode())

    async def sent_at(self) -> list[int]:
        """Return when each frame left, in monotonic nanoseconds, once all that were asked for have."""
        if self._process.stdin:
            self._process.stdin.write(b"0 0\n")
        return [int(word) for word in (await _line(self._process)).split()]

    async def last_sent_at(self) -> int:
        """Return when the last frame left, likewise."""
        if self._process.stdin:
            self._process.stdin.write(b"0 1\n")
        return int(await _line(self._process))


async def _line(process: Process) -> bytes:
    return await process.stdout.readline() if process.stdout else b""


class _Exchange:
    """The other end, inside the process."""

    def __init__(self, frames: int, turn: int) -> None:
        self._frames = [_framed(payload) for payload in payloads(frames, turn)]
        self._turn = turn
        self._sent_at: list[int] = []
        self._next = 0
        self._carriers: dict[str, asyncio.Transport] = {}

    async def talk(self, socket: ServerConnection) -> None:
        """Grant whatever is asked for; each topic's frames go to the socket that asked for it last."""
        _say(_OPENED)
        try:
            async for text in socket:
                asked = json.loads(text)
                if asked["action"] == "ping":
                    await socket.send(_PONG)
                    continue
                for topic in asked.get("args", ()):
                    await socket.send(json.dumps({"action": asked["action"], "group": topic, "success": True}))
                    if asked["action"] == "subscribe":
                        self._carry(topic, socket.transport)
        except ConnectionClosed:
            return

    def _carry(self, topic: str, transport: asyncio.Transport) -> None:
        before = self._carriers.get(topic)
        self._carriers[topic] = transport
        if before is not None and not before.is_closing():
            return
        if sum(not carrier.is_closing() for carrier in self._carriers.values()) == self._turn:
            self._next = 0
            self._sent_at.clear()
            _say(_READY)

    async def obey(self) -> None:
        """Send what the standard input asks for, until it ends."""
        orders = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
        async for order in orders:
            count, per_second = order.split()
            if not int(count):
                told = self._sent_at[-1:] if float(per_second) else self._sent_at
                _say(" ".join(map(str, told)).encode() + b"\n")
            elif float(per_second):
                await self._evenly(int(count), float(per_second))
            else:
                self._write(int(count))

    async def _evenly(self, count: int, per_second: float) -> None:
        loop = asyncio.get_running_loop()
        began, sent = loop.time(), 0
        while sent < count:
            await asyncio.sleep(max(0.0, began + sent / per_second - loop.time()))
            # What is late goes at once, so that the pace holds on a busy machine, too.
            due = min(count, int((loop.time() - began) * per_second) + 1)
            for _ in range(sent, due):
                self._write(1)
            sent = due

    def _write(self, count: int) -> None:
        parts: dict[asyncio.Transport, list[bytes]] = {}
        for number in range(self._next, self._next + count):
            parts.setdefault(self._carriers[TOPICS[number % self._turn]], []).append(self._frame(number))
        self._sent_at += [time.monotonic_ns()] * count
        for transport, frames in parts.items():
            transport.write(b"".join(frames))
        self._next += count

    def _frame(self, number: int) -> bytes:
        # What is prepared costs nothing more; a flood takes more than is.
        return self._frames[number] if number < len(self._frames) else _framed(payload(number, self._turn))


def _framed(payload: bytes) -> bytes:
    return Frame(Opcode.TEXT, payload).serialize(mask=False)


def _answer(socket: ServerConnection, request: Request) -> Response | None:
    told = _TOLD.get(request.path.partition("?")[0])
    if told is None:
        return None
    response = socket.respond(200, json.dumps({"code": 1000, "message": "Ok", "data": told}))
    del response.headers["Date"]
    response.headers["Date"] = formatdate(EXCHANGE_MS / 1000, usegmt=True)
    return response


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


async def _serve(frames: int, turn: int) -> None:
    exchange = _Exchange(frames, turn)
    async with serve(exchange.talk, "127.0.0.1", 0, compression=None, process_request=_answer) as server:
        _say(b"%d\n" % server.sockets[0].getsockname()[1])
        await exchange.obey()


if __name__ == "__main__":
    loops.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
