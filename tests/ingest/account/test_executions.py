"""Executions that REST calls by other numbers than the socket: each is published once all the same."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from bridge.simulator.trading.account import Account
from bridge.simulator.trading.orders import BUY, Fill, plain
from tests.ingest.books import (
    KEYS,
    Bridge,
    Gate,
    bridging,
    is_whole,
    last_match_only,
    outage,
    still,
    trade,
)
from tests.support import wait_until

Execution = tuple[str, str, str]


pytestmark = pytest.mark.usefixtures("hurry")


def dealt(account: Account) -> Counter[Execution]:
    """The executions there were, whatever their numbers."""
    return Counter((fill.order_id, plain(fill.price), str(fill.size)) for fill in account.fills)


async def published(bridge: Bridge) -> Counter[Execution]:
    """The executions in the stream, whatever their numbers."""
    return Counter((e["order_id"], e["price"], e["size"]) for e in await bridge.entries(KEYS.fills, "fill"))


async def until_each_is_published(bridge: Bridge) -> None:
    """Wait until the stream holds each execution; more than once none may ever be there."""

    async def so() -> bool:
        assert await published(bridge) <= dealt(bridge.account)
        return await published(bridge) == dealt(bridge.account)

    await wait_until(so, "each execution is published", 60)


async def test_of_several_matches_the_one_that_was_shown_is_not_told_again(valkey_url: str) -> None:
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        simulator.faults.rest_trade_ids = True
        await bridge.until_resynced()
        last_match_only(bridge.account)
        order_id = bridge.account.submit("BTCUSDT", BUY, 9, price="100")
        bridge.account.sweep(order_id, [(3, "100"), (3, "100"), (3, "100")])
        await until_each_is_published(bridge)
        await bridge.until("contradiction")
        assert len(await bridge.events("contradiction")) == 1


async def test_a_list_that_is_late_is_no_reason_for_distrust(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch, "trades")
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        last_match_only(bridge.account)
        late: list[Fill] = []

        def withhold() -> None:
            if not late:
                late.append(bridge.account.fills.pop())

        gate.before = withhold
        order_id = bridge.account.submit("BTCUSDT", BUY, 9, price="100")
        bridge.account.sweep(order_id, [(3, "100"), (3, "100"), (3, "100")])
        await wait_until(lambda: len(gate.asked) > 1, "its executions were asked for")
        bridge.account.fills.extend(late)
        await wait_until(lambda: is_whole(bridge), "all matches are there")
        assert await bridge.events("contradiction") == []


@pytest.mark.parametrize("seed", [1, 2])
async def test_two_ingesters_agree_whose_numbers_count(valkey_url: str, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - a repeatable story
    async with (
        still() as simulator,
        bridging(simulator, valkey_url, ingester_id="one", replicas=2) as one,
        bridging(simulator, valkey_url, ingester_id="two", replicas=2),
    ):
        simulator.faults.rest_trade_ids = True
        await one.until("connected", 2)
        await one.until_resynced()
        for turn in (1, 2):
            trade(simulator.account, dice, 20)
            await simulator.stop(abrupt=True)
            await one.until("lost", 2 * turn)
            trade(simulator.account, dice, 20)
            await simulator.start()
            await until_each_is_published(one)
        await one.until("contradiction")
        assert len(await one.events("contradiction")) == 1


async def test_the_marker_comes_after_the_executions_that_had_to_be_asked_for_order_by_order(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As eager as can be: whoever is short is asked for at once, beside the reading that found it.
    monkeypatch.setattr("bridge.ingest.account.executions._LOOK_S", 0)
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        async with outage(bridge) as account:
            at = simulator.now
            for _ in range(12):
                order_id = account.submit("BTCUSDT", BUY, 20, price="60000", at=at)
                account.sweep(order_id, [(1, "60000")] * 20, at=at)
        entries = await bridge.entries(KEYS.fills)
        last = max(number for number, entry in enumerate(entries) if entry["type"] == "resync")
        assert sum(entry["type"] == "fill" for entry in entries[:last]) == 240
