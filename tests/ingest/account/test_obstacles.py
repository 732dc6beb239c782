"""Trouble on the way: REST, sockets, Redis or our own buffer fail while the account is read."""

from __future__ import annotations

import dataclasses

import pytest

from bridge.simulator.trading.orders import BUY, SELL_CLOSE
from bridge.store.embedded.server import EmbeddedServer
from tests.ingest.books import (
    KEYS,
    PRIVATE,
    Gate,
    assert_marked_last,
    assert_whole,
    bought,
    bridging,
    held,
    is_whole,
    still,
)
from tests.ingest.rig import NEVER_S, ORDERS, POSITIONS, START
from tests.support import wait_until

pytestmark = pytest.mark.usefixtures("hurry")


@pytest.mark.parametrize("endpoint", ["open_orders", "order", "history", "trades", "positions"])
async def test_a_question_refused_half_way_is_asked_again_and_nothing_is_marked_before(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    gate = Gate(monkeypatch, endpoint)
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        old = bridge.account.submit("BTCUSDT", BUY, 5, price="100", at=START - 500_000)
        await wait_until(lambda: is_whole(bridge), "the socket has told it")
        await simulator.stop(abrupt=True)
        bridge.account.cancel(old)
        bought(bridge.account, "BTCUSDT", BUY, 5)
        gate.refusing = True
        await simulator.start()
        await wait_until(lambda: gate.refused > 2, "it was refused several times")
        assert len(await bridge.reasons(KEYS.orders)) == 1
        gate.refusing = False
        await bridge.until_resynced(2)
        await assert_whole(bridge)
        await assert_marked_last(bridge)
        assert await bridge.reasons(KEYS.orders) == ["login", "login"]


FAULTS: dict[str, bool | int | float] = {
    "rest_429": True,
    "rest_418": True,
    "rest_403": True,
    "rest_500": True,
    "rest_gateway": 30014,
    "rest_rubbish": True,
    "rest_empty": True,
    "rest_null": True,
    "rest_slow_s": 0.4,
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_trouble_with_rest_is_taken_for_an_answer(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr("bridge.ingest.rest.fetch._TIMEOUT_S", 0.2)
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        bought(bridge.account, "BTCUSDT", BUY, 5)
        await wait_until(lambda: is_whole(bridge), "the socket has told it")
        await simulator.stop(abrupt=True)
        bought(bridge.account, "BTCUSDT", SELL_CLOSE, 5)
        simulator.faults.set(fault, FAULTS[fault])
        asked = simulator.stats.requests[f"{PRIVATE}/get-open-orders"]
        await simulator.start()
        await wait_until(
            lambda: simulator.stats.requests[f"{PRIVATE}/get-open-orders"] > asked + 1, "it was tried again"
        )
        assert len(await bridge.reasons(KEYS.orders)) == 1
        simulator.faults.reset()
        await bridge.until_resynced(2)
        await assert_whole(bridge)
        await assert_marked_last(bridge)


async def test_a_socket_lost_while_the_account_is_read_makes_that_reading_worthless(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "trades")
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        gate.shut()
        simulator.cut_sockets()
        await wait_until(lambda: gate.held == 1, "the account is being read")
        simulator.faults.http_403_on_connect = True
        simulator.cut_sockets()
        await bridge.until("lost", 2)
        missed = bought(bridge.account, "BTCUSDT", BUY, 5)
        gate.open()
        await wait_until(lambda: gate.held == 0, "that reading is over")
        await bridge.until_passed(0.2)
        assert len(await bridge.reasons(KEYS.fills)) == 1
        simulator.faults.http_403_on_connect = False
        await bridge.until_resynced(2)
        await assert_whole(bridge)
        assert [entry.get("trade_id", "marker") for entry in await bridge.entries(KEYS.fills)] == [
            "marker",
            str(missed),
            "marker",
        ]


async def test_a_login_while_the_account_is_still_read_for_the_last_one_has_it_read_again_before_the_marker(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "trades")
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        gate.shut()
        simulator.cut_sockets()
        await wait_until(lambda: gate.held == 1, "the account is being read")
        simulator.faults.http_403_on_connect = True
        simulator.cut_sockets()
        await bridge.until("lost", 2)
        missed = bought(bridge.account, "BTCUSDT", BUY, 5)
        simulator.faults.http_403_on_connect = False
        await wait_until(lambda: held(simulator, ORDERS) and held(simulator, POSITIONS), "all is subscribed to again")
        told = bought(bridge.account, "BTCUSDT", BUY, 1)
        await bridge.until_fill(told)
        gate.open()
        await bridge.until_resynced(2)
        await assert_whole(bridge)
        assert [entry.get("trade_id", "marker") for entry in await bridge.entries(KEYS.fills)] == [
            "marker",
            str(told),
            str(missed),
            "marker",
        ]


async def test_what_the_buffer_had_to_drop_is_read_again(valkey_url: str) -> None:
    async with (
        still() as simulator,
        bridging(simulator, valkey_url, buffer_entries=120, redis_timeout_s=NEVER_S) as bridge,
    ):
        await bridge.until_resynced()
        await bridge.store.client_pause(60_000, all=False)
        for _ in range(10):
            order_id = bridge.account.submit("BTCUSDT", BUY, 9, price="100")
            for _ in range(9):
                bridge.account.fill(order_id, 1, "100")
        tally = bridge.ingester._writer.tally  # noqa: SLF001 - Redis takes nothing, so nothing else tells it
        await wait_until(lambda: tally.overflowed > 0, "something was dropped")
        await bridge.store.client_unpause()
        await bridge.until("overflow")
        await wait_until(lambda: is_whole(bridge), "all of it is there")

        async def marked() -> bool:
            return (await bridge.reasons(KEYS.fills))[-1] == "overflow"

        await wait_until(marked, "the marker says why")
        await assert_whole(bridge)


async def test_an_execution_may_be_a_little_older_over_rest_than_on_the_socket(valkey_url: str) -> None:
    async with still() as simulator, bridging(simulator, valkey_url, private_lookback_s=1_000) as bridge:
        await bridge.until_resynced()
        # Long before the next reading, which begins with the newest execution known.
        await bridge.until_fill(bought(bridge.account, "BTCUSDT", BUY, 5, at=START - 900_000))
        (fill,) = bridge.account.fills
        bridge.account.fills[:] = [dataclasses.replace(fill, at=fill.at - 1_500)]
        simulator.cut_sockets()
        await bridge.until_resynced(2)
        assert await bridge.fills() == [str(fill.trade_id)]


async def test_redis_may_go_away_while_the_account_is_read(
    lasting: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "trades")
    async with still() as simulator, bridging(simulator, lasting.url) as bridge:
        await bridge.until_resynced()
        gate.shut()
        simulator.cut_sockets()
        await wait_until(lambda: gate.held == 1, "the account is being read")
        await lasting.stop()
        bought(bridge.account, "BTCUSDT", BUY, 5)
        gate.open()
        await wait_until(lambda: gate.held == 0, "the answer came")
        await lasting.start()
        await bridge.until_resynced(2)
        await wait_until(lambda: is_whole(bridge), "all of it is there")
        assert set(await bridge.reasons(KEYS.fills)) <= {"login", "redis"}
