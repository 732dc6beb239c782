"""Many topics on several connections, against a simulated exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from bridge.ingest.sockets import pool as pools
from bridge.ingest.sockets.connection import Phase
from bridge.ingest.sockets.pool import Pool
from bridge.records import EventName
from bridge.simulator import Simulator
from tests.ingest.rig import BTC, NEVER_S, ORDERS, POSITIONS, Notebook, market, pool_of, quick, running
from tests.support import wait_until

TOPICS = [
    f"futures/klineBin{interval}:{symbol}"
    for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
    for interval in ("1m", "5m", "15m")
]


def small(simulator: Simulator, notes: Notebook, *, most: int = 4, **changes: float) -> Pool:
    """A pool of at most three topics a connection."""
    settings = quick(simulator, topics_per_connection=3, max_connections=most + 1, **changes)
    return pool_of(simulator, settings, notes)


def active(pool: Pool) -> set[str]:
    return {topic for topic in TOPICS if pool.active(topic)}


def placed(pool: Pool) -> dict[str, int]:
    """On which connection each topic is."""
    return {topic: number for number, line in enumerate(pool.lines) for topic in line.topics}


async def until_active(pool: Pool, topics: Iterable[str]) -> None:
    expected = set(topics)
    await wait_until(lambda: active(pool) == expected, f"exactly these are active: {sorted(expected)}")


def dealt(simulator: Simulator) -> list[list[str]]:
    """What each socket holds as the exchange sees it."""
    return sorted(sorted(topics) for topics in simulator.stats.topics.values())


async def test_topics_spread_over_as_many_connections_as_they_need() -> None:
    notes = Notebook()
    async with market() as simulator:
        pool = small(simulator, notes)
        async with running(pool.run()):
            pool.want(frozenset(TOPICS[:7]))
            await until_active(pool, TOPICS[:7])
            assert sorted(map(len, dealt(simulator))) == [1, 3, 3]
            assert sorted(topic for topics in dealt(simulator) for topic in topics) == sorted(TOPICS[:7])
            assert (pool.phase, sorted(pool.sizes), pool.trouble) == (Phase.OPEN, [1, 3, 3], "")
            subjects = {subject for event, subject, _ in notes.events if event is EventName.CONNECTED}
            assert subjects == {"public", "public-2", "public-3"}


async def test_a_topic_stays_where_it_is_while_others_come_and_go() -> None:
    async with market() as simulator:
        pool = small(simulator, Notebook())
        pool.want(frozenset(TOPICS[:8]))
        first = placed(pool)
        pool.want(frozenset(TOPICS[2:11]))
        second = placed(pool)
        assert {topic: first[topic] for topic in TOPICS[2:8]} == {topic: second[topic] for topic in TOPICS[2:8]}
        assert set(second) == set(TOPICS[2:11])
        assert len(pool.lines) == 3, "room is filled before another connection is opened"


async def test_a_connection_with_nothing_to_carry_is_closed_and_forgotten() -> None:
    async with market() as simulator:
        pool = small(simulator, Notebook())
        async with running(pool.run()):
            pool.want(frozenset(TOPICS[:6]))
            await until_active(pool, TOPICS[:6])
            stays = {topic for topic, number in placed(pool).items() if number == 0}
            pool.want(frozenset(stays))
            await wait_until(lambda: len(pool.lines) == simulator.stats.sockets_open == 1, "one connection is left")
            assert active(pool) == stays
            frames = pool.frames
            assert frames >= 9, "what a closed connection received still counts"
            pool.want(frozenset())
            await pool.emptied()
            await wait_until(lambda: not pool.lines, "none is left")
            assert pool.phase is Phase.IDLE
            assert pool.frames >= frames


async def test_what_finds_no_room_waits_and_says_so_and_the_others_go_on() -> None:
    notes = Notebook()
    async with market() as simulator:
        pool = small(simulator, notes, most=2)
        async with running(pool.run()):
            pool.want(frozenset(TOPICS[:8]))
            await until_active(pool, sorted(TOPICS[:8])[:6])
            assert pool.unplaced == set(sorted(TOPICS[:8])[6:])
            assert notes.texts(EventName.NO_ROOM) == ["2 topics wait: no room: 2 connections of 3 topics are full"]
            pool.want(frozenset(TOPICS[:7]))
            pool.want(frozenset(sorted(TOPICS[:8])[2:]))
            await until_active(pool, sorted(TOPICS[:8])[2:])
            assert pool.unplaced == frozenset()
            assert len(notes.texts(EventName.NO_ROOM)) == 1


async def test_a_loss_is_told_of_its_own_topics_alone_and_they_come_back() -> None:
    notes = Notebook()
    async with market() as simulator:
        pool = small(simulator, notes)
        async with running(pool.run()):
            pool.want(frozenset(TOPICS[:6]))
            await until_active(pool, TOPICS[:6])
            (socket, *_) = simulator.sockets
            held = set(socket.topics)
            socket.cut()
            await wait_until(lambda: bool(notes.missed), "the loss is told")
            assert notes.missed == [held]
            await until_active(pool, TOPICS[:6])
            assert pool.lines[0].topics.isdisjoint(pool.lines[1].topics)


async def test_a_connection_is_replaced_only_when_its_successor_holds_the_same() -> None:
    notes = Notebook()
    async with market() as simulator:
        pool = small(simulator, notes, ack_timeout_s=0.3)
        async with running(pool.run()):
            pool.want(frozenset(TOPICS[:6]))
            await until_active(pool, TOPICS[:6])
            before = dealt(simulator)
            old = next(line for line in pool.lines if BTC in line.topics)
            frames = pool.frames
            simulator.faults.ack_silent = True
            pool.replace(lambda topic: topic == BTC)
            await wait_until(lambda: len(simulator.stats.topics) == 3, "the successor is open")
            assert set(TOPICS[:6]) == active(pool), "the old one serves on while the new one waits for its answers"
            simulator.faults.ack_silent = False
            await wait_until(lambda: pool.replaced == 1, "the old one is gone", timeout=30)
            assert old not in pool.lines
            await wait_until(lambda: dealt(simulator) == before, "each topic is held once")
            assert notes.missed == [], "nothing was missed"
            assert pool.frames >= frames


async def test_a_replacement_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_REPLACE_S", 0.1)
    async with market() as simulator:
        pool = small(simulator, Notebook())
        async with running(pool.run()):
            pool.want(frozenset(TOPICS[:3]))
            await until_active(pool, TOPICS[:3])
            simulator.faults.http_403_on_connect = True
            pool.replace(lambda _: True)
            await wait_until(lambda: pool.replaced == 1, "the old one is given up")
            simulator.faults.http_403_on_connect = False
            await until_active(pool, TOPICS[:3])


async def test_who_reaches_nothing_for_a_while_is_not_able_until_something_is_held() -> None:
    async with market() as simulator:
        pool = small(simulator, Notebook(), give_way_s=5.0)
        assert pool.able(0)
        simulator.faults.http_403_on_connect = True
        async with running(pool.run()):
            pool.want(frozenset(TOPICS[:3]))
            assert [pool.able(now) for now in (100, 104.9, 105, 200)] == [True, True, False, False]
            simulator.faults.http_403_on_connect = False
            await until_active(pool, TOPICS[:3])
            assert pool.able(300)
            simulator.cut_sockets()
            simulator.faults.http_403_on_connect = True
            await wait_until(lambda: not active(pool), "nothing is held any more")
            assert pool.able(400)
            assert not pool.able(405)
            pool.want(frozenset())
            assert pool.able(406), "nobody is unable to do nothing"


async def test_the_private_topics_share_one_connection() -> None:
    async with market() as simulator:
        pool = pool_of(simulator, quick(simulator, topics_per_connection=1), Notebook(), name="private")
        async with running(pool.run()):
            pool.want(frozenset({ORDERS, POSITIONS}))
            await wait_until(lambda: pool.active(ORDERS) and pool.active(POSITIONS), "both are active")
            assert simulator.stats.logins == 1


async def test_a_part_that_fails_ends_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    async with market() as simulator:
        pool = small(simulator, Notebook(), ack_timeout_s=NEVER_S)
        pool.want(frozenset(TOPICS[:1]))
        (line,) = pool.lines
        monkeypatch.setattr(line.connection, "run", failing)
        with pytest.raises(ExceptionGroup, match="unhandled"):
            await asyncio.wait_for(pool.run(), 10)


async def failing() -> None:
    raise RuntimeError("broken")
