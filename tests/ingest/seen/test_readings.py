"""What an ingester shows, scraped over HTTP and held against what the exchange sent and what Redis holds."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from redis.asyncio import Redis

from bridge.control.probes import Subject, create_probes
from bridge.control.server import ControlServer
from bridge.ingest.ingester import Ingester
from bridge.metrics import METRICS, Kind, Place
from bridge.simulator import Simulator
from bridge.store import reader
from bridge.store.desired import Desired
from bridge.store.keys import Keys
from bridge.values import Secret
from tests.ingest.rig import BTC, ETH, ORDERS, POSITIONS, exchange_of, market, quick
from tests.scrapes import Scrape
from tests.support import wait_until

KEYS = Keys()


class Watched:
    """An ingester at work, and a scraper that looks at it."""

    def __init__(self, ingester: Ingester, http: httpx2.AsyncClient) -> None:
        """Scrape `ingester` by `http`."""
        self.ingester = ingester
        self.http = http

    async def scrape(self) -> Scrape:
        """What Prometheus would see now."""
        return Scrape((await self.http.get("/metrics")).raise_for_status().text)

    async def until(self, name: str, least: float, **labels: str) -> None:
        """Wait until a figure is reached."""

        async def so() -> bool:
            scrape = await self.scrape()
            return (scrape(name, **labels) if labels else scrape.total(name)) >= least

        await wait_until(so, f"{name} {labels} reaches {least}", 30)


@asynccontextmanager
async def watching(
    simulator: Simulator,
    url: str,
    store: Redis,
    *wishes: str,
    **changes: Any,  # noqa: ANN401 - settings
) -> AsyncIterator[Watched]:
    settings = quick(
        simulator,
        redis_url=Secret(url),
        heartbeat_interval_s=0.05,
        reconcile_interval_s=0.1,
        contracts_refresh_s=600,
        **changes,
    )
    await Desired(store, KEYS).change("shared", add=wishes)
    ingester = Ingester(settings, exchange_of(settings))
    subject = Subject(ingester.readings.samples, ingester.health.ill, ingester.health.hindered)
    task = asyncio.create_task(ingester.run())
    async with ControlServer(create_probes(subject, Secret(), "127.0.0.1:0"), "127.0.0.1:0") as server:
        async with httpx2.AsyncClient(base_url=server.url) as http:
            yield Watched(ingester, http)
        ingester.stop()
        await asyncio.wait_for(task, 20)


def entries(scrape: Scrape) -> dict[str, float]:
    """How many entries of each kind are counted."""
    return {kind: count for (kind,), count in scrape.series("entries_total").items()}


async def added(store: Redis, *streams: str) -> int:
    """How many entries these streams have ever been given."""
    known = [await store.xinfo_stream(stream) for stream in streams if await store.exists(stream)]
    return sum(stream["entries-added"] for stream in known)


async def test_the_figures_are_what_was_sent_and_what_is_stored(valkey_url: str, store: Redis) -> None:
    async with (
        market(trading=True, order_interval_s=10, account_history_s=600) as simulator,
        watching(simulator, valkey_url, store, BTC, ETH, ORDERS, POSITIONS) as watched,
    ):
        await watched.until("records_total", 300)
        await watched.until("closed_latency_seconds_count", 2)
        await watched.until("entries_total", 1, kind="fill")
        await watched.until("account_syncs_total", 1)
        simulator.faults.stall = True

        async def settled() -> bool:
            scrape = await watched.scrape()
            sent, asked = simulator.stats.frames_out, sum(simulator.stats.requests.values())
            frames, calls = scrape.total("frames_total"), scrape("rest_calls_total")
            return frames == sent and calls == asked and scrape("buffer_entries") == 0

        await wait_until(settled, "as many frames and calls are counted as the exchange counts, and all is written", 30)
        lives = [KEYS.klines("BTCUSDT", "1m"), KEYS.klines("ETHUSDT", "5m")]
        accounts = [KEYS.orders, KEYS.fills, KEYS.positions]

        async def stored() -> bool:
            counted = entries(await watched.scrape())
            account = counted["order"] + counted["fill"] + counted["position"] + counted["resync"]
            return (counted["kline"], account) == (await added(store, *lives), await added(store, *accounts))

        # What REST tells goes on meanwhile.
        await wait_until(stored, "as many entries are counted as Redis was given")
        scrape = await watched.scrape()
        closed = [KEYS.closed_klines("BTCUSDT", "1m"), KEYS.closed_klines("ETHUSDT", "5m")]
        assert scrape.total("received_bytes_total") > 100 * scrape.total("frames_total")
        assert scrape("topics", state="active") == scrape("share_topics") == 4
        assert (scrape("topics", state="pending"), scrape("topics", state="rejected")) == (0, 0)
        assert scrape("connections_open", connection="public") == scrape("connections_open", connection="private") == 1
        assert scrape("account_syncs_total") >= 1
        assert scrape("flush_entries_sum") >= scrape.total("entries_total")
        assert scrape("append_latency_seconds_count") == scrape("flush_seconds_count")
        assert 0 < entries(scrape)["closed"] <= scrape.total("proofs_total")
        assert await added(store, *closed) >= entries(scrape)["closed"]
        assert (scrape("redis_up"), scrape("rest_errors_total"), scrape.total("decode_errors_total")) == (1, 0, 0)
        assert scrape("clock_offset_seconds") < 0


async def test_events_are_counted_by_the_name_they_have_in_the_stream(valkey_url: str, store: Redis) -> None:
    async with market() as simulator, watching(simulator, valkey_url, store, BTC, "futures/klineBin1m:NO") as watched:
        simulator.faults.cut_once = True
        await watched.until("reconnects_total", 1, connection="public", reason="cut")
        await watched.until("refusals_total", 1, what="topic")
        await watched.until("events_total", 2, event="connected")

        async def equal() -> bool:
            written = [fields["event"] for _, fields in await reader.newest(store, KEYS.events, 1_000)]
            counted = {name: count for (name,), count in (await watched.scrape()).series("events_total").items()}
            return {name: count for name, count in counted.items() if count} == Counter(written)

        await wait_until(equal, "as many of each event are counted as are written")


async def test_everything_declared_for_an_ingester_is_shown(valkey_url: str, store: Redis) -> None:
    async with market() as simulator, watching(simulator, valkey_url, store, BTC) as watched:
        simulator.faults.cut_once = True
        await watched.until("reconnects_total", 1)
        await watched.until("proofs_total", 1)
        shown = (await watched.scrape()).names
        declared = {
            f"{metric.name}_count" if metric.kind is Kind.HISTOGRAM else metric.name
            for metric in METRICS
            if metric.place in (Place.INGESTER, Place.BOTH)
        }
        assert declared - shown == set()
