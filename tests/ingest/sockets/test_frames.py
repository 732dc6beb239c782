"""What comes over the wire, however it is cut: the same messages, in the same order, and the library's word on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from bridge.ingest.sockets.frames import FrameSocket

URI: Final = parse_uri("ws://exchange.test/api")
LARGEST: Final = 1 << 20


class Wire(asyncio.Transport):
    """A transport to nowhere that keeps what is written."""

    def __init__(self) -> None:
        """Begin open."""
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        self.written += bytes(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Hold nothing back."""

    def can_write_eof(self) -> bool:
        """Have no half-closed state."""
        return False

    def is_closing(self) -> bool:
        """Tell whether it is closed."""
        return self.closed

    def abort(self) -> None:
        """Close."""
        self.closed = True

    close = abort


class Talk:
    """A socket of ours, a server's protocol, and what was taken."""

    def __init__(self) -> None:
        """Shake hands as far as the server's answer."""
        self.taken: list[bytes] = []
        self.batches = 0
        self.wire = Wire()
        self.server = ServerProtocol(max_size=None)
        client = ClientProtocol(URI, max_size=LARGEST)
        self.socket = FrameSocket(client, take=self.take, ping_interval=None)
        self.socket.connection_made(self.wire)
        client.send_request(client.connect())
        self.server.receive_data(b"".join(client.data_to_send()))
        (request,) = self.server.events_received()
        assert isinstance(request, Request)
        self.request = request

    def take(self, batch: list[bytes]) -> None:
        """Keep a batch."""
        assert batch
        self.batches += 1
        self.taken += batch

    def accepted(self) -> bytes:
        """Return the server's answer to the handshake."""
        self.server.send_response(self.server.accept(self.request))
        return b"".join(self.server.data_to_send())

    def open(self) -> None:
        """Have the handshake answered."""
        self.socket.data_received(self.accepted())
        assert self.socket.protocol.state is State.OPEN

    def answered(self) -> list[Frame]:
        """Return what our side has said, as the server reads it."""
        self.server.receive_data(self.wire.written)
        self.wire.written = b""
        return [event for event in self.server.events_received() if isinstance(event, Frame)]


def frame(data: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=False)


def in_pieces(data: bytes, *cuts: int) -> bytes:
    """A message in fragments, with a ping of the server's inside."""
    parts = [data[begin:end] for begin, end in pairwise([0, *cuts, len(data)])]
    whole = [
        frame(part, Opcode.CONT if number else Opcode.TEXT, fin=number == len(cuts))
        for number, part in enumerate(parts)
    ]
    return frame(b"inside", Opcode.PING).join([whole[0], b"".join(whole[1:])])


