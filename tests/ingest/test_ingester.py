"""One ingester, whole: the simulated exchange on one side, a real Redis on the other."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis

from bridge.errors import StoreError
from bridge.ingest.ingester import Ingester
from bridge.records import Fill, Kline, Order, Record
from bridge.simulator import Simulator
from bridge.store import client, reader
from bridge.store.desired import Desired
from bridge.store.embedded.server import EmbeddedServer
from bridge.store.keys import Keys
from bridge.store.members import Members, State
from bridge.values import Secret
from tests.ingest.rig import BTC, ETH, NEVER_S, ORDERS, POSITIONS, candle, credentialless, exchange_of, market, quick
from tests.support import wait_until

KEYS = Keys()
NAME = "one"
Fields = dict[str, str]


@dataclass
class Bridge:
    """A running ingester, and both its sides."""

    ingester: Ingester
    task: asyncio.Task[None]
    store: Redis
    desired: Desired
    members: Members
    taken: list[Record]

    async def entries(self, stream: str) -> list[Fields]:
        """Everything in a stream, oldest first."""
        return [fields for _, fields in await reader.newest(self.store, stream, 100_000)]

    async def klines(self, symbol: str = "BTCUSDT", timeframe: str = "1m") -> list[Fields]:
        """The candles of a series, oldest first."""
        return await self.entries(KEYS.klines(symbol, timeframe))

    async def fills(self) -> list[tuple[str, str, str]]:
        """Symbol, order and trade of every execution, oldest first."""
        entries = [entry for entry in await self.entries(KEYS.fills) if entry["type"] == "fill"]
        return [(entry["symbol"], entry["order_id"], entry["trade_id"]) for entry in entries]

    def received_fills(self) -> set[tuple[str, str, str]]:
        """The executions that the socket told of."""
        return {(r.symbol, r.order_id, r.trade_id) for r in self.taken if isinstance(r, Fill)}

    async def orders(self) -> list[Fields]:
        """Every change of an order, oldest first."""
        return [entry for entry in await self.entries(KEYS.orders) if entry["type"] == "order"]

    async def events(self) -> list[tuple[str, str]]:
        """What happened, and to what."""
        return [(event["event"], event["subject"]) for event in await self.entries(KEYS.events)]

    async def states(self) -> dict[str, State]:
        """How far each topic has come, as told to the others."""
        return {name: state.state for name, state in (await self.members.topics([self.ingester.name])).items()}

    async def told(self) -> Fields:
        """What the ingester tells of itself."""
        return (await self.members.alive()).get(self.ingester.name, {})

    async def until_entries(self, more: int = 1, symbol: str = "BTCUSDT", timeframe: str = "1m") -> None:
        stream = KEYS.klines(symbol, timeframe)
        last, seen = await reader.tip(self.store, stream), 0

        async def enough() -> bool:
            nonlocal seen
            seen = len(await self.store.xrange(stream, f"({last}") or ())
            return seen >= more

        await wait_until(enough, f"{more} more entries of {symbol} {timeframe}")

    async def until_active(self, *topics: str) -> None:
        async def so() -> bool:
            return await self.states() == dict.fromkeys(topics, State.ACTIVE)

        await wait_until(so, f"exactly {topics} are active")

    async def until_event(self, *event: str) -> None:
        async def so() -> bool:
            return event in await self.events()

        await wait_until(so, f"the event {event}")

    async def stop(self) -> None:
        """Ask for an orderly end and wait for it."""
        self.ingester.stop()
        await asyncio.wait_for(self.task, 20)


@asynccontextmanager
async def bridging(
    simulator: Simulator,
    url: str,
    *wishes: str,
    account: bool = True,
    **changes: Any,  # noqa: ANN401 - settings
) -> AsyncIterator[Bridge]:
    """An ingester at work, with fast settings, its wishes made before it starts."""
    settings = quick(
        simulator,
        **{
            "redis_url": Secret(url),
            "ingester_id": NAME,
            "heartbeat_interval_s": 0.05,
            "reconcile_interval_s": 0.1,
            "redis_timeout_s": 2.0,
            "cap_klines": 10_000,
        }
        | changes,
    )
    settings = settings if account else credentialless(settings)
    store = client.commands(Secret(url))
    desired = Desired(store, KEYS)
    if wishes:
        await desired.change("shared", add=wishes)
    ingester = Ingester(settings, exchange_of(settings))
    taken: list[Record] = []
    router = ingester._router  # noqa: SLF001 - what passes there is what was received
    take = router.take

    def watched(record: Record) -> None:
        taken.append(record)
        take(record)

    router.take = watched  # type: ignore[method-assign]
    task = asyncio.create_task(ingester.run())
    try:
        yield Bridge(ingester, task, store, desired, Members(store, KEYS, 5), taken)
        if not task.done():
            ingester.stop()
            await asyncio.wait_for(task, 20)
    finally:
        task.cancel()
        await asyncio.wait([task])
        await store.aclose()


def steps(klines: list[Fields]) -> list[tuple[int, float, int]]:
    """What must only grow from one entry of a series to the next."""
    return [(int(entry["open_time"]), float(entry["volume"]), int(entry["closed"])) for entry in klines]


def in_order(klines: list[Fields]) -> bool:
    """Whether a series never goes back, and each closed candle stands last in its period."""
    path = steps(klines)
    return path == sorted(path) and all(before[0] < after[0] for before, after in itertools.pairwise(path) if before[2])


async def test_a_wish_becomes_entries(valkey_url: str) -> None:
    async with market() as simulator, bridging(simulator, valkey_url) as bridge:
        change = await bridge.desired.change("shared", add=[BTC, ETH])
        await bridge.until_active(BTC, ETH)
        await bridge.until_entries(15)
        await bridge.until_entries(3, "ETHUSDT", "5m")
        klines = await bridge.klines()
        assert in_order(klines)
        assert {entry["source"] for entry in klines} == {"ws"}

        async def counted() -> bool:
            return int((await bridge.told())["entries"]) >= 18

        await wait_until(counted, "the entries are told")
        told = await bridge.told()
        assert (told["applied_rev"], told["public"], told["private"]) == (str(change.revision), "open", "idle")
        assert (told["environment"], told["last_error"], told["malformed"]) == ("simulator", "", "0")
        assert bridge.ingester.vitals.waiting_for() == ""


async def test_a_closed_candle_says_what_the_exchange_showed_last(valkey_url: str) -> None:
    # No candle is over before the next is shown: on a busy machine the exchange itself may show a candle's end late.
    async with market(rate=240.0) as simulator, bridging(simulator, valkey_url, BTC, close_grace_s=NEVER_S) as bridge:

        async def closed() -> bool:
            return sum((entry["closed"], entry["source"]) == ("1", "ws") for entry in await bridge.klines()) >= 3

        await wait_until(closed, "three closed candles")
        klines = await bridge.klines()
        assert in_order(klines)
        # What the socket showed last; the entry before may show less, where the last word overtook an unsent state.
        shown = {record.open_time: record for record in bridge.taken if isinstance(record, Kline)}
        for entry in klines:
            if (entry["closed"], entry["source"]) == ("1", "ws"):
                last = shown[int(entry["open_time"])]
                assert (entry["close"], entry["volume"]) == (last.close, last.volume)


async def test_a_wildcard_serves_every_contract_that_trades(valkey_url: str) -> None:
    every = "futures/klineBin1m:*"
    async with market(symbols=4, quiet_share=0) as simulator, bridging(simulator, valkey_url, every) as bridge:
        topics = {f"futures/klineBin1m:{symbol}" for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")}
        await wait_until(lambda: held(simulator) == len(topics), "four topics are held")

        async def settled() -> bool:
            states = await bridge.states()
            return states.get(every) is State.ACTIVE and len(states) == 5

        await wait_until(settled, "the wildcard is settled")
        await bridge.until_entries()


async def test_the_next_in_rank_goes_on_where_the_first_has_ended(valkey_url: str) -> None:
    async with (
        market(rate=120.0, symbols=2, quiet_share=0) as simulator,
        bridging(simulator, valkey_url, BTC, ETH, ORDERS, replicas=2, ingester_id="one") as one,
        bridging(simulator, valkey_url, replicas=2, ingester_id="two") as two,
    ):
        for bridge in (one, two):
            await bridge.until_active(BTC, ETH, ORDERS)

        def proving() -> list[Bridge]:
            return [bridge for bridge in (one, two) if BTC in bridge.ingester._proving.topics]  # noqa: SLF001 - who proves

        await wait_until(lambda: len(proving()) == 1, "one proves for both")
        lead = proving()
        (other,) = [bridge for bridge in (one, two) if bridge is not lead[0]]
        await lead[0].stop()
        await wait_until(lambda: BTC in other.ingester._proving.topics, "the other proves now")  # noqa: SLF001
        count = len(await other.entries(KEYS.closed_klines("BTCUSDT", "1m")))

        async def more() -> bool:
            return len(await other.entries(KEYS.closed_klines("BTCUSDT", "1m"))) >= count + 3

        await wait_until(more, "closed candles go on")
        assert ("lost", "public") not in await other.events()


def held(simulator: Simulator) -> int:
    """How many topics the exchange pushes."""
    return sum(len(topics) for topics in simulator.stats.topics.values())


async def test_unsubscribing_stops_the_entries_even_those_under_way(valkey_url: str) -> None:
    async with market(rate=120.0) as simulator, bridging(simulator, valkey_url, BTC, ETH.replace("5m", "1m")) as bridge:
        other = ETH.replace("5m", "1m")
        await bridge.until_active(BTC, other)
        simulator.faults.delay_frames = 1.0
        await bridge.until_entries(2)
        await bridge.desired.change("shared", remove=[BTC])
        await bridge.until_active(other)
        frames = len(bridge.taken)
        await wait_until(lambda: bridge.ingester._writer.depth == 0, "what was taken before is written")  # noqa: SLF001 - no door to it
        before = await bridge.klines()

        async def two_minutes() -> bool:
            path = steps(await bridge.klines("ETHUSDT"))
            return path[-1][0] >= steps(before)[-1][0] + 120_000

        await wait_until(two_minutes, "the other topic is two periods further")
        late = [record for record in bridge.taken[frames:] if isinstance(record, Kline) and record.symbol == "BTCUSDT"]
        assert late, "some frames were under way"
        assert await bridge.klines() == before


async def test_a_topic_wished_again_goes_on(valkey_url: str) -> None:
    async with market() as simulator, bridging(simulator, valkey_url, BTC) as bridge:
        await bridge.until_entries()
        await bridge.desired.change("shared", remove=[BTC])
        await bridge.until_active()
        await bridge.desired.change("shared", add=[BTC])
        await bridge.until_entries(8)
        assert in_order(await bridge.klines())


async def test_a_pause_closes_the_sockets_and_its_end_opens_them_again(valkey_url: str) -> None:
    async with market() as simulator, bridging(simulator, valkey_url, BTC, ORDERS) as bridge:
        await bridge.until_active(BTC, ORDERS)
        await bridge.desired.pause(paused=True)
        await wait_until(lambda: simulator.stats.sockets_open == 0, "all sockets are closed")
        await wait_until(lambda: bridge.ingester.vitals.waiting_for().startswith("paused"), "it says why nothing comes")
        await bridge.desired.pause(paused=False)
        await bridge.until_active(BTC, ORDERS)


async def test_orders_fills_and_positions_arrive_each_once_and_in_order(valkey_url: str) -> None:
    async with (
        market(trading=True, order_interval_s=2) as simulator,
        bridging(simulator, valkey_url, ORDERS, POSITIONS) as bridge,
    ):

        async def enough() -> bool:
            return len(await bridge.fills()) >= 10 and len(await bridge.entries(KEYS.positions)) >= 5

        await wait_until(enough, "ten fills and five positions", timeout=20)
        assert (await bridge.told())["authenticated"] == "1"
        await bridge.stop()
        fills = await bridge.fills()
        assert len(fills) == len(set(fills))
        assert set(fills) >= bridge.received_fills()
        orders = await bridge.orders()
        assert {entry["order_id"] for entry in orders} >= {r.order_id for r in bridge.taken if isinstance(r, Order)}
        finished: set[str] = set()
        for entry in orders:
            assert entry["order_id"] not in finished, "a finished order changes no more"
            if entry["status"] in ("filled", "canceled"):
                finished.add(entry["order_id"])


async def test_without_an_account_private_wishes_are_rejected_and_candles_come(valkey_url: str) -> None:
    async with market() as simulator, bridging(simulator, valkey_url, BTC, ORDERS, account=False) as bridge:
        await bridge.until_entries()

        async def settled() -> bool:
            return await bridge.states() == {BTC: State.ACTIVE, ORDERS: State.REJECTED}

        await wait_until(settled, "the candles are active, the orders rejected")
        assert simulator.stats.sockets_opened == 1


async def test_what_happens_is_told_in_the_stream_of_events(valkey_url: str) -> None:
    async with market() as simulator:
        simulator.faults.refuse_topics = [ETH]
        async with bridging(simulator, valkey_url, BTC, ETH) as bridge:
            await bridge.until_event("topic_rejected", ETH)
            await bridge.until_entries()
            simulator.cut_sockets()
            await bridge.until_event("lost", "public")
            await bridge.until_entries()
            simulator.faults.reset()
            await bridge.stop()
            events = await bridge.events()
            assert events[0] == ("started", NAME)
            assert events[-1] == ("stopped", NAME)
            assert [event for event in events if event[1] == "public"] == [
                ("connected", "public"),
                ("lost", "public"),
                ("connected", "public"),
            ]


async def test_stopping_drains_everything_that_was_received_and_says_goodbye(valkey_url: str) -> None:
    topics = [f"futures/klineBin{tf}:BTCUSDT" for tf in ("1m", "5m", "15m", "1H")]
    async with (
        market(trading=True, order_interval_s=2) as simulator,
        bridging(simulator, valkey_url, *topics, ORDERS) as bridge,
    ):
        await bridge.until_active(*topics, ORDERS)
        await bridge.until_entries(10)
        await bridge.store.client_pause(60_000, all=False)
        try:
            await wait_until(lambda: bridge.ingester._writer.depth >= 4, "something waits to be written")  # noqa: SLF001
            bridge.ingester.stop()
        finally:
            await bridge.store.client_unpause()
        await bridge.stop()
        assert (await bridge.members.alive(), await bridge.store.keys("*ingester:*")) == ({}, [])
        await wait_until(lambda: simulator.stats.sockets_open == 0, "the sockets are closed")
        for timeframe in ("1m", "5m", "15m", "1h"):
            received = [r for r in bridge.taken if isinstance(r, Kline) and r.timeframe == timeframe]
            klines = await bridge.klines(timeframe=timeframe)
            assert in_order(klines)
            assert (klines[-1]["open_time"], klines[-1]["volume"]) == (str(received[-1].open_time), received[-1].volume)
        assert set(await bridge.fills()) >= bridge.received_fills()
        assert (await bridge.events())[-1] == ("stopped", NAME)


async def test_stopping_does_not_wait_for_an_exchange_that_is_silent(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.ingest.farewell._HANG_UP_S", 0.2)
    monkeypatch.setattr("bridge.ingest.sockets.frames._CLOSE_S", 0.1)
    async with market() as simulator, bridging(simulator, valkey_url, BTC) as bridge:
        await bridge.until_entries()
        simulator.faults.freeze = True
        await bridge.stop()
        simulator.faults.freeze = False
        assert (await bridge.events())[-1] == ("stopped", NAME)


async def test_a_request_to_stop_through_redis_is_followed(valkey_url: str) -> None:
    async with market() as simulator, bridging(simulator, valkey_url, BTC) as bridge:
        await bridge.until_active(BTC)
        await bridge.members.ask_to_stop([NAME])
        await asyncio.wait_for(bridge.task, 20)
        assert await bridge.members.alive() == {}


async def test_no_candle_is_called_over_while_it_drains(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.ingest.farewell._HANG_UP_S", 1.5)
    async with market() as simulator, bridging(simulator, valkey_url, BTC, close_grace_s=0.0) as bridge:
        await wait_until(lambda: bool(bridge.taken), "something came")
        first = open_of(bridge.taken[0])
        await wait_until(lambda: open_of(bridge.taken[-1]) > first, "a period has just begun")
        simulator.faults.stall = True
        simulator.faults.ack_silent = True  # so that the drain outlasts that period
        last = open_of(bridge.taken[-1])
        await bridge.stop()
        assert simulator.now > last + 60_000
        assert [entry["closed"] for entry in await bridge.klines() if entry["open_time"] == str(last)][-1] == "0"


def open_of(record: Record) -> int:
    """When a candle opened."""
    assert isinstance(record, Kline)
    return record.open_time


@pytest.mark.parametrize(
    ("name", "theirs"), [("environment", "live"), ("exchange", "another"), ("account", "0" * 16), ("schema", "99")]
)
async def test_a_store_that_belongs_to_another_is_left_alone(valkey_url: str, name: str, theirs: str) -> None:
    async with market() as simulator:
        store = client.commands(Secret(valkey_url))
        await store.hset(KEYS.meta, name, theirs)
        async with bridging(simulator, valkey_url) as bridge:
            with pytest.raises(
                StoreError, match=f"belong to {name} '{theirs}', not '.+': choose another BRIDGE_PREFIX"
            ):
                await asyncio.wait_for(asyncio.shield(bridge.task), 20)
            assert await store.keys() == [KEYS.meta]
            assert simulator.stats.sockets_opened == 0
        await store.aclose()


async def test_a_store_of_our_own_is_taken_again(valkey_url: str) -> None:
    async with market() as simulator:
        for _ in range(2):
            async with bridging(simulator, valkey_url, BTC) as bridge:
                await bridge.until_entries()


async def test_redis_may_stop_and_start_again_while_entries_come(lasting: EmbeddedServer) -> None:
    async with (
        market(trading=True, order_interval_s=2) as simulator,
        bridging(simulator, lasting.url, BTC, ETH, ORDERS) as bridge,
    ):
        await bridge.until_active(BTC, ETH, ORDERS)
        await bridge.until_entries(5)
        before = await bridge.klines()
        sockets = simulator.stats.sockets_opened
        await lasting.stop()
        await wait_until(lambda: bridge.ingester.vitals.waiting_for() != "", "it says that Redis is away")
        outage = len(bridge.taken)

        def missed() -> bool:
            records = bridge.taken[outage:]
            return {Kline, Order, Fill} <= {type(record) for record in records} and len(records) > 60

        await wait_until(missed, "candles, orders and fills came meanwhile", timeout=20)
        await lasting.start()
        await bridge.until_entries(20)
        await bridge.until_active(BTC, ETH, ORDERS)
        assert simulator.stats.sockets_opened == sockets
        await bridge.stop()
        klines = await bridge.klines()
        assert klines[: len(before)] == before
        assert in_order(klines)
        closed = {entry["open_time"] for entry in klines if entry["closed"] == "1"}
        periods = {entry["open_time"] for entry in klines}
        assert len(periods - closed) <= 1, "no period is left without its last word but the one still going on"
        fills = await bridge.fills()
        assert len(fills) == len(set(fills))
        assert set(fills) >= bridge.received_fills()


async def test_it_waits_for_a_redis_that_is_not_there_yet(
    lasting: EmbeddedServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.ingest.ingester._RETRY_S", 0.02)
    await lasting.stop()
    async with market() as simulator, bridging(simulator, lasting.url) as bridge:
        await wait_until(lambda: "waiting for Redis: " in caplog.text, "it says that it waits")
        assert simulator.stats.sockets_opened == 0
        await lasting.start()
        await bridge.desired.change("shared", add=[BTC])
        await bridge.until_entries()


async def test_it_can_be_stopped_while_it_waits_for_redis(
    lasting: EmbeddedServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.ingest.ingester._RETRY_S", 0.02)
    monkeypatch.setattr("bridge.ingest.farewell._FLUSH_S", NEVER_S)
    await lasting.stop()
    async with market() as simulator, bridging(simulator, lasting.url) as bridge:
        await wait_until(lambda: "waiting for Redis: " in caplog.text, "it says that it waits")
        await bridge.stop()


async def test_a_candle_that_an_interruption_cut_through_is_not_called_closed(valkey_url: str) -> None:
    async with market(rate=120.0) as simulator, bridging(simulator, valkey_url, BTC) as bridge:
        await bridge.until_entries(5)
        await simulator.stop(abrupt=True)
        await bridge.until_event("lost", "public")
        cut = (await bridge.klines())[-1]
        over = int(cut["close_time"]) + 60_000
        await wait_until(lambda: simulator.now > over, "the period is over, its grace included")
        await simulator.start()

        async def again() -> bool:
            later = [entry for entry in await bridge.klines() if int(entry["open_time"]) > int(cut["open_time"])]
            return any(entry["closed"] == "1" for entry in later)

        await wait_until(again, "one of those after it is called closed")
        klines = await bridge.klines()
        assert in_order(klines)
        *shown, last = [entry for entry in klines if entry["open_time"] == cut["open_time"]]
        assert last == cut or (shown[-1] == cut and last["closed"] == "1" and last["source"] == "rest")


async def test_what_the_buffer_cannot_hold_is_counted_and_told(lasting: EmbeddedServer) -> None:
    topics = [f"futures/klineBin{tf}:{s}" for tf in ("1m", "5m", "15m", "1H") for s in ("BTCUSDT", "ETHUSDT")]
    async with market() as simulator, bridging(simulator, lasting.url, *topics, buffer_entries=5) as bridge:
        await bridge.until_active(*topics)
        await lasting.stop()
        tally = bridge.ingester._writer.tally  # noqa: SLF001 - what it tells is what is to be compared
        await wait_until(lambda: tally.overflowed > 0, "something was dropped")
        await lasting.start()
        await bridge.until_event("overflow", "writer")
        overflowed = tally.overflowed

        async def told() -> bool:
            return int((await bridge.told()).get("overflowed", "0")) >= overflowed

        await wait_until(told, "the heartbeat tells it too")


async def test_an_entry_that_redis_refuses_is_told_and_the_others_go_on(
    valkey_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    async with market() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.store.set(KEYS.klines("BTCUSDT", "1m"), "not a stream")
        await bridge.desired.change("shared", add=[BTC, ETH])
        await bridge.until_event("entry_refused", "writer")
        await bridge.until_entries(3, "ETHUSDT", "5m")
        assert "klines:{BTCUSDT}:1m" in (await bridge.told())["last_error"]


async def test_a_candle_of_the_far_future_is_counted_and_does_not_shut_the_stream(valkey_url: str) -> None:
    async with market() as simulator, bridging(simulator, valkey_url, BTC) as bridge:
        await bridge.until_entries()
        bridge.ingester._router.take(candle(1_000_000))  # noqa: SLF001 - as a frame would
        await bridge.until_entries(3)

        async def told() -> bool:
            return (await bridge.told()).get("malformed") == "1"

        await wait_until(told, "it is counted")


async def test_every_ingester_has_a_name_of_its_own(valkey_url: str) -> None:
    async with market() as simulator:
        settings = quick(simulator, redis_url=Secret(valkey_url))
        names = {Ingester(settings, exchange_of(settings)).name for _ in range(3)}
        assert len(names) == 3
        assert all(name.startswith(f"{socket.gethostname()}-{os.getpid()}-") for name in names)
