"""From where the account is read: the newest execution known, and the floor, whoever remembers it."""

from __future__ import annotations

import random

import pytest

from bridge.ingest.reconciler import Reconciler
from bridge.simulator.replies import Reply, ok
from bridge.simulator.rest.private_rest import PrivateRest
from bridge.simulator.trading.account import Account
from bridge.simulator.trading.orders import BUY, SELL_CLOSE
from tests.ingest.books import (
    KEYS,
    Bridge,
    Fields,
    Gate,
    assert_whole,
    bought,
    bridging,
    held,
    is_whole,
    outage,
    still,
    trade,
)
from tests.ingest.rig import ORDERS, POSITIONS, START
from tests.store.support import state
from tests.support import wait_until

pytestmark = pytest.mark.usefixtures("hurry")


# The newest execution known.


@pytest.mark.parametrize(("age_s", "anchored"), [(0, True), (3_600, True), (2 * 86_400, False)])
async def test_executions_are_read_from_well_before_the_newest_one_known(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch, age_s: int, *, anchored: bool
) -> None:
    gate = Gate(monkeypatch, "trades")
    async with still() as simulator, bridging(simulator, valkey_url, private_lookback_s=3 * 86_400) as bridge:
        await bridge.until_resynced()
        traded = simulator.now - age_s * 1000
        await bridge.until_fill(bought(bridge.account, "BTCUSDT", BUY, 5, at=traded))
        read = int((await state(bridge.store, KEYS.synced))["at"])
        async with outage(bridge):
            gate.asked.clear()
        expected = min(traded, read) if anchored else read
        assert int(gate.asked[0]["start_time"]) == (expected - 120_000) // 1000


