"""Following the bridge's own streams in a real Redis."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from bridge.settings import Settings
from bridge.store import client
from bridge.store.embedded.server import EmbeddedServer
from bridge.store.keys import Keys
from bridge.terminal import tail
from bridge.terminal.printing import Printer
from bridge.terminal.tail import Selection, Tail
from bridge.values import Secret
from tests.store.processes import own_port
from tests.support import wait_until

KEYS = Keys()
BTC, ETH = KEYS.klines("BTCUSDT", "1m"), KEYS.klines("ETHUSDT", "1h")


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "_LOOK_S", 0.02)
    monkeypatch.setattr(tail, "_RETRY_S", 0.02)
    monkeypatch.setattr("bridge.store.reader._BLOCK_MS", 50)


@asynccontextmanager
async def tailing(url: str, **selection: Any) -> AsyncIterator[io.StringIO]:  # noqa: ANN401 - the fields of a selection
    """What a running tail prints, entries as JSON."""
    out = io.StringIO()
    running = asyncio.create_task(
        Tail(Settings(redis_url=Secret(url)), Selection(**({"json": True} | selection)), Printer(out)).run()
    )
    try:
        yield out
        assert not running.done(), "it ended by itself"
    finally:
        running.cancel()
        await asyncio.wait([running])


async def say(store: Redis, stream: str, text: str) -> None:
    """Append something."""
    await store.xadd(stream, {"type": "event", "event": text, "subject": "", "text": ""})


def said(out: io.StringIO) -> list[tuple[str, str]]:
    """The streams and words printed so far."""
    entries = (json.loads(line) for line in out.getvalue().splitlines() if line.startswith("{"))
    return [(entry["stream"], entry["event"]) for entry in entries]


async def until_said(out: io.StringIO, stream: str, text: str) -> None:
    await wait_until(lambda: (stream, text) in said(out), f"{text} of {stream} is printed")


async def until_following(store: Redis, out: io.StringIO, stream: str = KEYS.events) -> None:
    """Say something again and again until it is heard."""

    async def heard() -> bool:
        await say(store, stream, "hello")
        return (stream, "hello") in said(out)

    await wait_until(heard, "it follows")


async def test_what_was_there_before_is_not_printed_and_what_comes_is_in_order(store: Redis, valkey_url: str) -> None:
    for number in range(3):
        await say(store, KEYS.events, f"old {number}")
    async with tailing(valkey_url) as out:
        await until_following(store, out)
        for number in range(600):
            await say(store, KEYS.events, f"new {number}")
        await until_said(out, KEYS.events, "new 599")
        assert [text for _, text in said(out) if text != "hello"] == [f"new {number}" for number in range(600)]


async def test_from_the_start_everything_that_is_kept_is_printed(store: Redis, valkey_url: str) -> None:
    for number in range(3):
        await say(store, KEYS.events, f"old {number}")
        await say(store, BTC, f"old {number}")
    async with tailing(valkey_url, from_start=True) as out:
        await until_said(out, KEYS.events, "old 2")
        await until_said(out, BTC, "old 2")
        assert sorted(said(out)) == sorted((s, f"old {n}") for s in (KEYS.events, BTC) for n in range(3))


async def test_a_stream_that_appears_later_is_printed_from_its_first_entry(store: Redis, valkey_url: str) -> None:
    async with tailing(valkey_url) as out:
        await until_following(store, out)
        await say(store, BTC, "first")
        await say(store, BTC, "second")
        await say(store, KEYS.orders, "an order")
        await until_said(out, BTC, "second")
        await until_said(out, KEYS.orders, "an order")
        assert (BTC, "first") in said(out)


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        ({}, {"klines", "closed", "other", "orders", "fills", "positions", "events"}),
        ({"kinds": frozenset({"orders", "fills"})}, {"orders", "fills"}),
        ({"kinds": frozenset({"klines"})}, {"klines", "closed", "other"}),
        ({"symbols": frozenset({"BTCUSDT"})}, {"klines", "closed", "orders", "fills", "positions", "events"}),
        ({"timeframes": frozenset({"1h"})}, {"other", "orders", "fills", "positions", "events"}),
        ({"kinds": frozenset({"klines"}), "symbols": frozenset({"ETHUSDT"})}, {"other"}),
        ({"kinds": frozenset({"klines", "events"}), "timeframes": frozenset({"1m"})}, {"klines", "closed", "events"}),
        ({"kinds": frozenset({"klines"}), "closed": True}, {"closed"}),
    ],
)
async def test_only_what_is_selected_is_printed(
    store: Redis, valkey_url: str, selection: dict[str, Any], chosen: set[str]
) -> None:
    named = {
        "klines": BTC,
        "closed": KEYS.closed_klines("BTCUSDT", "1m"),
        "other": ETH,
        "orders": KEYS.orders,
        "fills": KEYS.fills,
        "positions": KEYS.positions,
        "events": KEYS.events,
    }
    await store.set(KEYS.newest_kline("BTCUSDT", "1m"), "1")
    await say(store, Keys("another").klines("BTCUSDT", "1m"), "of another prefix")
    for stream in named.values():
        await say(store, stream, "said")
    async with tailing(valkey_url, from_start=True, **selection) as out:
        await wait_until(lambda: len(said(out)) >= len(chosen), "all that is selected is printed")
        for stream in named.values():
            await say(store, stream, "more")
        await wait_until(lambda: len(said(out)) >= 2 * len(chosen), "all that comes and is selected is printed")
        assert {stream for stream, _ in said(out)} == {named[name] for name in chosen}


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        ({"symbols": frozenset({"BTCUSDT"})}, ["bought", "sold", "marker"]),
        ({"fields": (("side", "buy"),)}, ["bought", "other"]),
        ({"fields": (("side", "buy"), ("symbol", "BTCUSDT"))}, ["bought"]),
        ({"since_ms": 2_000}, ["other", "sold", "marker"]),
        ({"since_ms": 0, "most": 2}, ["bought", "other"]),
    ],
)
async def test_only_entries_that_fit_are_printed(
    store: Redis, valkey_url: str, selection: dict[str, Any], chosen: list[str]
) -> None:
    told: list[tuple[int, str, dict[Any, Any]]] = [
        (1_000, "bought", {"symbol": "BTCUSDT", "side": "buy"}),
        (2_000, "other", {"symbol": "ETHUSDT", "side": "buy"}),
        (3_000, "sold", {"symbol": "BTCUSDT", "side": "sell"}),
        (4_000, "marker", {"type": "resync"}),
    ]
    for at, text, fields in told:
        await store.xadd(KEYS.orders, {**fields, "event": text}, id=f"{at}-0")
    out = io.StringIO()
    whole = Selection(**({"json": True, "from_start": True, "most": len(chosen)} | selection))
    await asyncio.wait_for(Tail(Settings(redis_url=Secret(valkey_url)), whole, Printer(out)).run(), 20)
    await wait_until(lambda: len(said(out)) == len(chosen), "all are printed")
    assert [text for _, text in said(out)] == chosen


async def test_people_get_lines_of_text(store: Redis, valkey_url: str) -> None:
    await say(store, KEYS.events, "lost")
    async with tailing(valkey_url, from_start=True, json=False) as out:
        await wait_until(lambda: bool(out.getvalue()), "a line is printed")
        assert out.getvalue() == "--:--:--  event     lost    \n"


async def test_a_redis_that_is_away_is_waited_for_and_nothing_is_missed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with EmbeddedServer(tmp_path, port=own_port()) as server:
        store = client.commands(Secret(server.url))
        await server.stop()
        async with tailing(server.url) as out:
            await wait_until(lambda: "waiting: Redis: " in caplog.text, "it says that it waits")
            await server.start()
            await until_following(store, out)
            await server.stop()
            await wait_until(lambda: caplog.text.count("waiting: Redis: ") >= 2, "it says so again")
            await server.start()
            await say(store, KEYS.events, "after the outage")
            await until_said(out, KEYS.events, "after the outage")
            assert sum(text == "after the outage" for _, text in said(out)) == 1
        await store.aclose()


async def test_it_can_be_ended_while_it_waits_for_redis(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with EmbeddedServer(tmp_path, port=own_port()) as server:
        await server.stop()
        async with tailing(server.url):
            await wait_until(lambda: "waiting: Redis: " in caplog.text, "it says that it waits")


async def test_it_ends_when_nobody_reads_what_it_prints(store: Redis, valkey_url: str) -> None:
    out = io.StringIO()
    printer = Printer(out)
    following = asyncio.create_task(Tail(Settings(redis_url=Secret(valkey_url)), Selection(), printer).run())
    out.close()

    async def ended() -> bool:
        await say(store, KEYS.events, "hello")
        return following.done()

    await wait_until(ended, "it ended")
    assert following.exception() is None
