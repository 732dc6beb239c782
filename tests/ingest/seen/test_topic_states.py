"""How far each topic has come, from what the connections hold."""

from __future__ import annotations

from bridge.exchanges.base import Action
from bridge.ingest.reconciler import NO_CREDENTIALS
from bridge.ingest.seen.topic_states import topic_states
from bridge.ingest.sockets.connection import Connection
from bridge.ingest.sockets.pool import Pool
from bridge.store.members import State
from tests.ingest.rig import BTC, ETH, ORDERS, Notebook, market, pool_of, quick


class Reconciled:
    """Stands for a reconciler: the three things that are read of it."""

    def __init__(self, rejected: dict[str, str], wildcards: dict[str, frozenset[str]], foreign: frozenset[str]) -> None:
        """Say what was rejected, what wildcards stand for, and what of it falls to others."""
        self.rejected = rejected
        self.wildcards = wildcards
        self._foreign = foreign

    def ours(self, topics: frozenset[str]) -> frozenset[str]:
        """Which of these fall to us."""
        return topics - self._foreign


def states(
    *pools: Pool,
    rejected: dict[str, str] | None = None,
    wildcards: dict[str, frozenset[str]] | None = None,
    foreign: frozenset[str] = frozenset(),
) -> dict[str, tuple[State, str, int]]:
    found = topic_states(pools, Reconciled(rejected or {}, wildcards or {}, foreign))  # type: ignore[arg-type]
    return {name: (state.state, state.reason, state.data_at) for name, state in found.items()}


def wanting(*topics: str, name: str = "public") -> Pool:
    """A pool that wants some topics and has asked for them on one connection, but is not running."""
    simulator = market()
    pool = pool_of(simulator, quick(simulator), Notebook(), name=name)
    pool.want(frozenset(topics))
    only(pool).held.sent(Action.SUBSCRIBE, topics, 0)
    return pool


def only(pool: Pool) -> Connection:
    """The one connection of a pool."""
    (line,) = pool.lines
    return line.connection


async def test_a_topic_is_pending_active_or_rejected_as_its_connection_holds_it() -> None:
    xrp = "futures/klineBin1m:XRPUSDT"
    public = wanting(BTC, ETH, xrp)
    only(public).held.acknowledged(Action.SUBSCRIBE, BTC, 0)
    only(public).held.refused(Action.SUBSCRIBE, ETH, "no such topic", 0)
    only(public).data_at[BTC] = 77
    assert states(public, wanting(ORDERS, name="private")) == {
        BTC: (State.ACTIVE, "", 77),
        ETH: (State.REJECTED, "no such topic", 0),
        xrp: (State.PENDING, "", 0),
        ORDERS: (State.PENDING, "", 0),
    }


async def test_a_topic_without_a_socket_is_pending_for_the_connections_reason() -> None:
    simulator = market()
    public = pool_of(simulator, quick(simulator), Notebook())
    public.want(frozenset({BTC}))
    only(public).trouble = "refused with HTTP 403"
    assert states(public) == {BTC: (State.PENDING, "refused with HTTP 403", 0)}


async def test_a_wish_that_no_connection_can_serve_is_rejected_with_our_reason() -> None:
    assert states(rejected={ORDERS: NO_CREDENTIALS}) == {ORDERS: (State.REJECTED, NO_CREDENTIALS, 0)}


async def test_a_topic_is_pending_until_its_unsubscription_is_granted() -> None:
    public = wanting(BTC)
    only(public).held.acknowledged(Action.SUBSCRIBE, BTC, 0)
    public.want(frozenset())
    assert states(public)[BTC][0] is State.PENDING
    only(public).held.sent(Action.UNSUBSCRIBE, [BTC], 0)
    assert states(public)[BTC][0] is State.PENDING
    only(public).held.acknowledged(Action.UNSUBSCRIBE, BTC, 0)
    assert states(public) == {}


async def test_a_wildcard_is_settled_when_all_its_topics_are() -> None:
    every = "futures/klineBin1m:*"
    xrp = "futures/klineBin1m:XRPUSDT"
    public = wanting(BTC, xrp)

    def wildcard(topics: frozenset[str] = frozenset({BTC, xrp})) -> tuple[State, str, int]:
        return states(public, wildcards={every: topics})[every]

    assert wildcard(frozenset()) == (State.PENDING, "the list of contracts is not known yet", 0)
    assert wildcard() == (State.PENDING, "0 of 2 contracts are active", 0)
    only(public).held.acknowledged(Action.SUBSCRIBE, BTC, 0)
    assert wildcard() == (State.PENDING, "1 of 2 contracts are active", 0)
    only(public).held.refused(Action.SUBSCRIBE, xrp, "no", 0)
    assert wildcard() == (State.ACTIVE, "1 of 2 contracts are rejected", 0)
    only(public).held.sent(Action.SUBSCRIBE, [xrp], 1)
    only(public).held.acknowledged(Action.SUBSCRIBE, xrp, 1)
    assert wildcard() == (State.ACTIVE, "", 0)


async def test_a_wildcard_all_of_whose_topics_are_rejected_is_rejected() -> None:
    every = "futures/klineBin1m:*"
    public = wanting(BTC)
    only(public).held.refused(Action.SUBSCRIBE, BTC, "no", 0)
    found = states(public, wildcards={every: frozenset({BTC})})[every]
    assert found == (State.REJECTED, "1 of 1 contracts are rejected", 0)


async def test_of_a_wildcard_only_our_part_is_told() -> None:
    every = "futures/klineBin1m:*"
    public = wanting(BTC)
    only(public).held.acknowledged(Action.SUBSCRIBE, BTC, 0)
    topics = frozenset({BTC, ETH})
    assert states(public, wildcards={every: topics}, foreign=frozenset({ETH}))[every] == (State.ACTIVE, "", 0)
    assert every not in states(public, wildcards={every: frozenset({ETH})}, foreign=frozenset({ETH}))


async def test_a_topic_without_room_is_pending_and_says_so() -> None:
    simulator = market()
    settings = quick(simulator, topics_per_connection=1, max_connections=2)
    public = pool_of(simulator, settings, Notebook())
    public.want(frozenset({BTC, ETH}))
    assert states(public)[ETH] == (State.PENDING, "no room: 1 connections of 1 topics are full", 0)
