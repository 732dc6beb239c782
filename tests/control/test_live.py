"""What pages are told as it happens: by real HTTP, out of a real Redis."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bridge.control import ControlServer, create_app
from bridge.control.backend import opened as opened_backend
from bridge.control.live.live import MOST_MAILBOXES, Live
from bridge.control.live.live import opened as opened_live
from bridge.control.live.mailbox import Mailbox
from bridge.control.live.response import LiveResponse
from bridge.control.traffic import Traffic
from bridge.exchanges import chosen
from bridge.store.embedded.server import EmbeddedServer
from bridge.store.members import State, TopicState
from tests.control.streams import Stream, streaming
from tests.control.support import BTC_1M, BTC_5M, EVERY_1M, ORDER, Store, serving, settings_for
from tests.store.processes import own_port
from tests.support import wait_until

KLINES = "/live/klines?symbol=BTCUSDT&timeframe=1m"
HOSTILE = "<img src=x onerror=alert(1)>\nevent: fill\n\n"


@pytest.fixture
async def http(valkey_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with serving(settings_for(valkey_url)) as client:
        yield client


@pytest.fixture
async def store(valkey_url: str) -> AsyncIterator[Store]:
    found = Store(valkey_url)
    yield found
    await found.redis.aclose()


async def add(store: Store, stream: str, **fields: str) -> str:
    entry: dict[Any, Any] = {"v": "1", **fields}
    return str(await store.redis.xadd(stream, entry))


def texts(stream: Stream, event: str = "event") -> list[str]:
    return [message["fields"]["text"] for message in stream.all(event)]


async def told(http: httpx2.AsyncClient) -> dict[str, Any]:
    """What a page is told of the topics at its beginning."""
    async with streaming(http, "/live") as page:
        found: dict[str, Any] = (await page.until(1, "topics"))[0]
    return found


async def test_a_page_is_told_how_all_is(http: httpx2.AsyncClient, store: Store) -> None:
    await store.desired.change("shared", add=[BTC_1M, EVERY_1M, ORDER, "nonsense"])
    await store.serve("one", {BTC_1M: State.ACTIVE}, depth=3)
    async with streaming(http, "/live") as page:
        (overview,) = await page.until(1, "overview")
        (topics,) = await page.until(1, "topics")
    assert overview["exchange"] == "bitmart"
    assert [one["id"] for one in overview["ingesters"]] == ["one"]
    assert overview["ingesters"][0]["depth"] == 3
    assert topics["whole"] is True
    views = {name: (view["channel"], view["symbol"], view["timeframe"]) for name, view in topics["changed"].items()}
    assert views == {
        BTC_1M: ("kline", "BTCUSDT", "1m"),
        EVERY_1M: ("kline", "*", "1m"),
        ORDER: ("order", "", ""),
        "nonsense": ("", "", ""),
    }
    assert topics["changed"][BTC_1M]["state"] == "active"
    assert topics["changed"]["nonsense"]["state"] == "rejected"


async def test_only_topics_that_changed_are_told_again(http: httpx2.AsyncClient, store: Store) -> None:
    await store.desired.change("shared", add=[BTC_1M, BTC_5M, ORDER])
    await store.serve("one", {BTC_1M: State.ACTIVE, BTC_5M: State.PENDING, ORDER: State.ACTIVE})
    async with streaming(http, "/live") as page:
        await page.until(1, "topics")
        refused = TopicState(State.REJECTED, since=8, reason=HOSTILE)
        await store.members.publish("one", {BTC_5M: refused}, [ORDER])
        await store.desired.change("shared", remove=[ORDER])
        await page.until(2, "topics")
        changes = page.all("topics")[1:]
    assert all(change["whole"] is False for change in changes)
    assert {name for change in changes for name in change["changed"]} <= {BTC_5M, ORDER}
    assert changes[0]["changed"][BTC_5M]["reason"] == HOSTILE


async def test_who_comes_later_is_told_all_of_it(http: httpx2.AsyncClient, store: Store) -> None:
    await store.desired.change("shared", add=[BTC_1M])
    async with streaming(http, "/live") as first:
        await first.until(1, "topics")
        second = await told(http)
    assert second["whole"] is True
    assert list(second["changed"]) == [BTC_1M]


async def test_entries_come_as_they_are_written_each_once_to_every_page(http: httpx2.AsyncClient, store: Store) -> None:
    for number in range(3):
        await add(store, store.keys.events, text=f"old {number}")
    async with streaming(http, "/live") as one, streaming(http, "/live") as two:
        await one.until(3, "event")
        for number in range(50):
            await add(store, store.keys.events, text=f"new {number}")
        expected = [f"old {number}" for number in range(3)] + [f"new {number}" for number in range(50)]
        for page in (one, two):
            await page.until(53, "event")
            assert texts(page) == expected


async def test_no_entry_is_lost_or_doubled_while_pages_come_and_go(http: httpx2.AsyncClient, store: Store) -> None:
    async def write() -> None:
        for number in range(60):
            await add(store, store.keys.events, text=str(number))

    async def look() -> list[str]:
        async with streaming(http, "/live") as page:
            async with asyncio.timeout(20):
                while texts(page)[-1:] != ["59"]:
                    await page.until(len(page.all("event")) + 1, "event")
            return texts(page)

    looking = [asyncio.create_task(look()) for _ in range(5)]
    await write()
    for page in await asyncio.gather(*looking):
        assert page == [str(number) for number in range(int(page[0]), 60)]


async def test_an_open_order_is_told_however_old(http: httpx2.AsyncClient, store: Store) -> None:
    order: dict[Any, Any] = {"type": "order", "order_id": "7", "status": "open", "price": "60000.10"}
    await store.redis.hset(store.keys.order("7"), mapping={**order})
    await store.redis.sadd(store.keys.open_orders, "7")
    await add(store, store.keys.fills, type="fill", trade_id="9")
    async with streaming(http, "/live") as page:
        assert [message["fields"] for message in await page.until(1, "order")] == [order]
        assert (await page.until(1, "fill"))[0]["fields"]["trade_id"] == "9"


async def test_candles_come_from_both_streams_as_they_stand(http: httpx2.AsyncClient, store: Store) -> None:
    closed, live = store.keys.closed_klines("BTCUSDT", "1m"), store.keys.klines("BTCUSDT", "1m")
    await store.redis.xadd(closed, {"close": "64000.10"}, id="60000-0")
    await add(store, live, close="64000.1000")
    async with streaming(http, KLINES) as page:
        assert (await page.until(1, "closed"))[0] == {"id": "60000-0", "fields": {"close": "64000.10"}}
        assert (await page.until(1, "kline"))[0]["fields"]["close"] == "64000.1000"
        await store.redis.xadd(closed, {"close": "7"}, id="120000-0")
        assert (await page.until(2, "closed"))[1]["fields"] == {"close": "7"}


@pytest.mark.parametrize(
    ("query", "field"),
    [("symbol=BTCUSDT&timeframe=7m", "tfs"), ("symbol=B!&timeframe=1m", "symbol"), ("symbol=*&timeframe=1m", "symbol")],
)
async def test_candles_of_nothing_are_refused(http: httpx2.AsyncClient, query: str, field: str) -> None:
    answer = await http.get(f"/live/klines?{query}")
    assert answer.status_code == 422
    assert answer.json()["field"] == field


async def test_nobody_keeps_what_it_tells(http: httpx2.AsyncClient) -> None:
    async with streaming(http, "/live") as page:
        assert page.answer.headers["cache-control"] == "no-store"
        assert page.answer.headers["content-type"].startswith("text/event-stream")
    assert (await http.head("/live")).status_code == 200
    assert (await http.post("/live")).status_code == 405


async def test_the_servers_end_ends_it_at_once(valkey_url: str) -> None:
    settings = settings_for(valkey_url)
    async with AsyncExitStack() as closing:
        # A grace that no test waits for: uvicorn would break the answers off only after it.
        server = ControlServer(create_app(settings, chosen(settings)), "127.0.0.1:0", grace_s=600)
        await closing.enter_async_context(server)
        http = await closing.enter_async_context(httpx2.AsyncClient(base_url=server.url))
        page = await closing.enter_async_context(streaming(http, "/live"))
        candles = await closing.enter_async_context(streaming(http, KLINES))
        await page.until(1, "topics")
        async with asyncio.timeout(30):
            await server.stop()
        await wait_until(lambda: page.ended and candles.ended, "both answers end")
        assert (page.broken, candles.broken) == (False, False)


async def test_when_redis_goes_pages_are_let_go_and_told_why_when_they_ask_again(tmp_path: Path) -> None:
    async with (
        EmbeddedServer(tmp_path / "valkey", port=own_port(), persistent=False) as mortal,
        serving(settings_for(mortal.url)) as http,
    ):
        async with streaming(http, "/live") as page, streaming(http, KLINES) as candles:
            await page.until(1, "topics")
            os.kill(mortal.pid, signal.SIGKILL)
            await mortal.wait_closed()
            await wait_until(lambda: page.ended and candles.ended, "both answers end")
        answer = await http.get("/live")
        assert answer.status_code == 503
        assert "Redis" in answer.json()["error"]
        await mortal.start()
        assert (await told(http))["whole"] is True


@pytest.fixture
async def live(valkey_url: str) -> AsyncIterator[Live]:
    settings = settings_for(valkey_url)
    traffic = Traffic()
    async with (
        opened_backend(settings, chosen(settings), traffic, tuple) as backend,
        opened_live(settings, backend) as found,
    ):
        yield found


async def reading(store: Store) -> int:
    """How many connections wait for entries."""
    clients = await store.redis.client_list()
    return sum(client["cmd"] == "xread" for client in clients)


async def test_a_stream_is_read_once_however_many_look(live: Live, store: Store) -> None:
    mailboxes = [await live.candles("BTCUSDT", "1m") for _ in range(10)]

    async def twice() -> bool:
        return await reading(store) == 2

    await wait_until(twice, "the closed and the live stream are read, each once")
    for mailbox in mailboxes:
        await live.leave(mailbox)

    async def never() -> bool:
        return await reading(store) == 0

    await wait_until(never, "nothing is read any more")
    again = await live.candles("BTCUSDT", "1m")
    await wait_until(twice, "it is read again")
    await live.leave(again)


async def test_too_many_pages_are_refused_and_one_that_leaves_makes_room(live: Live) -> None:
    mailboxes = [await live.candles("BTCUSDT", "1m") for _ in range(MOST_MAILBOXES)]
    with pytest.raises(Exception, match="open already"):
        await live.bridge()
    await live.leave(mailboxes.pop())
    mailboxes.append(await live.bridge())
    await asyncio.gather(*(live.leave(mailbox) for mailbox in mailboxes))


async def test_after_the_end_nobody_is_let_in(live: Live) -> None:
    live.end()
    with pytest.raises(Exception, match="ending"):
        await live.bridge()


async def test_a_page_that_reads_too_slowly_is_dropped(live: Live, caplog: pytest.LogCaptureFixture) -> None:
    mailbox = Mailbox(limit_bytes=100)
    response = LiveResponse(live, mailbox)
    stuck = asyncio.Event()

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            stuck.set()
            await asyncio.Event().wait()

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    answering = asyncio.create_task(response({"type": "http", "method": "GET"}, receive, send))  # type: ignore[arg-type]
    mailbox.put(b"one")
    await stuck.wait()
    mailbox.put(b"x" * 101)
    async with asyncio.timeout(20):
        await answering
    assert "too slowly" in caplog.text


async def test_a_silent_page_hears_heartbeats(live: Live) -> None:
    mailbox = await live.candles("BTCUSDT", "1m")
    sent: list[bytes] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message.get("body", b""))
        if sent.count(b":\n\n") == 2:
            mailbox.close()

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    response = LiveResponse(live, mailbox, beat_s=0.001)
    await response({"type": "http", "method": "GET"}, receive, send)  # type: ignore[arg-type]
    assert sent[-1] == b""
