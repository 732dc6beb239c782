"""Redis goes away, comes back empty, is of another kind or shows a certificate that nobody vouches for."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from bridge.settings import load
from bridge.store.embedded.server import EmbeddedServer
from tests.ingest.books import bought
from tests.ingest.rig import START
from tests.scenarios.whole import BTC, CLOSED, ETH, LIVE, ORDERS, Fields, Whole, joined, market, until_equal, whole
from tests.store.certificates import Certificates, issued
from tests.store.clusters import DOWN_AFTER_MS, SERVICE, SLOTS, SentinelServer
from tests.store.processes import HOST, Server, own_port, raw, settled
from tests.store.relay import Relay
from tests.support import wait_until

PLACES = ["server", "socket", "user", "tls", "sentinels", "cluster"]
BUY = 1


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Those of this module."""
    return issued(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """A server that keeps its data."""
    async with EmbeddedServer(tmp_path / "server", port=0) as started:
        yield started


async def test_redis_may_go_away(server: EmbeddedServer, caplog: pytest.LogCaptureFixture) -> None:
    """Redis may go away."""
    async with market(rate=120.0) as exchange, whole(exchange, server.url) as bridge:
        await bridge.http.put("/subscriptions?wait=active&timeout=30", json={"topics": [BTC, ORDERS]})
        await bridge.until_told("resynced")
        await bridge.until_more(LIVE, 3)
        before = await bridge.read(LIVE)
        opened = exchange.stats.sockets_opened

        # Redis stops. The market goes on, and so does the account: all of it waits.
        await server.stop()
        await wait_until(lambda: "writing waits" in caplog.text, "the log says that writing waits")
        trades = [bought(exchange.account, "BTCUSDT", BUY, 1) for _ in range(20)]
        end = exchange.now + 120_000
        await wait_until(lambda: exchange.now > end, "two minutes pass at the exchange")

        # It is back. What waited is written in order, and the sockets were open all the time.
        await server.start()

        async def all_there() -> bool:
            told = [entry["trade_id"] for entry in await bridge.read("bitmart:fills:{main}", "fill")]
            return told == [str(trade) for trade in trades]

        await wait_until(all_there, "each execution is there, once and in order", 20)
        await bridge.until_closed(end // 60_000 * 60_000)
        assert exchange.stats.sockets_opened == opened
        candles = await bridge.read(LIVE)
        assert candles[: len(before)] == before
        path = [(int(each["open_time"]), int(each["volume"]), int(each["closed"])) for each in candles]
        assert path == sorted(path)
        opens = [int(each["open_time"]) for each in await bridge.read(CLOSED)]
        assert {late - early for early, late in pairwise(opens)} == {60_000}


async def test_a_store_that_comes_back_empty_is_a_loss_not_a_wish(tmp_path: Path) -> None:
    """A store that comes back empty is a loss, not a wish."""
    async with (
        EmbeddedServer(tmp_path / "forgetful", port=0, persistent=False) as forgetful,
        market() as exchange,
        whole(exchange, forgetful.url) as bridge,
    ):
        await bridge.post("/klines/subscribe", symbol="BTCUSDT", tfs="1m", owner="anna")
        await bridge.post("/orders/subscribe?wait=active&timeout=30", owner="ben")
        await bridge.until_told("resynced")
        await bridge.until_closed(START - 60_000)
        trade = bought(exchange.account, "BTCUSDT", BUY, 1)

        async def published() -> list[str]:
            return [entry["trade_id"] for entry in await bridge.read("bitmart:fills:{main}", "fill")]

        await until_equal(published, [str(trade)])
        held = figures(await bridge.read(CLOSED))

        # The server is started anew, with nothing in it: the ingester gives it all back.
        await forgetful.stop()
        await forgetful.start()
        await bridge.until_told("store_lost")
        await bridge.until_active(BTC, ORDERS)
        assert (await bridge.get("/subscriptions"))["owners"] == {"anna": [BTC], "ben": [ORDERS]}
        await bridge.until_more(LIVE)
        # What was lost is fetched by REST again, as far back as before.
        await until_equal(published, [str(trade)])
        await wait_until(lambda: refilled(bridge, len(held)), "as many closed candles as before are back", 20)
        candles = figures(await bridge.read(CLOSED))
        assert {late - early for early, late in pairwise(candles)} == {60_000}
        kept = candles.keys() & held.keys()
        assert kept
        assert {opened: candles[opened] for opened in kept} == {opened: held[opened] for opened in kept}
        # Nothing came twice meanwhile, the loss was told once, and no socket was given up for it.
        assert await published() == [str(trade)]
        assert len(await bridge.told("store_lost")) == 1
        assert exchange.stats.sockets_opened == 2


def figures(candles: list[Fields]) -> dict[int, tuple[str, ...]]:
    """Return by the time of its open what each candle came to."""
    names = ("open", "high", "low", "close", "volume")
    return {int(candle["open_time"]): tuple(candle[name] for name in names) for candle in candles}


async def refilled(bridge: Whole, count: int) -> bool:
    """Tell whether so many closed candles are there."""
    return len(await bridge.read(CLOSED)) >= count


@pytest.fixture(params=PLACES)
async def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> AsyncIterator[str]:
    """The URL of a Redis of each kind, as the settings complete it."""
    kind, own, folder = request.param, {}, tmp_path_factory.mktemp("p")  # short, as a socket's path has to be
    if kind == "socket":
        own = {"unixsocket": str(folder / "s")}
    elif kind == "user":
        own = {"user": "bridge on >pass@word ~* &* +@all"}
    elif kind == "cluster":
        own = {"cluster_enabled": "yes", "cluster_port": str(own_port())}
    async with AsyncExitStack() as closing:
        server = closing.enter_context(Server(folder / "redis", **own))
        more: dict[str, str] = {}
        if kind == "tls":
            relay = await closing.enter_async_context(Relay(server.port, certificates.server_context()))
            url, more = relay.url, {"REDIS_CA_FILE": str(certificates.authority)}
        elif kind == "sentinels":
            sentinel = closing.enter_context(watching(server, folder / "sentinel"))
            url = f"redis+sentinel://{sentinel.address}/{SERVICE}"
        elif kind == "cluster":
            server.control.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
            settled(lambda: "cluster_state:ok" in raw(server, "CLUSTER", "INFO"), "all slots")
            url = f"redis+cluster://{server.address}"
        else:
            url = {
                "server": f"redis://{server.address}/7",
                "socket": f"unix://{folder / 's'}?db=3",
                "user": f"redis://bridge:pass%40word@{server.address}/2",
            }[kind]
        yield load({"REDIS_URL": url, **more}, dotenv=None).redis_url.reveal()


def watching(server: Server, folder: Path) -> SentinelServer:
    """Return a sentinel that watches a server."""
    sentinel = SentinelServer(folder)
    sentinel._options = {  # noqa: SLF001 - what a sentinel is told stands in its file
        "sentinel monitor": f"{SERVICE} {HOST} {server.port} 1",
        "sentinel down-after-milliseconds": f"{SERVICE} {DOWN_AFTER_MS}",
    }
    return sentinel


async def test_redis_is_the_same_wherever_it_is(place: str) -> None:
    """Redis is the same wherever it is."""
    async with market(rate=120.0) as exchange, whole(exchange, place, replicas=2) as bridge, joined(bridge, "two"):
        answer = await bridge.http.put("/subscriptions?wait=active&timeout=30", json={"topics": [BTC, ETH, ORDERS]})
        assert answer.status_code == 200, answer.text
        bought(exchange.account, "BTCUSDT", BUY, 1)
        for stream in (LIVE, CLOSED, "bitmart:klines:{ETHUSDT}:1m"):
            await bridge.until_more(stream)
        await until_equal(lambda: sizes(bridge), ["1"])
        assert [each["id"] for each in (await bridge.get("/status"))["ingesters"]] == ["one", "two"]
        await bridge.post("/pause?wait=active&timeout=30")
        await wait_until(lambda: exchange.stats.sockets_open == 0, "all sockets are closed")


async def sizes(bridge: Whole) -> list[str]:
    """Return the sizes of the executions that are told."""
    return [entry["size"] for entry in await bridge.read("bitmart:fills:{main}", "fill")]


async def test_tls_is_never_unchecked_in_silence(
    server: EmbeddedServer, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    """TLS is never unchecked in silence."""
    caplog.set_level(logging.INFO)
    async with Relay(server.port, certificates.server_context()) as relay, market() as exchange:
        # Nobody vouches for this server: it is not spoken to, and the log says why.
        async with whole(exchange, relay.url) as bridge:
            await wait_until(lambda: "CERTIFICATE_VERIFY_FAILED" in caplog.text, "the log says why")
            answer = await bridge.post("/orders/subscribe")
            assert answer.status_code == 503
        async with whole(exchange, server.url) as bridge:
            assert (await bridge.get("/subscriptions"))["topics"] == []

        # The URL itself may say that nothing is to be checked. Then the log warns of it, once in each process.
        caplog.clear()
        async with whole(exchange, f"{relay.url}?ssl_cert_reqs=none") as bridge:
            await bridge.post("/klines/subscribe?wait=active&timeout=30", symbol="BTCUSDT", tfs="1m")
            warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
            assert [text for text in warned if "certificate" in text or "checked" in text]