async def test_a_list_without_the_executions_that_are_known_is_no_answer(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, behind, asked = PrivateRest.trades, False, 0

    async def trades(rest: PrivateRest, query: Fields) -> Reply:
        nonlocal asked
        asked += 1
        reply: Reply = ok([]) if behind else await answer(rest, query)
        return reply

    monkeypatch.setattr(PrivateRest, "trades", trades)
    async with still() as simulator, bridging(simulator, valkey_url) as bridge:
        await bridge.until_resynced()
        bought(bridge.account, "BTCUSDT", BUY, 5)
        await wait_until(lambda: is_whole(bridge), "the socket has told it")
        await simulator.stop(abrupt=True)
        bought(bridge.account, "BTCUSDT", SELL_CLOSE, 5)
        behind, before = True, asked
        await simulator.start()
        await wait_until(lambda: asked > before + 3, "it was asked for several times")
        assert len(await bridge.reasons(KEYS.fills)) == 1
        behind = False
        await bridge.until_resynced(2)
        await assert_whole(bridge)


# A floor that the store has forgotten.


async def emptied(bridge: Bridge) -> None:
    """Let the store lose all that it holds, as the same server."""
    await bridge.store.flushall()


@pytest.mark.parametrize(
    ("names", "newcomer_reads", "both_read"),
    [(("one", "two"), False, False), (("two", "one"), True, False), (("two", "one"), True, True)],
    ids=["remembers", "newcomer", "both"],
)
async def test_a_newcomer_that_meets_an_emptied_store_first_takes_nothing_from_what_was_known(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch, names: tuple[str, str], *, newcomer_reads: bool, both_read: bool
) -> None:
    """Whoever reads the account: the one that remembers, or the one that does not, or both before the loss is seen."""
    looking = True
    reconcile = Reconciler.reconcile

    async def reconciled(reconciler: Reconciler) -> None:
        if looking or reconciler is not old.ingester._reconciler:  # noqa: SLF001 - it alone is to notice late
            await reconcile(reconciler)

    monkeypatch.setattr(Reconciler, "reconcile", reconciled)
    async with still() as simulator, bridging(simulator, valkey_url, ingester_id=names[0], replicas=2) as old:
        await old.until_resynced()
        floor = int((await state(old.store, KEYS.synced))["floor"])
        bought(simulator.account, "BTCUSDT", BUY, 5)
        await wait_until(lambda: is_whole(old), "the socket has told it")
        await old.until_passed(1.5)
        looking = False
        await emptied(old)
        async with bridging(simulator, valkey_url, ingester_id=names[1], replicas=2) as new:
            await new.until("connected")
            if newcomer_reads:
                await new.until_resynced()
                assert int((await state(new.store, KEYS.synced))["floor"]) > floor
            if both_read:
                recovery = old.ingester._recovery  # noqa: SLF001 - it is to read before it knows of the loss
                syncs = recovery.syncs
                recovery.need("asked")
                await wait_until(lambda: recovery.syncs > syncs, "the one that remembers has read, too")
            assert await new.fills() == []
            looking = True

            async def lowered() -> bool:
                return int((await state(new.store, KEYS.synced)).get("floor", 0)) == floor

            await wait_until(lowered, "the one that remembers has given the floor back")
            await wait_until(lambda: is_whole(new), "what was known before is told again", 30)
            await assert_whole(new)
            assert len(await new.fills()) == 1


# The floor.


def history(account: Account) -> dict[str, int]:
    """Give the account a past: trades by their age in seconds, an order still open, a position still held."""
    account.submit("ETHUSDT", BUY, 9, price="100", at=START - 5_000_000)
    ages = (5_000, 3_000, 500)
    return {str(bought(account, "BTCUSDT", BUY, 1, at=START - age * 1000)): age for age in ages}


async def test_the_first_start_publishes_what_is_open_and_no_older_history(valkey_url: str) -> None:
    async with still() as simulator:
        history(simulator.account)
        async with bridging(simulator, valkey_url) as bridge:
            await bridge.until_resynced()
            assert await bridge.fills() == []
            (order,) = await bridge.entries(KEYS.orders, "order")
            assert (order["symbol"], order["status"], order["source"]) == ("ETHUSDT", "open", "rest")
            (position,) = await bridge.entries(KEYS.positions, "position")
            assert (position["symbol"], position["size"]) == ("BTCUSDT", "3")


async def test_history_older_than_the_first_start_stays_unpublished_whatever_is_read_later(valkey_url: str) -> None:
    async with still() as simulator:
        history(simulator.account)
        bought(simulator.account, "BTCUSDT", BUY, 1, at=START - 10_000)
        async with bridging(simulator, valkey_url) as bridge:
            await bridge.until_resynced()
            known = bought(bridge.account, "BTCUSDT", BUY, 1)
            await bridge.until_fill(known)
            async with outage(bridge) as account:
                missed = bought(account, "BTCUSDT", BUY, 1)
            assert await bridge.fills() == [str(known), str(missed)]
            orders = await bridge.entries(KEYS.orders, "order")
            assert sorted(e["status"] for e in orders if e["source"] == "rest") == ["filled", "open"]


@pytest.mark.parametrize(("lookback_s", "published"), [(1_000, 1), (4_000, 2), (100 * 86_400, 3)])
async def test_the_first_start_looks_back_as_far_as_it_was_told(
    valkey_url: str, lookback_s: float, published: int
) -> None:
    async with still() as simulator:
        trades = history(simulator.account)
        async with bridging(simulator, valkey_url, private_lookback_s=lookback_s) as bridge:
            await bridge.until_resynced()
            expected = [trade_id for trade_id, age in trades.items() if age <= lookback_s]
            assert await bridge.fills() == expected
            assert len(expected) == published
            filled = [e for e in await bridge.entries(KEYS.orders, "order") if e["status"] == "filled"]
            assert len(filled) == published


async def test_the_floor_is_that_of_the_first_attempt_even_if_it_failed_half_way(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "trades")
    gate.refusing = True
    async with still() as simulator:
        history(simulator.account)
        async with bridging(simulator, valkey_url) as bridge:
            await wait_until(lambda: gate.refused > 1, "it was tried in vain")
            assert await bridge.events("resynced") == []
        missed = bought(simulator.account, "BTCUSDT", BUY, 1)
        gate.refusing = False
        async with bridging(simulator, valkey_url) as bridge:
            await bridge.until_resynced()
            assert await bridge.fills() == [str(missed)]


async def test_a_later_start_makes_up_for_the_time_in_which_no_bridge_ran(valkey_url: str) -> None:
    async with still() as simulator:
        async with bridging(simulator, valkey_url) as bridge:
            await bridge.until_resynced()
            bought(bridge.account, "BTCUSDT", BUY, 5)
            await wait_until(lambda: is_whole(bridge), "the socket has told it")
        trade(simulator.account, random.Random(5), 30)  # noqa: S311 - a repeatable story
        async with bridging(simulator, valkey_url, private_lookback_s=9_000) as bridge:
            await bridge.until_resynced(2)
            await assert_whole(bridge)


async def test_executions_asked_for_one_order_are_not_published_if_they_are_older_than_the_floor(
    valkey_url: str,
) -> None:
    async with still() as simulator:
        order_id = simulator.account.submit("BTCUSDT", BUY, 10, price="100", at=START - 500_000)
        simulator.account.fill(order_id, 4, "100", at=START - 400_000)
        # The position topic is refused, so that the account may not have been read when the next match comes.
        simulator.faults.refuse_topics = [POSITIONS]
        async with bridging(simulator, valkey_url) as bridge:
            await bridge.until("topic_rejected")
            await wait_until(lambda: held(simulator, ORDERS), "the orders are subscribed to")
            match = simulator.account.fill(order_id, 2, "100")
            await bridge.until_fill(match.trade_id)
            await bridge.until_passed(0.3)
            assert await bridge.fills() == [str(match.trade_id)]
