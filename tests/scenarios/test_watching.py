"""What can be watched: figures, health, and the page's news, as whoever looks at them gets them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx2

from bridge.store.embedded.server import EmbeddedServer
from bridge.values import Secret
from tests.control.streams import streaming
from tests.ingest.books import bought
from tests.scenarios.whole import BTC, CLOSED, EVENTS, LIVE, ORDERS, POSITIONS, Whole, market, until_equal, whole
from tests.scrapes import Scrape
from tests.store.processes import own_port
from tests.support import wait_until

ACCOUNT = ("bitmart:orders:{main}", "bitmart:fills:{main}", "bitmart:positions:{main}")
TOKEN = "a-token-of-the-tests"
BUY = 1


def address() -> dict[str, str]:
    """Return where an ingester is to show its figures and health."""
    return {"metrics_addr": f"127.0.0.1:{own_port()}"}


@asynccontextmanager
async def probing(bridge: Whole) -> AsyncIterator[httpx2.AsyncClient]:
    """Open the ingester's own door."""
    async with httpx2.AsyncClient(base_url=f"http://{bridge.settings.metrics_addr}", timeout=20) as probes:
        yield probes


async def scrape(door: httpx2.AsyncClient) -> Scrape:
    """Read a door's figures as Prometheus would."""
    return Scrape((await door.get("/metrics")).raise_for_status().text)


async def ready(door: httpx2.AsyncClient) -> tuple[int, list[str]]:
    """Return what a door says of readiness: the status code, and all reasons against it."""
    answer = await door.get("/health/ready")
    return answer.status_code, answer.json()["reasons"]


async def test_the_figures_are_true(valkey_url: str) -> None:
    """The figures are true."""
    async with (
        market() as exchange,
        whole(exchange, valkey_url, **address()) as bridge,
        probing(bridge) as probes,
    ):
        # What never happened is 0 and not left out.
        assert (await scrape(probes)).series("entries_total")["fill",] == 0
        await bridge.http.put("/subscriptions?wait=active&timeout=30", json={"topics": [BTC, ORDERS, POSITIONS]})
        await bridge.until_told("resynced")
        bought(exchange.account, "BTCUSDT", BUY, 3)
        await bridge.until_more(LIVE, 10)
        await bridge.until_more(CLOSED)
        exchange.faults.stall = True

        # Both doors count what was really sent and called, and what really stands in the streams.
        async def equal() -> bool:
            for door in (probes, bridge.http):
                seen = await scrape(door)
                counted = {kind: count for (kind,), count in seen.series("entries_total").items()}
                account = sum(counted[kind] for kind in ("order", "fill", "position", "resync"))
                if (
                    (seen.total("frames_total"), seen("rest_calls_total"))
                    != (exchange.stats.frames_out, sum(exchange.stats.requests.values()))
                    or counted["kline"] != await added(bridge, LIVE)
                    or counted["event"] != await added(bridge, EVENTS)
                    or account != await added(bridge, *ACCOUNT)
                ):
                    return False
            return True

        await wait_until(equal, "the figures are those of the exchange and of the store", 20)
        assert (await scrape(probes)).series("entries_total")["fill",] == 1


async def added(bridge: Whole, *streams: str) -> int:
    """Return how many entries these streams have ever been given."""
    return sum([(await bridge.redis.xinfo_stream(stream))["entries-added"] for stream in streams])


async def test_the_whole_market_makes_no_more_series_than_one_candle(valkey_url: str) -> None:
    """The whole market makes no more series than one candle."""
    async with (
        market(symbols=30) as exchange,
        whole(exchange, valkey_url, contracts_refresh_s=600.0, **address()) as bridge,
        probing(bridge) as probes,
    ):
        await bridge.post("/klines/subscribe?wait=active&timeout=30", symbol="BTCUSDT", tfs="1m")
        few = [(await scrape(door)).names for door in (probes, bridge.http)]
        await bridge.post("/klines/subscribe?wait=active&timeout=20", symbols="*", tfs="1m")
        await until_equal(lambda: active(probes), 30)
        assert [(await scrape(door)).names for door in (probes, bridge.http)] == few
        for door in (probes, bridge.http):
            assert "USDT" not in (await door.get("/metrics")).text


async def active(door: httpx2.AsyncClient) -> float:
    """Return how many topics are active, by the figures."""
    return (await scrape(door))("topics", state="active")


async def test_a_trouble_with_redis_is_seen_and_hides_nothing_else(tmp_path: Path) -> None:
    """A trouble with Redis is seen, and hides nothing else."""
    async with (
        EmbeddedServer(tmp_path, port=0) as server,
        market() as exchange,
        whole(exchange, server.url, **address()) as bridge,
        probing(bridge) as probes,
    ):
        await bridge.post("/klines/subscribe?wait=active&timeout=30", symbol="BTCUSDT", tfs="1m")
        await bridge.until_more(LIVE)
        for door in (probes, bridge.http):
            assert (await scrape(door))("redis_up") == 1

        # Redis goes away. Both doors go on answering, say so, and count on what comes from BitMart.
        await server.stop()
        for door in (probes, bridge.http):
            await until_equal(partial(redis_up, door), 0)
            before = (await scrape(door)).total("frames_total")
            await wait_until(partial(frames, door, before), "frames are counted")
        await server.start()
        for door in (probes, bridge.http):
            await until_equal(partial(redis_up, door), 1)


