"""An exchange, or whoever passes for it, that sends what is meant to do harm."""

from __future__ import annotations

import json
import ssl
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosedError

from bridge.errors import RestError
from bridge.exchanges.base import Malformed, Notice
from bridge.exchanges.bitmart import rest
from bridge.exchanges.bitmart.session import BitMartSession
from bridge.ingest.sockets.frames import FrameSocket, opened
from bridge.records import Record, fields_of
from bridge.settings import load
from tests.deploy.tools import run, tool
from tests.ingest.rig import clock_of, hasty, market

MIB = 1 << 20
SOCKET = partial(FrameSocket, take=lambda _: None)
CANDLE = '{"group":"futures/klineBin1m:BTCUSDT","data":{"symbol":"BTCUSDT","items":[%s]}}'
GOOD = '{"o":"1","h":"1","l":"1","c":"1","v":"1","ts":1785727320}'


def deflated(text: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    return packer.compress(text) + packer.flush()


HOSTILE = {
    "a list of lists without end": "[" * 1_000_000,
    "objects in objects without end": '{"a":' * 200_000,
    "depth where our data belongs": '{"group":"futures/order","data":' + "[" * 500_000,
    "depth in a candle that else is good": CANDLE % ('{"x":' + "[" * 100_000 + "]" * 100_000 + "," + GOOD[1:]),
    "a number of a million digits": CANDLE % GOOD.replace("1785727320", "9" * 1_000_000),
    "a power beyond all floats": CANDLE % GOOD.replace("1785727320", "1e999999999"),
    "not a number": CANDLE % GOOD.replace("1785727320", "NaN"),
    "a time before all times": CANDLE % GOOD.replace("1785727320", "-9223372036854775808"),
    "a price of a million digits": CANDLE % GOOD.replace('"h":"1"', '"h":"' + "9" * 1_000_000 + '"'),
    "a price that is a command": CANDLE % GOOD.replace('"h":"1"', '"h":"1\\r\\nFLUSHALL\\r\\n"'),
    "half a character": CANDLE % GOOD.replace('"h":"1"', '"h":"\\ud800"'),
    "the same member many times": "{" + ",".join(['"group":"x"'] * 50_000) + "}",
    "an error of many lines that paint the screen": json.dumps(
        {"action": "subscribe", "group": "futures/order", "success": False, "error": "\x1b[2J\n" * 1_000}
    ),
    "nothing but an opening": '{"group":"futures/klineBin1m:BTCUSDT","data":',
}


def told(frame: str | bytes) -> list[Record | Notice]:
    topic, said = BitMartSession(None, 20).receive(frame, 1)
    assert isinstance(topic, str)
    return [*said]


@pytest.mark.parametrize("frame", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("form", ["text", "bytes", "deflated"])
def test_a_hostile_frame_is_told_or_skipped_and_what_is_kept_is_small_and_printable(frame: str, form: str) -> None:
    raw = frame.encode(errors="surrogatepass")
    forms: dict[str, str | bytes] = {"text": frame, "bytes": raw, "deflated": deflated(raw)}
    for item in told(forms[form]):
        if isinstance(item, Malformed):
            assert item.reason.isprintable()
            assert item.sample.isprintable()
            assert len(item.sample) + len(item.reason) < 4_000
        elif not isinstance(item, Notice):
            assert not any(sign in value for value in fields_of(item) for sign in "\r\n\x1b")


def test_a_bomb_of_zeros_unfolds_into_no_more_than_its_bound() -> None:
    bomb = deflated(b"\0" * (48 * MIB))
    assert len(bomb) < MIB
    tracemalloc.start()
    try:
        (notice,) = told(bomb)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(notice, Malformed)
    assert most < 16 * MIB


@settings(max_examples=200)
@given(st.binary(max_size=2_000), st.integers(0, 200), st.integers(1, 8))
def test_a_damaged_deflated_frame_never_raises(noise: bytes, at: int, cut: int) -> None:
    whole = deflated((CANDLE % GOOD).encode())
    told(whole[:at] + noise + whole[at:])
    told(whole[:-cut])


@asynccontextmanager
async def saying(*frames: str | bytes) -> AsyncIterator[str]:
    """A server that says its frames to everybody who comes, and stays."""

    async def converse(socket: ServerConnection) -> None:
        for frame in frames:
            await socket.send(frame)
        await socket.wait_closed()

    async with serve(converse, "127.0.0.1", 0, compression=None) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


@pytest.mark.parametrize("frame", ["x" * (MIB + 1), b"x" * (MIB + 1)], ids=["text", "bytes"])
async def test_a_frame_beyond_its_bound_ends_the_connection_before_it_is_held(frame: str | bytes) -> None:
    async with saying(frame) as uri, opened(uri, load({}, None), SOCKET) as socket:
        with pytest.raises(ConnectionClosedError) as end:
            await socket.ended()
    assert end.value.sent is not None
    assert end.value.sent.code == 1009


async def test_compression_is_not_even_offered() -> None:
    async with saying("hi") as uri, opened(uri, load({}, None), SOCKET) as socket:
        assert socket.request is not None
        assert "Sec-WebSocket-Extensions" not in socket.request.headers


@pytest.fixture
def certificate(tmp_path: Path) -> ssl.SSLContext:
    """What a server shows that nobody vouches for."""
    key, shown = tmp_path / "key", tmp_path / "certificate"
    run(
        *(tool("openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "1"),
        *("-keyout", key, "-out", shown),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown, key)
    return context


async def test_a_server_that_nobody_vouches_for_is_no_exchange(certificate: ssl.SSLContext) -> None:
    async def never(_: ServerConnection) -> None:
        raise AssertionError("it was let in")

    async with serve(never, "127.0.0.1", 0, ssl=certificate) as server:
        where = f"127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        with pytest.raises(ssl.SSLCertVerificationError):
            async with opened(f"wss://{where}/api", load({}, None), SOCKET):
                pass
        async with market() as simulator:
            asker = hasty(f"https://{where}", clock_of(simulator))
        with pytest.raises(RestError, match="CERTIFICATE_VERIFY_FAILED"):
            await asker.ask(rest.time_call())
        await asker.aclose()
