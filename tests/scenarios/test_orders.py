"""Orders that are easily missed: on contracts never heard of, beyond what one list holds, or waiting for a price."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge.simulator.trading.orders import BUY
from tests.ingest.books import still
from tests.scenarios.whole import ORDERS, Whole, whole
from tests.support import wait_until

STREAM = "bitmart:orders:{main}"


pytestmark = pytest.mark.usefixtures("hurry")


@asynccontextmanager
async def reading(valkey_url: str) -> AsyncIterator[Whole]:
    """Start a bridge that has read an account in which nothing happened yet."""
    async with still() as exchange, whole(exchange, valkey_url) as bridge:
        await bridge.http.put("/subscriptions?wait=active&timeout=30", json={"topics": [ORDERS]})
        await bridge.until_told("resynced")
        yield bridge


async def lives(bridge: Whole) -> dict[str, list[str]]:
    """Return what each order went through."""
    told: dict[str, list[str]] = {}
    for entry in await bridge.read(STREAM, "order"):
        told.setdefault(entry["order_id"], []).append(entry["status"])
    return told


async def test_what_happened_on_a_contract_of_which_nothing_is_known_is_found(valkey_url: str) -> None:
    """What happened on a contract of which nothing is known is found, too."""
    async with reading(valkey_url) as bridge:
        # While the exchange is away, somebody orders on a contract that nobody ever used, and changes their mind.
        account = bridge.exchange.account
        await bridge.exchange.stop(abrupt=True)
        await bridge.until_told("lost")
        canceled = account.submit("XRPUSDT", BUY, 5, price="1")
        account.cancel(canceled)
        await bridge.exchange.start()

        # The marker doesn't wait until all contracts have been asked for; when they have, an event says so.
        (swept,) = await bridge.until_told("swept")
        assert swept["text"] == "1 changes of orders were missing"
        assert await lives(bridge) == {canceled: ["canceled"]}


async def test_nothing_is_passed_over_in_silence(valkey_url: str) -> None:
    """Nothing is passed over in silence."""
    async with reading(valkey_url) as bridge:
        # More orders come to rest than BitMart lists: a hundred on one contract, one on another.
        account = bridge.exchange.account
        await bridge.exchange.stop(abrupt=True)
        await bridge.until_told("lost")
        resting = {account.submit("XRPUSDT", BUY, 1, price="1")}
        resting |= {account.submit("BTCUSDT", BUY, 1, price="100") for _ in range(100)}
        await bridge.exchange.start()

        # Both full lists are told, the whole account's and the contract's, and each order is found in the end.
        told = await bridge.until_told("incomplete", 2)
        assert sorted(entry["subject"] for entry in told) == ["BTCUSDT", "open orders"]
        await bridge.until_told("swept")
        assert (await lives(bridge)).keys() == resting


async def test_orders_that_wait_for_a_price_are_orders(valkey_url: str) -> None:
    """Orders that wait for a price are orders."""
    async with reading(valkey_url) as bridge:
        plans = bridge.exchange.account.plans
        waiting = plans.submit("BTCUSDT", BUY, 5, "70000", price="70100")
        made = plans.trigger(waiting)

        async def told() -> bool:
            return await lives(bridge) == {waiting: ["accepted", "triggered"], made: ["open"]}

        await wait_until(told, "the plan order's end, and the order that it made")
        entries = {entry["order_id"]: entry for entry in await bridge.read(STREAM, "order")}
        assert (entries[waiting]["order_type"], entries[waiting]["price"]) == ("plan", "70100")
        assert entries[made]["plan_order_id"] == waiting
