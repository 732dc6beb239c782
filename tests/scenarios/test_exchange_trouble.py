"""BitMart in trouble: cut, silent, frozen, refusing, chopped by the network, or out to do harm."""

from __future__ import annotations

import asyncio
import logging
import random
import zlib
from typing import Final

import pytest

from bridge.ingest.rest.listing import Listing
from tests.ingest.books import bought
from tests.scenarios.whole import BTC, ETH, LIVE, ORDERS, Whole, joined, market, until_equal, whole
from tests.store.relay import Relay
from tests.support import wait_until

MIB: Final = 1 << 20
FILLS: Final = "bitmart:fills:{main}"
BUY: Final = 1


async def told(bridge: Whole, what: str) -> object:
    """Return what the first ingester tells of itself."""
    (first, *_) = (await bridge.get("/status"))["ingesters"]
    return first.get(what)


async def counted(bridge: Whole, frames: int) -> bool:
    """Tell whether so many frames are counted as malformed."""
    return int(str(await told(bridge, "malformed"))) >= frames


class Chopper(Relay):
    """A network that delivers what the exchange says in pieces of all sizes, frame or not."""

    async def _pass_replies(self, server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        dice = random.Random(7)  # noqa: S311 - a repeatable network
        while data := await server.read(MIB):
            while data:
                size = dice.choice([1, 2, 5, 100, 3_000, 60_000])
                client.write(data[:size])
                await client.drain()
                data = data[size:]
                await asyncio.sleep(0)


async def test_frames_are_whole_and_in_order_however_the_network_cuts_them(valkey_url: str) -> None:
    """Frames are whole and in order however the network cuts them."""
    async with market() as exchange, Chopper(exchange.port) as network:
        host = f"ws://127.0.0.1:{network.port}"
        uris = {
            "bitmart_public_ws_uri": f"{host}/api?protocol=1.1",
            "bitmart_private_ws_uri": f"{host}/user?protocol=1.1",
        }
        async with whole(exchange, valkey_url, **uris) as bridge:
            await bridge.http.put("/subscriptions?wait=active&timeout=30", json={"topics": [BTC, ETH, ORDERS]})
            await bridge.until_told("resynced")
            # A hundred trades at once, and candles all the while.
            trades = [str(bought(exchange.account, "BTCUSDT", BUY, 1)) for _ in range(100)]

            async def published() -> list[str]:
                return [entry["trade_id"] for entry in await bridge.read(FILLS, "fill")]

            await until_equal(published, trades)
            assert {entry["source"] for entry in await bridge.read(FILLS, "fill")} == {"ws"}
            await bridge.until_more(LIVE, 5)
            assert await told(bridge, "malformed") == 0
            assert await bridge.told("lost") == []


async def test_a_lost_connection_comes_back(valkey_url: str) -> None:
    """A lost connection comes back."""
    wary = {"ping_interval_s": 0.1, "pong_timeout_s": 0.3, "login_retry_s": 0.2}
    async with market() as exchange, whole(exchange, valkey_url, **wary) as bridge:
        await bridge.http.put("/subscriptions?wait=active&timeout=30", json={"topics": [BTC, ORDERS]})

        # BitMart goes away for a while: the bridge goes on knocking until it is let in.
        await exchange.stop(abrupt=True)
        await bridge.until_told("lost", 2)
        await wait_until(lambda: asked(bridge), "the topics say what is wrong")
        await exchange.start()
        await bridge.until_active(BTC, ORDERS)
        await bridge.until_more(LIVE)

        # It stands still with its sockets open: a ping without an answer replaces the connection.
        lost = len(await bridge.told("lost"))
        exchange.faults.freeze = True
        assert "ping" in (await bridge.until_told("lost", lost + 1))[-1]["text"]
        exchange.faults.freeze = False
        await bridge.until_active(BTC, ORDERS)
        await bridge.until_more(LIVE)

        # It refuses the credentials: they are tried again, and candles go on meanwhile.
        exchange.faults.refuse_login = True
        exchange.cut_sockets("private")
        await bridge.until_told("login_refused", 2)
        await bridge.until_more(LIVE)
        exchange.faults.refuse_login = False
        await bridge.until_active(BTC, ORDERS)


async def asked(bridge: Whole) -> bool:
    """Tell whether each topic waits and says what for."""
    topics = (await bridge.get("/status"))["topics"].values()
    return all(topic["state"] == "pending" and topic["reason"] for topic in topics)


async def test_silence_is_explained(
    valkey_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence is explained."""
    caplog.set_level(logging.INFO, "bridge.app")
    monkeypatch.setattr("bridge.app._EXPLAIN_S", 0.02)
    async with market() as exchange:
        exchange.faults.http_403_on_connect = exchange.faults.stall = True
        async with whole(exchange, valkey_url) as bridge:
            await wait_until(lambda: "waiting: nothing is wished for yet" in caplog.text, "it says that nobody wishes")
            await bridge.post("/klines/subscribe", symbol="BTCUSDT", tfs="1m")
            refused = "waiting: the public connection: refused with HTTP 403"
            await wait_until(lambda: refused in caplog.text, "it says that it is refused")
            await until_equal(lambda: told(bridge, "last_error"), "refused with HTTP 403")
            exchange.faults.http_403_on_connect = False
            mute = "waiting: 1 topics are asked for, and the exchange has sent no data yet"
            await wait_until(lambda: mute in caplog.text, "it says that BitMart is silent")
            exchange.faults.stall = False
            await bridge.until_more(LIVE)

            # A socket that answers pings and brings no data is kept; how old the last data is can be seen.
            opened = exchange.stats.sockets_opened
            exchange.faults.stall = True
            await wait_until(lambda: aged(bridge, 300), "the topic's data is seen to be old")
            assert exchange.stats.sockets_opened == opened
            assert (await bridge.states())[BTC] == "active"


async def aged(bridge: Whole, milliseconds: int) -> bool:
    """Tell whether the last data of the topic is so old."""
    return ((await bridge.get("/status"))["topics"][BTC]["data_age_ms"] or 0) > milliseconds


async def test_a_part_that_fails_ends_the_whole_loudly(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that fails ends the whole, loudly."""

    async def broken(_: Listing) -> None:
        raise RuntimeError("a fault of ours")

    async with market() as exchange, whole(exchange, valkey_url, member_lifetime_s=0.5) as bridge:
        await until_equal(lambda: alive(bridge), ["one"])
        # One of the parts of a second ingester has a fault: the whole of it ends, with the fault in its last words.
        monkeypatch.setattr(Listing, "run", broken)
        with pytest.raises(ExceptionGroup) as end:
            async with joined(bridge, "two") as second:
                await asyncio.wait_for(asyncio.shield(second), 20)
        assert end.group_contains(RuntimeError, match="a fault of ours")
        # It doesn't look alive, and the first goes on.
        await until_equal(lambda: alive(bridge), ["one"])
        await bridge.post("/klines/subscribe?wait=active&timeout=30", symbol="BTCUSDT", tfs="1m")
        await bridge.until_more(LIVE)


async def alive(bridge: Whole) -> list[str]:
    """Return who is alive."""
    return [str(each["id"]) for each in (await bridge.get("/status"))["ingesters"]]


def deflated(data: bytes) -> bytes:
    """Return raw deflate, as BitMart sends it."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


CANDLE: Final = '{"group":"futures/klineBin1m:BTCUSDT","data":{"symbol":"BTCUSDT","items":[%s]}}'
HARM: Final[list[str | bytes]] = [
    deflated(bytes(8 * MIB)),
    "[" * 500_000,
    CANDLE % ('{"o":' + "[" * 100_000),
    CANDLE % '{"o":"1","h":"1","l":"1","c":"1","v":"1","ts":1e999999999}',
    CANDLE % ('{"o":"1","h":"' + "9" * 500_000 + '","l":"1","c":"1","v":"1","ts":1785727320}'),
    CANDLE % '{"o":"1","h":"1\\r\\nFLUSHALL\\r\\n","l":"1","c":"1","v":"1","ts":1785727320}',
]


async def test_an_exchange_that_sends_harm_does_none(valkey_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """An exchange that sends harm does none."""
    async with market() as exchange, whole(exchange, valkey_url) as bridge:
        await bridge.post("/klines/subscribe?wait=active&timeout=30", symbol="BTCUSDT", tfs="1m")
        await bridge.until_more(LIVE)

        # Bombs, nesting without end, numbers without end, commands in a price: each is counted and shown, no more.
        (socket,) = exchange.sockets.holders(BTC)
        for frame in HARM:
            await socket.connection.send(frame)
        await wait_until(lambda: counted(bridge, len(HARM)), "all of it is counted")
        await bridge.until_more(LIVE)
        assert await bridge.told("lost") == []
        assert all(line.isprintable() and len(line) < 5_000 for line in caplog.messages)
        assert all(value.isprintable() for entry in await bridge.read(LIVE) for value in entry.values())

        # What is longer than anything BitMart could have to say ends its connection, and the next one takes over.
        await socket.connection.send("x" * (MIB + 1))
        await bridge.until_told("lost")
        await bridge.until_told("connected", 2)
        await bridge.until_more(LIVE)
