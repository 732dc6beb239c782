"""From where the account is read: the newest execution known, and the floor, whoever remembers it."""

from __future__ import annotations

import pytest

from bridge.ingest.reconciler import Reconciler
from bridge.simulator.replies import Reply, ok
from bridge.simulator.rest.private_rest import PrivateRest
from bridge.simulator.trading.orders import BUY, SELL_CLOSE
from tests.ingest.books import (
    KEYS,
    Bridge,
    Fields,
    Gate,
    assert_whole,
    bought,
    bridging,
    is_whole,
    outage,
    still,
)
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
