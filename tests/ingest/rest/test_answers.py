"""REST's answers, shared: silent for one is not silent for all, and what one learned all know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from bridge.clock import ExchangeClock
from bridge.ingest.rest.answers import Answers
from bridge.records import EventName
from bridge.store import client
from bridge.store.keys import Keys
from bridge.store.proofs import Proofs
from bridge.timeframes import DAY_MS, HOUR_MS, Timeframe
from bridge.values import Secret
from tests.ingest.rig import START, Notebook, candle

if TYPE_CHECKING:
    from redis.asyncio import Redis

KEYS = Keys()
TIMEOUT_MS: Final = 60_000


class Hands:
    """A clock's hands, turned by hand."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def hands() -> Hands:
    return Hands()


def hearing(store: Redis, hands: Hands, notes: Notebook) -> Answers:
    """One ingester's ears."""
    return Answers(Proofs(store, KEYS), ExchangeClock(hands, START), TIMEOUT_MS, notes.happened)


async def test_rest_is_silent_only_if_it_is_for_everybody(store: Redis, hands: Hands) -> None:
    notes = Notebook()
    one, other = hearing(store, hands, notes), hearing(store, hands, notes)
    assert await one.silence_ms() == 0
    for _ in range(10):
        hands.seconds += 30
        await other.heard([])
        assert await one.silence_ms() < TIMEOUT_MS
    hands.seconds += 60
    assert await one.silence_ms() == 60_000


async def test_an_answer_that_comes_while_the_others_are_asked_ends_the_silence(store: Redis, hands: Hands) -> None:
    class Answered(Proofs):
        """Shares as always; an answer comes between what the store says and what is made of it."""

        async def last_heard(self) -> int:
            held = await super().last_heard()
            await answers.heard([])
            return held

    notes = Notebook()
    answers = Answers(Answered(store, KEYS), ExchangeClock(hands, START), TIMEOUT_MS, notes.happened)
    assert await answers.silence_ms() == 0
    hands.seconds = 90
    assert await answers.silence_ms() == 0
    assert notes.names() == []


async def test_who_hears_nothing_itself_tells_that_rest_is_back_when_another_hears_it(
    store: Redis, hands: Hands
) -> None:
    notes, others = Notebook(), Notebook()
    one, other = hearing(store, hands, notes), hearing(store, hands, others)
    for _ in range(2):
        for answers in (one, other):
            await answers.silence_ms()
        hands.seconds += 60
        for answers in (one, other):
            assert await answers.silence_ms() == TIMEOUT_MS
        await other.heard([])
        assert await one.silence_ms() == 0
    assert notes.names() == others.names() == [EventName.REST_AWAY, EventName.REST_BACK] * 2


async def test_a_store_that_forgot_what_others_heard_makes_no_silence(store: Redis, hands: Hands) -> None:
    notes = Notebook()
    one, other = hearing(store, hands, notes), hearing(store, hands, notes)
    assert await one.silence_ms() == 0
    hands.seconds += 60
    await other.heard([])
    assert await one.silence_ms() == 0
    await store.flushall()
    hands.seconds += 30
    assert await one.silence_ms() == 30_000
    assert notes.names() == []


async def test_silence_begins_when_somebody_first_asks(store: Redis, hands: Hands) -> None:
    hands.seconds = 1_000
    assert await hearing(store, hands, Notebook()).silence_ms() == 0


async def test_that_rest_is_away_and_that_it_is_back_are_told_once_each(store: Redis, hands: Hands) -> None:
    notes = Notebook()
    answers = hearing(store, hands, notes)
    for _ in range(2):
        await answers.heard([])
        for _ in range(4):
            hands.seconds += 40
            await answers.silence_ms()
    await answers.heard([])
    assert notes.names() == [EventName.REST_AWAY, EventName.REST_BACK] * 2


async def test_while_redis_is_away_nobody_can_know_that_rest_is_silent_for_all(hands: Hands) -> None:
    away = client.commands(Secret("redis://127.0.0.1:1"))
    answers = hearing(away, hands, Notebook())
    await answers.heard([])
    hands.seconds = 3_600
    assert await answers.silence_ms() == 0
    await away.aclose()


async def test_where_days_begin_is_learned_kept_and_known_to_the_next(store: Redis, hands: Hands) -> None:
    answers = hearing(store, hands, Notebook())
    await answers.load()
    await answers.heard([candle(0, timeframe="1d", open_time=20 * DAY_MS + HOUR_MS), candle(0)])
    assert answers.phases == {}
    await answers.heard([candle(0, timeframe="1d", open_time=20 * DAY_MS + HOUR_MS)])
    following = hearing(store, hands, Notebook())
    await following.load()
    assert following.phases == answers.phases == {"1d": HOUR_MS}


async def test_a_day_that_begins_elsewhere_is_told(store: Redis, hands: Hands) -> None:
    notes = Notebook()
    answers = hearing(store, hands, notes)
    for phase_ms in (HOUR_MS, HOUR_MS, 0):
        await answers.heard([candle(0, timeframe="1d", open_time=20 * DAY_MS + phase_ms)])
    assert notes.texts(EventName.CONTRADICTION) == [f"periods of 1d begin 0 ms into their count now, not {HOUR_MS}"]


async def test_a_store_that_forgot_where_weeks_begin_is_told_again(store: Redis, hands: Hands) -> None:
    answers = hearing(store, hands, Notebook())
    await answers.heard([candle(0, timeframe="1w", open_time=4 * DAY_MS + Timeframe.W1.milliseconds)])
    await store.flushall()
    answers.forget()
    await answers.load()
    assert await Proofs(store, KEYS).phases() == {"1w": 4 * DAY_MS}
