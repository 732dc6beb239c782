"""What can befall a frame or a socket."""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import TYPE_CHECKING, ClassVar

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from bridge.simulator import Simulator
from tests.simulator.clients import DEADLINE_S, Talk, get, private, public, quiet

if TYPE_CHECKING:
    from websockets.protocol import Event

KLINE = "futures/klineBin1m:BTCUSDT"


def fast(**fields: object) -> Simulator:
    return Simulator(quiet(rate=600.0, **fields))


async def test_a_stall_keeps_sockets_open_and_pongs_coming() -> None:
    async with fast() as simulator, public(simulator) as talk:
        await talk.subscribe(KLINE)
        await talk.data(KLINE)
        simulator.faults.stall = True
        await talk.pong()
        sent = simulator.stats.frames_out
        assert "data" in await talk.pong()
        assert simulator.stats.frames_out == sent + 1
        simulator.faults.stall = False
        assert await talk.data(KLINE)


async def test_one_topic_can_be_muted() -> None:
    other = "futures/klineBin1m:ETHUSDT"
    async with fast() as simulator, public(simulator) as talk:
        simulator.faults.mute_topics = [KLINE]
        await talk.subscribe(KLINE, other)
        assert {(await talk.next())["group"] for _ in range(10)} == {other}


async def test_a_frozen_server_answers_no_ping_of_any_kind_until_it_thaws() -> None:
    async with fast() as simulator, public(simulator) as talk:
        await talk.subscribe(KLINE)
        simulator.faults.freeze = True
        (socket,) = simulator.sockets
        while socket.connection.transport.is_reading():
            await get(simulator, "/system/time")
        pong = await talk.socket.ping()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(pong), 0.3)
        simulator.faults.freeze = False
        async with asyncio.timeout(DEADLINE_S):
            await pong
        assert await talk.data(KLINE)


async def test_frames_can_end_with_a_newline_or_be_raw_deflate() -> None:
    async with fast() as simulator, public(simulator) as talk:
        simulator.faults.newline = True
        await talk.send(action="ping")
        assert str(await talk.raw()).endswith('"}\n')
        simulator.faults.newline, simulator.faults.deflate = False, True
        await talk.send(action="ping")
        packed = await talk.raw()
        assert isinstance(packed, bytes)
        assert json.loads(zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed))["group"] == "System"


async def test_frames_can_arrive_twice_or_not_at_all() -> None:
    async with fast() as simulator, public(simulator) as talk:
        simulator.faults.duplicate_frames = 1
        await talk.subscribe(KLINE)
        frames = [await talk.raw() for _ in range(6)]
        assert frames[::2] == frames[1::2]
        simulator.faults.reset()
        simulator.faults.lose_frames = 1
        await talk.pong()
        sent = simulator.stats.frames_out
        await talk.pong()
        assert simulator.stats.frames_out == sent + 1


async def test_frames_can_be_late() -> None:
    async with fast() as simulator, private(simulator, "futures/asset:USDT") as talk:
        simulator.faults.delay_frames = 0.2
        before = simulator.now
        simulator.account.submit("BTCUSDT", 1, 1, price="60000")
        assert (await talk.next())["group"] == "futures/asset:USDT"
        assert simulator.now - before >= 0.2 * 600 * 1000


async def test_odd_frames_come_in_between() -> None:
    odd: list[str] = []
    async with fast() as simulator, public(simulator) as talk:
        simulator.faults.malformed_frames = 1
        await talk.subscribe(KLINE)
        for _ in range(12):
            assert json.loads(await talk.raw())["group"] == KLINE
            odd.append(str(await talk.raw()))
    assert len(set(odd)) == 12
    assert '{"success":false,"error":"Internal server error"}' in odd


async def test_sockets_are_cut_without_a_close_frame() -> None:
    async with fast() as simulator, public(simulator) as outer, private(simulator, "futures/order") as inner:
        assert simulator.cut_sockets("public") == 1
        await outer.closed()
        assert outer.socket.close_code == 1006
        await inner.pong()
        simulator.faults.cut_once = True
        simulator.account.submit("BTCUSDT", 1, 1, price="60000")
        await inner.closed()
        assert (inner.socket.close_code, simulator.faults.cut_once, simulator.stats.sockets_cut) == (1006, False, 2)
        with pytest.raises(ValueError, match="public, private or all"):
            simulator.cut_sockets("some")


async def test_sockets_are_cut_every_so_many_frames() -> None:
    async with fast() as simulator:
        simulator.faults.cut_every_frames = 3
        for _ in range(2):
            async with public(simulator) as talk:
                await talk.subscribe(KLINE)
                await talk.closed()
        assert simulator.stats.sockets_cut == 2


async def test_connecting_can_be_refused() -> None:
    async with fast() as simulator:
        simulator.faults.connection_limit = 1
        async with public(simulator):
            with pytest.raises(InvalidStatus) as refusal:
                await connect(simulator.public_ws_uri)
        assert refusal.value.response.body == b"IP Limited:Request connections exceeds limit"
        simulator.faults.http_403_on_connect = True
        with pytest.raises(InvalidStatus) as refusal:
            await connect(simulator.public_ws_uri)
        assert refusal.value.response.status_code == 403
        assert refusal.value.response.headers["Content-Type"].startswith("text/html")
        assert simulator.stats.sockets_refused == 2


async def test_idle_and_lifeless_sockets_can_be_closed() -> None:
    async with fast() as simulator:
        async with public(simulator) as talk:
            await _age(simulator, talk)
            simulator.faults.lifeless_close_5s = True
            await talk.closed()
            assert talk.socket.close_code == 1008
        simulator.faults.reset()
        async with public(simulator) as talk:
            await talk.subscribe(KLINE)
            await _age(simulator, talk)
            simulator.faults.idle_close_20s = True
            await talk.closed()
            assert talk.socket.close_code == 1008


async def _age(simulator: Simulator, talk: Talk) -> None:
    """Make the only socket half a minute older."""
    await talk.pong()
    (socket,) = simulator.sockets
    socket.opened -= 30
    socket.heard -= 30


class Pinged(ClientConnection):
    """A client that notes when it is pinged."""

    pinged: ClassVar[list[Frame]] = []

    def process_event(self, event: Event) -> None:
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            self.pinged.append(event)
        super().process_event(event)


async def test_the_server_pings_by_itself() -> None:
    async with (
        fast(ping_interval_s=0.05) as simulator,
        connect(simulator.public_ws_uri, create_connection=Pinged) as socket,
    ):
        talk = Talk(socket)
        while len(Pinged.pinged) < 2:
            await talk.pong()


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_compression_is_negotiated_if_offered(compression: str | None) -> None:
    async with fast() as simulator, public(simulator, compression=compression) as talk:
        response = talk.socket.response
        assert response is not None
        offered = response.headers.get("Sec-WebSocket-Extensions")
        expected = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        assert offered == (expected if compression else None)
        assert (await talk.pong())["group"] == "System"