async def redis_up(door: httpx2.AsyncClient) -> float:
    """Return whether Redis answers, by the figures."""
    return (await scrape(door))("redis_up")


async def frames(door: httpx2.AsyncClient, before: float) -> bool:
    """Tell whether more frames are counted than before."""
    return (await scrape(door)).total("frames_total") > before


async def test_alive_is_what_a_restart_would_mend_ready_is_what_it_would_not(tmp_path: Path) -> None:
    """Alive is what a restart would mend, ready is what it would not."""
    server = EmbeddedServer(tmp_path, port=0)
    await server.start()
    url = server.url
    await server.stop()
    async with (
        market() as exchange,
        whole(exchange, url, reconnect_max_s=0.1, **address()) as bridge,
        probing(bridge) as probes,
    ):
        # Without Redis it is alive, as no restart would help, and not ready.
        assert (await probes.get("/health/live")).status_code == 200
        assert await ready(probes) == (503, ["Redis has not answered yet"])
        await server.start()
        await until_equal(lambda: ready(probes), (200, []))

        # Where nothing is wanted of BitMart nobody misses it; where something is, its absence is a reason.
        await exchange.stop(abrupt=True)
        assert await ready(probes) == (200, [])
        await bridge.post("/klines/subscribe", symbol="BTCUSDT", tfs="1m")
        await wait_until(lambda: refused(probes), "it is not ready")
        (reason,) = (await ready(probes))[1]
        assert reason.startswith("no public connection is open")
        assert (await probes.get("/health/live")).status_code == 200
        await exchange.start()
        await until_equal(lambda: ready(probes), (200, []))

        # A pause is no reason.
        await bridge.post("/pause?wait=active&timeout=30")
        assert await ready(probes) == (200, [])
    await server.stop()


async def refused(door: httpx2.AsyncClient) -> bool:
    """Tell whether a door says that it is not ready."""
    return (await ready(door))[0] == 503


async def test_an_ingesters_figures_are_as_guarded_as_the_control_api(valkey_url: str) -> None:
    """An ingester's figures are as guarded as the control API."""
    async with market() as exchange, whole(exchange, valkey_url, **address()) as bridge, probing(bridge) as probes:
        # Without a token: this machine alone, by its own name, from no other page. Health answers anybody.
        for door in (probes, bridge.http):
            for headers in (
                {"X-Forwarded-For": "192.0.2.1"},
                {"Host": "evil.example"},
                {"Origin": "http://evil.example"},
            ):
                assert (await door.get("/metrics", headers=headers)).status_code == 403
                assert (await door.get("/health/live", headers=headers)).status_code == 200
    guarded = {"ctrl_token": Secret(TOKEN), **address()}
    async with market() as exchange, whole(exchange, valkey_url, **guarded) as bridge, probing(bridge) as probes:
        # With one: whoever shows it.
        for door in (probes, bridge.http):
            shown = [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Bearer {TOKEN}"}]
            codes = [(await door.get("/metrics", headers=headers)).status_code for headers in shown]
            assert codes == [401, 403, 200]
            assert (await door.get("/health/live")).status_code == 200
        answer = await probes.get("/health/ready")
        assert not [word for word in (TOKEN, "127.0.0.1", "simulator-key") if word in answer.text]


async def test_the_status_page_shows_what_is_true_now_or_says_that_it_cannot(tmp_path: Path) -> None:
    """The status page shows what is true now, or says that it can't."""
    async with (
        EmbeddedServer(tmp_path, port=0) as server,
        market() as exchange,
        whole(exchange, server.url) as bridge,
    ):
        await bridge.post("/klines/subscribe?wait=active&timeout=30", symbol="BTCUSDT", tfs="1m")
        # Two open pages are told what happens as it happens, each entry once, to the letter of the stream.
        candles = "/live/klines?symbol=BTCUSDT&timeframe=1m"
        async with streaming(bridge.http, candles) as one, streaming(bridge.http, candles) as two:
            for page in (one, two):
                await page.until(10, "kline")
            shown = [[message["fields"] for message in page.all("kline")][:10] for page in (one, two)]
            written = await bridge.read(LIVE)
            assert all(sequence == written[written.index(sequence[0]) :][:10] for sequence in shown)

            # Redis goes away: the pages are let go, and who asks again is told why.
            await server.stop()
            await wait_until(lambda: one.ended and two.ended, "both pages are let go")
            assert not one.broken
        refusal = await bridge.http.get(candles)
        assert (refusal.status_code, "Redis" in refusal.json()["error"]) == (503, True)

        # It is back: a page begins anew. An open page does not hold up the bridge's end.
        await server.start()
        await until_equal(lambda: bridge.code("/health/ready"), 200)
        async with streaming(bridge.http, candles) as page:
            await page.until(3, "kline")
            await bridge.post("/stop")
            await asyncio.wait_for(asyncio.shield(bridge.running), 20)
            await wait_until(lambda: page.ended, "the page is let go")
