"""`GET /metrics` of the control API: its own figures, the wishes, and what members publish."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from bridge.metrics import METRICS, PAUSED, Kind, Place, Sample
from bridge.store.embedded.server import EmbeddedServer
from bridge.store.members import State
from tests.control.support import BTC_1M, BTC_5M, EVERY_1M, ORDER, TOKEN, Store, serving, settings_for
from tests.scrapes import Scrape
from tests.store.processes import own_port

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def scrape(api: httpx2.AsyncClient) -> Scrape:
    return Scrape((await api.get("/metrics")).raise_for_status().text)


async def test_members_and_wishes_are_shown(api: httpx2.AsyncClient, known: Store) -> None:
    await known.desired.change("shared", add=[BTC_1M, BTC_5M, ORDER, "nonsense"])
    await known.serve("one", {BTC_1M: State.ACTIVE, ORDER: State.REJECTED}, applied_rev=1, depth=7, proof_lag_ms=1_500)
    await known.serve("two", {BTC_1M: State.PENDING}, applied_rev="odd", public="waiting")
    seen = await scrape(api)
    assert (seen("members"), seen("wishes_revision"), seen("redis_up"), seen("paused")) == (2, 1, 1, 0)
    assert seen.series("wishes") == {("active",): 1, ("pending",): 1, ("rejected",): 2}
    assert seen.series("member_applied_revision") == {("one",): 1}
    assert seen.series("member_buffer_entries") == {("one",): 7}
    assert seen.series("member_proof_lag_seconds") == {("one",): 1.5}
    assert seen("member_connections_open", ingester="one", connection="public") == 1
    assert seen("member_connections_open", ingester="two", connection="public") == 0


async def test_a_wildcard_is_counted_by_what_it_stands_for(api: httpx2.AsyncClient, known: Store) -> None:
    await known.desired.change("shared", add=[EVERY_1M])
    await known.desired.pause(paused=True)
    await known.serve("one", {BTC_1M: State.ACTIVE, EVERY_1M: State.PENDING, BTC_5M: State.ACTIVE})
    seen = await scrape(api)
    assert seen.series("wishes") == {("active",): 1, ("pending",): 0, ("rejected",): 0}
    assert seen("paused") == 1


async def test_requests_are_counted_by_status_refused_ones_too(valkey_url: str) -> None:
    async with serving(settings_for(valkey_url, token=TOKEN)) as http:
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Bearer {TOKEN}"}):
            await http.get("/metrics", headers=headers)
        answer = await http.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert Scrape(answer.text).series("api_requests_total") == {("200",): 1, ("401",): 1, ("403",): 1}
        assert Scrape(answer.text)("api_request_seconds_count") == 3
        assert TOKEN not in answer.text


async def test_while_redis_is_away_that_is_what_the_figures_say(tmp_path: Path) -> None:
    async with (
        EmbeddedServer(tmp_path / "redis", port=own_port(), persistent=False) as server,
        serving(settings_for(server.url)) as http,
    ):
        assert (await scrape(http))("redis_up") == 1
        await server.stop()
        seen = await scrape(http)
    assert seen("redis_up") == 0
    assert "bitmart_bridge_members" not in seen.names


async def test_everything_declared_for_the_api_is_shown(api: httpx2.AsyncClient, known: Store) -> None:
    await known.serve("one", {}, depth=0, proof_lag_ms=0, target=0, serving=0)
    await scrape(api)
    shown = (await scrape(api)).names
    declared = {
        f"{metric.name}_count" if metric.kind is Kind.HISTOGRAM else metric.name
        for metric in METRICS
        if metric.place in (Place.API, Place.BOTH)
    }
    assert declared - shown == set()


async def test_figures_of_an_ingester_in_the_same_process_stand_beside_them(valkey_url: str) -> None:
    (frames,) = (metric for metric in METRICS if metric.name == "bitmart_bridge_frames_total")
    async with serving(
        settings_for(valkey_url), also=lambda: [Sample(frames, 5, ("public",)), Sample(PAUSED, 0)]
    ) as http:
        seen = await scrape(http)
    assert (seen("frames_total", connection="public"), seen("paused"), seen("members")) == (5, 0, 0)