def ran(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


MESSAGES: Final = st.sampled_from([b"", b"{}", b"x" * 125, b"y" * 126, b"z" * 300, b"w" * 65_535, b"v" * 65_536])
ON_THE_WIRE: Final[st.SearchStrategy[tuple[bytes, list[bytes]]]] = st.one_of(
    MESSAGES.map(lambda data: (frame(data), [data])),
    MESSAGES.map(lambda data: (frame(data, Opcode.BINARY), [data])),
    st.just((in_pieces(b"in three parts", 2, 5), [b"in three parts"])),
    st.just((frame(b"?", Opcode.PING), [])),
    st.just((frame(b"!", Opcode.PONG), [])),
)


@given(said=st.lists(ON_THE_WIRE, max_size=8), cuts=st.lists(st.floats(0, 1), max_size=12))
@example(said=[(frame(b"a" * 126), [b"a" * 126])] * 3, cuts=[number / 1_000 for number in range(1_000)])
@example(said=[(in_pieces(b"one", 1, 2), [b"one"]), (frame(b"two"), [b"two"])], cuts=[])
def test_however_the_bytes_are_cut_the_messages_are_whole_and_in_order(
    said: list[tuple[bytes, list[bytes]]], cuts: list[float]
) -> None:
    async def talk() -> None:
        here = Talk()
        # The handshake's answer may come along with the first frames, and cut anywhere as well.
        data = here.accepted() + b"".join(wire for wire, _ in said)
        for begin, end in pairwise([0, *sorted(int(cut * len(data)) for cut in cuts), len(data)]):
            here.socket.data_received(data[begin:end])
        assert here.taken == [message for _, messages in said for message in messages]
        pings = [what for wire, _ in said for what in (b"inside", b"?") if what in wire]
        assert [one.data for one in here.answered() if one.opcode is Opcode.PONG] == pings

    ran(talk)


async def test_what_comes_at_once_is_taken_at_once() -> None:
    here = Talk()
    here.open()
    here.socket.data_received(frame(b"1") * 500 + frame(b"2")[:2])
    assert (here.batches, len(here.taken)) == (1, 500)
    here.socket.data_received(frame(b"2")[2:])
    assert (here.batches, here.taken[-1]) == (2, b"2")


async def test_the_exchanges_farewell_is_told_after_its_last_message() -> None:
    here = Talk()
    here.open()
    here.socket.data_received(frame(b"last") + frame(Close(1001, "away").serialize(), Opcode.CLOSE) + frame(b"late"))
    here.socket.connection_lost(None)
    with pytest.raises(ConnectionClosed) as told:
        await here.socket.ended()
    assert (here.taken, told.value.rcvd) == ([b"last"], Close(1001, "away"))


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (b"\x81\x7f" + (LARGEST + 1).to_bytes(8, "big") + b"only the beginning", 1009),
        (Frame(Opcode.TEXT, b"masked").serialize(mask=True), 1002),
        (b"\xc1\x02{}", 1002),  # compressed, which was not agreed upon
        (frame(b"a", fin=False) + frame(b"b"), 1002),  # a text inside a fragmented message
        (b"\x83\x00", 1002),  # an opcode that does not exist
    ],
    ids=["too long", "masked", "compressed", "inside another", "no opcode"],
)
async def test_what_may_not_be_ends_the_connection_with_the_librarys_code(wrong: bytes, code: int) -> None:
    here = Talk()
    here.open()
    here.socket.data_received(frame(b"before") + wrong + frame(b"after"))
    here.socket.connection_lost(None)
    with pytest.raises(ConnectionClosedError) as told:
        await here.socket.ended()
    assert (here.taken, told.value.sent and told.value.sent.code) == ([b"before"], code)


async def test_a_connection_cut_in_the_middle_of_a_frame_is_told_as_cut() -> None:
    here = Talk()
    here.open()
    here.socket.data_received(frame(b"whole") + frame(b"broken off")[:5])
    here.socket.eof_received()
    here.socket.connection_lost(None)
    with pytest.raises(ConnectionClosedError) as told:
        await here.socket.ended()
    assert (here.taken, told.value.rcvd) == ([b"whole"], None)


async def test_what_taking_raises_ends_the_socket_and_nothing_more_is_taken() -> None:
    here = Talk()
    here.open()
    mended = here.take

    def broken(batch: list[bytes]) -> None:
        mended(batch)
        raise RuntimeError(batch[0])

    here.socket._take = broken  # noqa: SLF001 - what it was made with
    here.socket.data_received(frame(b"1"))
    here.socket.data_received(frame(b"2"))
    with pytest.raises(RuntimeError, match="1"):
        await here.socket.ended()
    assert here.taken == [b"1"]


async def test_a_refused_handshake_is_the_librarys_affair() -> None:
    here = Talk()
    here.server.send_response(here.server.reject(403, "not you\nnor anybody\n"))
    answer = b"".join(here.server.data_to_send())
    for at in range(len(answer)):
        here.socket.data_received(answer[at : at + 1])
    assert here.socket.response is not None
    assert (here.socket.response.status_code, here.socket.response.body) == (403, b"not you\nnor anybody\n")
    assert isinstance(here.socket.protocol.handshake_exc, InvalidStatus)
    assert here.taken == []
