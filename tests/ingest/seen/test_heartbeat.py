"""What an ingester tells the others, in a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisAway

from bridge.ingest.seen.heartbeat import Heartbeat
from bridge.store import client
from bridge.store.embedded.server import EmbeddedServer
from bridge.store.keys import Keys
from bridge.store.members import STOP, Beat, Card, Members, State, TopicState
from bridge.values import Secret
from tests.ingest.rig import NEVER_S, running
from tests.support import wait_until

KEYS = Keys()
NAME = "one"
CARD = Card("token")
ACTIVE = TopicState(State.ACTIVE, 1_000)
PENDING = TopicState(State.PENDING, 1_000)


class Watched(Members):
    """The members, and what was asked of them in which order."""

    def __init__(self, store: Redis, lifetime_s: float = 5) -> None:
        """Speak with a real server."""
        super().__init__(store, KEYS, lifetime_s)
        self.asked: list[tuple[str, set[str], set[str]]] = []
        self.away = False

    async def beat(self, name: str, card: Card, state: Mapping[str, str | int | float]) -> Beat:
        self.asked.append(("beat", set(state), set()))
        return await super().beat(name, card, state)

    async def publish(self, name: str, changed: Mapping[str, TopicState], gone: Iterable[str]) -> None:
        self.asked.append(("publish", set(changed), set(gone)))
        if self.away:
            raise RedisAway("away")
        await super().publish(name, changed, gone)


@dataclass
class Ours:
    """What there is to tell, and the heartbeat that tells it."""

    members: Watched
    interval_s: float = NEVER_S
    state: dict[str, str | int] = field(default_factory=lambda: {"applied_rev": 1})
    topics: dict[str, TopicState] = field(default_factory=dict)
    stops: int = 0
    beats: list[Beat] = field(default_factory=list)
    heartbeat: Heartbeat = field(init=False)

    def __post_init__(self) -> None:
        """Make the heartbeat."""
        self.heartbeat = Heartbeat(
            members=self.members,
            name=NAME,
            interval_s=self.interval_s,
            card=lambda: CARD,
            state=lambda: self.state,
            topics=lambda: self.topics,
            on_beat=self.beats.append,
            on_stop=self.stop,
        )

    def stop(self) -> None:
        """Count the requests to stop."""
        self.stops += 1

    async def report(self, **topics: TopicState) -> list[tuple[str, set[str], set[str]]]:
        """Report these topics; return what was asked of the members for it."""
        self.topics = topics
        before = len(self.members.asked)
        await self.heartbeat.report()
        return self.members.asked[before:]

    async def told(self) -> dict[str, TopicState]:
        """What the others can read of our topics."""
        return await self.members.topics([NAME])


@pytest.fixture
async def ours(store: Redis) -> Ours:
    ours = Ours(Watched(store))
    await ours.members.enter(NAME, CARD)
    return ours


async def test_the_topics_are_told_before_the_revision_that_they_belong_to(ours: Ours) -> None:
    assert await ours.report(a=ACTIVE) == [("publish", {"a"}, set()), ("beat", {"applied_rev"}, set())]
    assert await ours.told() == {"a": ACTIVE}
    assert await ours.members.alive() == {NAME: {"applied_rev": "1"}}


async def test_only_what_changed_is_told(ours: Ours) -> None:
    await ours.report(a=PENDING, b=PENDING)
    assert await ours.report(a=PENDING, b=PENDING) == [("beat", {"applied_rev"}, set())]
    assert (await ours.report(a=ACTIVE, b=PENDING))[0] == ("publish", {"a"}, set())
    rejected = TopicState(State.REJECTED, 1_001, "no such topic")
    assert (await ours.report(a=ACTIVE, b=rejected))[0] == ("publish", {"b"}, set())
    other_words = TopicState(State.REJECTED, 1_002, "still no such topic")
    assert (await ours.report(a=ACTIVE, b=other_words))[0] == ("publish", {"b"}, set())
    assert await ours.told() == {"a": ACTIVE, "b": other_words}


async def test_a_topic_that_is_no_longer_served_is_taken_back(ours: Ours) -> None:
    await ours.report(a=ACTIVE, b=ACTIVE)
    assert (await ours.report(b=ACTIVE))[0] == ("publish", set(), {"a"})
    assert await ours.told() == {"b": ACTIVE}
    assert (await ours.report())[0] == ("publish", set(), {"b"})
    assert await ours.told() == {}


async def test_the_time_since_when_is_that_of_the_last_change_of_state(ours: Ours) -> None:
    await ours.report(a=TopicState(State.ACTIVE, 1_000))
    await ours.report(a=TopicState(State.ACTIVE, 9_000, "", 20_000))
    assert await ours.told() == {"a": TopicState(State.ACTIVE, 1_000, "", 20_000)}
    await ours.report(a=TopicState(State.PENDING, 10_000, "lost", 20_000))
    assert await ours.told() == {"a": TopicState(State.PENDING, 10_000, "lost", 20_000)}


async def test_the_first_data_is_told_at_once_and_its_age_every_five_seconds_at_most(ours: Ours) -> None:
    def seen(data_at: int) -> TopicState:
        return TopicState(State.ACTIVE, 1_000, "", data_at)

    await ours.report(a=seen(0))
    published = [
        data_at for data_at in (1, 2, 5_000, 5_001, 9_999, 10_001) if len(await ours.report(a=seen(data_at))) > 1
    ]
    assert published == [1, 5_001, 10_001]
    assert await ours.told() == {"a": seen(10_001)}


async def test_a_report_comes_at_every_interval(store: Redis) -> None:
    ours = Ours(Watched(store), interval_s=0.05)
    async with running(ours.heartbeat.run()):
        await wait_until(lambda: len(ours.members.asked) >= 4, "four reports")
        ours.state["applied_rev"] = 2
        await wait_until(lambda: seen_revision(ours, "2"), "the new state is told")


async def seen_revision(ours: Ours, revision: str) -> bool:
    return (await ours.members.alive()).get(NAME, {}).get("applied_rev") == revision


async def test_a_stir_brings_the_next_report_soon_and_many_stirs_bring_few(ours: Ours) -> None:
    async with running(ours.heartbeat.run()):
        await wait_until(lambda: seen_revision(ours, "1"), "the first report")
        ours.state["applied_rev"] = 2
        began = asyncio.get_running_loop().time()
        for _ in range(100):
            ours.heartbeat.stir()
            await ours.told()
        await wait_until(lambda: seen_revision(ours, "2"), "the report after the stirs")
        spent = asyncio.get_running_loop().time() - began
        assert len(ours.members.asked) <= 4 + spent / 0.05  # the least time between two reports


async def test_a_request_to_stop_is_heard(ours: Ours) -> None:
    async with running(ours.heartbeat.run()):
        await wait_until(lambda: seen_revision(ours, "1"), "the first report")
        assert ours.stops == 0
        await ours.members.ask_to_stop([NAME])
        ours.heartbeat.stir()
        await wait_until(lambda: ours.stops >= 1, "we were asked to stop")


async def test_everything_is_told_again_when_redis_comes_back_empty(forgetful: EmbeddedServer) -> None:
    store = client.commands(Secret(forgetful.url))
    ours = Ours(Watched(store), interval_s=0.02, topics={"a": ACTIVE, "b": PENDING})
    async with running(ours.heartbeat.run()):
        await wait_until(lambda: seen_revision(ours, "1"), "the first report")
        await forgetful.stop()
        await wait_until(lambda: bool(ours.heartbeat.trouble), "the trouble is seen")
        await forgetful.start()
        await wait_until(lambda: ours.heartbeat.trouble == "", "the trouble is over")
        assert await ours.told() == {"a": ACTIVE, "b": PENDING}
    await store.aclose()


async def test_what_ended_while_redis_was_away_is_taken_back_afterwards(ours: Ours) -> None:
    ours.topics = {"a": ACTIVE, "b": ACTIVE}
    async with running(ours.heartbeat.run()):
        await wait_until(lambda: seen_revision(ours, "1"), "the first report")
        ours.members.away = True
        ours.topics = {"b": ACTIVE}
        ours.heartbeat.stir()
        await wait_until(lambda: ours.heartbeat.trouble == "Redis: away", "the trouble is seen")
        ours.members.away = False
        ours.heartbeat.stir()
        await wait_until(lambda: ours.heartbeat.trouble == "", "the trouble is over")
        assert await ours.told() == {"b": ACTIVE}


async def test_a_request_to_stop_outlasts_a_redis_that_was_away(ours: Ours, store: Redis) -> None:
    await ours.report(a=ACTIVE)
    ours.members.away = True
    with pytest.raises(RedisAway):
        await ours.report(b=ACTIVE)
    ours.members.away = False
    await store.hset(KEYS.ingester(NAME), STOP, "1")
    await ours.report(b=ACTIVE)
    assert ours.stops == 1


async def test_who_counted_as_gone_tells_everything_again(store: Redis) -> None:
    ours = Ours(Watched(store, lifetime_s=NEVER_S))
    await ours.report(a=ACTIVE)
    # As if it had been silent for long: the server's own clock says when it was last heard of.
    await store.zadd(KEYS.ingesters, {NAME: 1})
    await store.pexpire(KEYS.ingester_topics(NAME), 1)

    async def forgotten() -> bool:
        return not await store.exists(KEYS.ingester_topics(NAME))

    await wait_until(forgotten, "our topics have expired")
    await ours.report(a=ACTIVE)
    await ours.report(a=ACTIVE)
    assert [beat.returned for beat in ours.beats[-2:]] == [True, False]
    assert await ours.told() == {"a": ACTIVE}


async def test_each_heartbeat_brings_the_others(ours: Ours) -> None:
    other = Card("other", credentials=True)
    await ours.members.enter("two", other)
    await ours.report()
    assert ours.beats[-1].cards == {NAME: CARD, "two": other}
