"""From wishes in a real Redis to what each connection is to hold."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis

from bridge.clock import ExchangeClock
from bridge.ingest.members.membership import Membership
from bridge.ingest.reconciler import NO_CREDENTIALS, Reconciler
from bridge.ingest.rest.listing import Listing
from bridge.ingest.sockets.pool import Pool
from bridge.settings import Settings
from bridge.store import client
from bridge.store.desired import Desired, Wishes
from bridge.store.embedded.server import EmbeddedServer
from bridge.store.keys import Keys
from bridge.store.members import Beat, Card, Members, State, TopicState
from bridge.values import Secret
from tests.ingest.rig import (
    BTC,
    ETH,
    NEVER_S,
    ORDERS,
    POSITIONS,
    Notebook,
    credentialless,
    exchange_of,
    hasty,
    market,
    pool_of,
    quick,
    running,
)
from tests.support import wait_until

EVERY_1M = "futures/klineBin1m:*"
KEYS = Keys()


@dataclass
class Parts:
    """A reconciler and what it tells; the connections are never opened."""

    reconciler: Reconciler
    membership: Membership
    public: Pool
    private: Pool
    listing: Listing
    passes: list[int]
    losses: list[int]


@asynccontextmanager
async def reconciling(store: Redis, *, interval_s: float = NEVER_S, account: bool = True) -> AsyncIterator[Parts]:
    simulator = market()
    settings: Settings = quick(simulator) if account else credentialless(quick(simulator))
    exchange = exchange_of(settings)
    clock = ExchangeClock(time.monotonic, 0)
    rest = hasty(settings.bitmart_rest_uri, clock)
    public, private = (pool_of(simulator, settings, Notebook(), name=name) for name in ("public", "private"))
    membership = Membership(
        name="one",
        settings=settings,
        members=Members(store, KEYS, 5),
        public=public,
        private=private,
        happened=lambda *_: None,
        on_change=lambda: None,
    )
    await membership.enter()
    listing = Listing(rest, exchange, clock, refresh_s=NEVER_S, on_change=lambda: None)
    passes: list[int] = []
    losses: list[int] = []

    async def lost() -> None:
        losses.append(reconciler.revision)

    reconciler = Reconciler(
        desired=Desired(store, KEYS),
        exchange=exchange,
        membership=membership,
        public=public,
        private=private,
        listing=listing,
        interval_s=interval_s,
        on_applied=lambda: passes.append(reconciler.revision),
        on_lost=lost,
    )
    yield Parts(reconciler, membership, public, private, listing, passes, losses)
    await rest.aclose()


def wishes(*topics: str, revision: int = 1, paused: bool = False) -> Wishes:
    return Wishes(frozenset(topics), revision, paused)


async def test_each_topic_goes_to_its_connection(store: Redis) -> None:
    async with reconciling(store) as parts:
        await parts.reconciler.apply(wishes(BTC, ETH, ORDERS, POSITIONS, revision=7))
        assert parts.public.wanted == {BTC, ETH}
        assert parts.private.wanted == {ORDERS, POSITIONS}
        assert (parts.reconciler.revision, parts.passes, parts.reconciler.rejected) == (7, [7], {})


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nonsense", "no BitMart futures topic: expected futures/klineBin<interval>:<symbol>, futures/order or"),
        ("", "no BitMart futures topic"),
        ("futures/ticker", "no BitMart futures topic"),
        ("futures/klineBin3m:BTCUSDT", "interval '3m' is none of BitMart's: 1m 5m 15m 30m 1H 2H 4H 1D 1W"),
        ("futures/klineBin1m:btcusdt", "symbol 'btcusdt' is not one that BitMart could have"),
        ("futures/klineBin1m:BTC USDT\n", "symbol 'BTC USDT\\n' is not one"),
        ("futures/klineBin1m", "symbol '' is not one"),
        ("futures/order:BTCUSDT", "no BitMart futures topic"),
    ],
)
async def test_a_wish_that_is_no_topic_is_rejected_with_its_reason_and_the_others_served(
    store: Redis, name: str, reason: str
) -> None:
    async with reconciling(store) as parts:
        await parts.reconciler.apply(wishes(name, BTC))
        assert parts.public.wanted == {BTC}
        assert list(parts.reconciler.rejected) == [name]
        assert parts.reconciler.rejected[name].startswith(reason)
        await parts.reconciler.apply(wishes(BTC))
        assert parts.reconciler.rejected == {}


async def test_a_wish_that_cannot_be_served_is_logged_once(store: Redis, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with reconciling(store) as parts:
            for _ in range(3):
                await parts.reconciler.apply(wishes("non\x1bsense", BTC))
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("wish 'non\\x1bsense' cannot be served: no BitMart futures topic")


async def test_private_topics_without_credentials_are_rejected_with_what_to_set(store: Redis) -> None:
    async with reconciling(store, account=False) as parts:
        await parts.reconciler.apply(wishes(BTC, ORDERS, POSITIONS))
        assert parts.public.wanted == {BTC}
        assert parts.private.wanted == frozenset()
        assert parts.reconciler.rejected == {ORDERS: NO_CREDENTIALS, POSITIONS: NO_CREDENTIALS}


async def test_a_wildcard_becomes_a_topic_for_every_listed_symbol_beside_what_is_named(store: Redis) -> None:
    async with reconciling(store) as parts:
        parts.listing.symbols = frozenset({"BTCUSDT", "XRPUSDT"})
        await parts.reconciler.apply(wishes(EVERY_1M, ETH))
        xrp = "futures/klineBin1m:XRPUSDT"
        assert parts.public.wanted == {BTC, xrp, ETH}
        assert parts.reconciler.wildcards == {EVERY_1M: {BTC, xrp}}


async def test_a_wildcard_is_no_topic_of_its_own_before_the_list_is_known(store: Redis) -> None:
    async with reconciling(store) as parts:
        await parts.reconciler.apply(wishes(EVERY_1M, "futures/klineBin1H:*"))
        assert parts.public.wanted == frozenset()
        assert parts.reconciler.wildcards == {EVERY_1M: frozenset(), "futures/klineBin1H:*": frozenset()}


async def test_the_list_is_needed_only_while_candles_are_wished(store: Redis) -> None:
    asked = []
    async with reconciling(store) as parts:
        parts.listing.need = lambda *, needed: asked.append(needed)  # type: ignore[method-assign]
        for topics in ((ORDERS,), (ORDERS, EVERY_1M), (BTC,), ()):
            await parts.reconciler.apply(wishes(*topics))
        await parts.reconciler.apply(wishes(EVERY_1M, paused=True))
    assert asked == [False, True, True, False, False]


async def test_a_pause_takes_everything_away_and_its_end_brings_it_back(store: Redis) -> None:
    async with reconciling(store) as parts:
        parts.listing.symbols = frozenset({"XRPUSDT"})
        for paused, expected in ((False, 2), (True, 0), (False, 2)):
            await parts.reconciler.apply(wishes(BTC, EVERY_1M, ORDERS, paused=paused))
            assert len(parts.public.wanted) == expected
            assert bool(parts.private.wanted) is not paused
            assert parts.reconciler.paused is paused


async def test_a_nudge_brings_a_pass_at_once(store: Redis) -> None:
    desired = Desired(store, KEYS)
    async with reconciling(store) as parts, running(parts.reconciler.run()):
        await wait_until(lambda: parts.passes == [0], "the first pass")
        await desired.change("shared", add=[BTC])
        parts.reconciler.nudge()
        await wait_until(lambda: parts.passes == [0, 1], "the pass after the nudge")
        assert parts.public.wanted == {BTC}


async def test_a_wish_made_by_hand_is_seen_by_the_regular_pass(store: Redis) -> None:
    async with reconciling(store, interval_s=0.02) as parts, running(parts.reconciler.run()):
        await store.sadd(KEYS.desired, BTC, b"\xff\x00odd")
        await wait_until(lambda: parts.public.wanted == {BTC}, "the wish is seen")
        assert list(parts.reconciler.rejected) == ["\\xff\x00odd"]
        assert parts.reconciler.revision == 0


async def test_while_redis_is_away_the_last_wishes_stay_in_force(
    lasting: EmbeddedServer, caplog: pytest.LogCaptureFixture
) -> None:
    store = client.commands(Secret(lasting.url))
    desired = Desired(store, KEYS)
    async with reconciling(store, interval_s=0.02) as parts:
        await desired.change("shared", add=[BTC, ORDERS])
        async with running(parts.reconciler.run()):
            await wait_until(lambda: parts.public.wanted == {BTC}, "the wish is seen")
            await lasting.stop()
            await wait_until(lambda: bool(parts.reconciler.trouble), "the trouble is seen")
            passes = len(parts.passes)
            assert parts.public.wanted == {BTC}
            assert parts.private.wanted == {ORDERS}
            await lasting.start()
            await wait_until(lambda: parts.reconciler.trouble == "", "the trouble is over")
            assert len(parts.passes) > passes
            await desired.change("shared", add=[ETH])
            await wait_until(lambda: parts.public.wanted == {BTC, ETH}, "the new wish is seen")
    await store.aclose()
    told = [record.getMessage() for record in caplog.records if "stay in force" in record.getMessage()]
    assert told
    assert len(told) == len(set(told)), "each trouble is told once"


async def test_a_store_that_comes_back_empty_is_given_its_wishes_back(forgetful: EmbeddedServer) -> None:
    store = client.commands(Secret(forgetful.url))
    desired = Desired(store, KEYS)
    async with reconciling(store, interval_s=0.02) as parts:
        await desired.change("one", add=[BTC, ORDERS])
        await desired.change("two", add=[BTC, ETH])
        async with running(parts.reconciler.run()):
            await wait_until(lambda: parts.reconciler.revision == 2, "the wishes are seen")
            told: list[frozenset[str]] = []
            parts.public.want = told.append  # type: ignore[method-assign, assignment]
            await forgetful.stop()
            await forgetful.start()
            await wait_until(lambda: bool(parts.losses), "the loss is seen")
            await wait_until(lambda: bool(told), "the wishes are applied again")
            assert set(told) == {frozenset({BTC, ETH})}, "at no time was anything else wanted"
            assert parts.losses == [2]
            assert await desired.by_owner() == {"one": sorted([BTC, ORDERS]), "two": sorted([BTC, ETH])}
            assert (await desired.read()).topics == {BTC, ETH, ORDERS}
    await store.aclose()


async def test_a_store_that_comes_back_empty_is_paused_again_if_it_was(forgetful: EmbeddedServer) -> None:
    store = client.commands(Secret(forgetful.url))
    desired = Desired(store, KEYS)
    async with reconciling(store) as parts:
        await desired.change("one", add=[BTC])
        await desired.pause(paused=True)
        await parts.reconciler.reconcile()
        await store.flushall()
        await parts.reconciler.reconcile()
        wishes = await desired.read()
        assert wishes.topics == {BTC}
        assert wishes.paused
        assert parts.public.wanted == frozenset()
    await store.aclose()


async def test_a_loss_is_seen_though_the_revisions_have_caught_up(forgetful: EmbeddedServer) -> None:
    store = client.commands(Secret(forgetful.url))
    desired = Desired(store, KEYS)
    async with reconciling(store) as parts:
        await desired.change("one", add=[BTC])
        for _ in range(2):
            await parts.reconciler.reconcile()
        await store.flushall()
        for _ in range(3):
            await desired.change("two", add=[ETH])
        await parts.reconciler.reconcile()
        assert len(parts.losses) == 1
        assert await desired.by_owner() == {"one": [BTC], "two": [ETH]}
        await parts.reconciler.reconcile()
        assert len(parts.losses) == 1
        assert (await desired.read()).life
    await store.aclose()


async def test_of_two_that_see_a_loss_neither_takes_the_others_making_good_for_another(store: Redis) -> None:
    desired = Desired(store, KEYS)
    async with reconciling(store) as one, reconciling(store) as other:
        await desired.change("one", add=[BTC])
        for parts in (one, other, one, other):
            await parts.reconciler.reconcile()
        await store.flushall()
        for parts in (one, other) * 3:
            await parts.reconciler.reconcile()
        assert (len(one.losses), len(other.losses)) == (1, 1)


async def test_a_set_that_was_emptied_on_purpose_stays_empty(store: Redis) -> None:
    desired = Desired(store, KEYS)
    async with reconciling(store) as parts:
        await desired.change("one", add=[BTC])
        await parts.reconciler.reconcile()
        await desired.change("one", remove=[BTC])
        await parts.reconciler.reconcile()
        assert (parts.public.wanted, parts.losses) == (frozenset(), [])


def among(*others: Card) -> Beat:
    """What a heartbeat brings when we are not alone."""
    return Beat({"one": Card("1", credentials=True)} | {f"other{n}": card for n, card in enumerate(others)})


async def test_only_our_share_is_wanted_and_what_others_left_behind_is_taken_over(store: Redis) -> None:
    topics = [f"futures/klineBin1m:SIM{number:03}USDT" for number in range(40)]
    async with reconciling(store) as parts:
        parts.membership.hear(among(Card("2")))
        await parts.reconciler.apply(wishes(*topics))
        ours = parts.public.wanted
        assert 0 < len(ours) < len(topics)
        parts.membership.hear(among())
        await parts.reconciler.apply(wishes(*topics))
        assert parts.public.wanted == set(topics)
        assert parts.membership.figures()["taken_over"] == len(topics) - len(ours)


async def test_what_moves_is_held_until_it_is_active_elsewhere(store: Redis) -> None:
    topics = [f"futures/klineBin1m:SIM{number:03}USDT" for number in range(40)]
    members = Members(store, KEYS, 5)
    async with reconciling(store) as parts, running(parts.reconciler.run()):
        await parts.reconciler._desired.change("shared", add=topics)  # noqa: SLF001 - the wishes it follows
        parts.reconciler.nudge()
        await wait_until(lambda: parts.public.wanted == set(topics), "all is ours at first")
        parts.membership.hear(among(Card("2")))
        parts.reconciler.nudge()
        await wait_until(lambda: len(parts.membership.public.target) < 40, "a part falls to the other")
        moving = sorted(set(topics) - parts.membership.public.target)
        assert parts.public.wanted == set(topics)
        state = TopicState(State.ACTIVE, 1)
        await members.publish("other0", {moving[0]: state, moving[1]: TopicState(State.PENDING, 1)}, ())
        await wait_until(lambda: moving[0] not in parts.public.wanted, "what is active there is let go")
        assert parts.public.wanted == set(topics) - {moving[0]}
        await members.publish("other0", dict.fromkeys(moving, state), ())
        await wait_until(lambda: parts.public.wanted == parts.membership.public.target, "the rest follows")
        assert parts.membership.figures()["handed_over"] == len(moving)


async def test_private_topics_go_to_those_with_credentials_all_to_the_same(store: Redis) -> None:
    async with reconciling(store, account=False) as parts:
        parts.membership.hear(Beat({"one": Card("1"), "two": Card("2", credentials=True)}))
        await parts.reconciler.apply(wishes(ORDERS, POSITIONS))
        assert (parts.private.wanted, parts.reconciler.rejected) == (frozenset(), {})
    await store.flushall()
    async with reconciling(store) as parts:
        parts.membership.hear(among(*(Card(str(number)) for number in range(5))))
        await parts.reconciler.apply(wishes(ORDERS, POSITIONS))
        assert parts.private.wanted == {ORDERS, POSITIONS}


async def test_who_cannot_reach_the_exchange_gives_way_and_goes_on_trying(store: Redis) -> None:
    topics = [f"futures/klineBin1m:SIM{number:03}USDT" for number in range(40)]
    async with reconciling(store) as parts:
        parts.membership.hear(among(Card("2", public=False)))
        await parts.reconciler.apply(wishes(*topics))
        assert parts.public.wanted == set(topics)
        unable = {"one": Card("1", public=False), "two": Card("2")}
        parts.membership.hear(Beat(unable))
        await parts.reconciler.apply(wishes(*topics))
        tried = parts.public.wanted
        assert len(tried) > 0
        assert not any(map(parts.membership.public.leads, topics))


async def test_whoever_leaves_keeps_nothing_once_others_have_it(store: Redis) -> None:
    async with reconciling(store) as parts:
        await parts.reconciler.apply(wishes(BTC, ETH))
        leaving = {"one": Card("1", leaving=True)}
        parts.membership.hear(Beat(leaving | {"two": Card("2")}))
        await parts.reconciler.apply(wishes(BTC, ETH))
        assert not parts.membership.public.target
        assert parts.public.wanted == {BTC, ETH}
        parts.membership.hear(Beat(leaving))
        await parts.reconciler.apply(wishes(BTC, ETH))
        assert parts.public.wanted == frozenset(), "with nobody to wait for, nothing is held"


async def test_a_loss_that_could_not_be_made_good_is_taken_up_again(store: Redis) -> None:
    async with reconciling(store) as parts:
        await Desired(store, KEYS).change("one", add=[BTC])
        await parts.reconciler.reconcile()
        await store.flushall()
        sound = parts.reconciler._on_lost  # noqa: SLF001 - Redis goes away in the middle of it

        async def fails() -> None:
            parts.reconciler._on_lost = sound  # noqa: SLF001 - and comes back
            raise ConnectionError

        parts.reconciler._on_lost = fails  # noqa: SLF001 - as above
        with pytest.raises(ConnectionError):
            await parts.reconciler.reconcile()
        assert parts.losses == []
        await parts.reconciler.reconcile()
        assert len(parts.losses) == 1
        await parts.reconciler.reconcile()
        assert len(parts.losses) == 1
