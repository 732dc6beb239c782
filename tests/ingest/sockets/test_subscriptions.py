"""What a connection holds and asks for: transcripts, and random storms against a small honest exchange."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.exchanges.base import Action
from bridge.ingest.sockets.subscriptions import Phase, Subscriptions

ASK, LEAVE = Action.SUBSCRIBE, Action.UNSUBSCRIBE
ACK_S, RETRY_S = 10, 300


@pytest.fixture
def ours() -> Subscriptions:
    return Subscriptions(ack_timeout_s=ACK_S, rejected_retry_s=RETRY_S)


def ask(ours: Subscriptions, wanted: str, now: float) -> tuple[str, str]:
    """One pass: what is left and what is joined, each topic a letter; both are sent."""
    plan = ours.plan(frozenset(wanted), now)
    for action, topics in plan.items():
        ours.sent(action, topics, now)
    return "".join(plan[LEAVE]), "".join(plan[ASK])


def phases(ours: Subscriptions) -> dict[str, Phase]:
    return {topic: held.phase for topic, held in ours}


def active(ours: Subscriptions, topics: str) -> Subscriptions:
    ask(ours, topics, 0)
    for topic in topics:
        assert ours.acknowledged(ASK, topic, 0)
    return ours


def test_from_nothing_everything_wanted_is_asked_for_in_order(ours: Subscriptions) -> None:
    assert ask(ours, "cab", 0) == ("", "abc")
    assert phases(ours) == dict.fromkeys("abc", Phase.SUBSCRIBING)


def test_unsubscriptions_come_before_subscriptions(ours: Subscriptions) -> None:
    assert list(ours.plan(frozenset(), 0)) == [LEAVE, ASK]


def test_what_is_asked_for_is_not_asked_for_again_while_the_answer_may_come(ours: Subscriptions) -> None:
    ask(ours, "ab", 0)
    assert ask(ours, "ab", ACK_S - 0.1) == ("", "")


def test_an_acknowledged_topic_is_active_and_stays_so(ours: Subscriptions) -> None:
    ask(ours, "a", 0)
    assert ours.acknowledged(ASK, "a", 1)
    held = ours.get("a")
    assert held is not None
    assert (held.phase, held.since) == (Phase.ACTIVE, 1)
    assert ask(ours, "a", 10_000) == ("", "")


def test_acknowledging_twice_makes_it_active_once(ours: Subscriptions) -> None:
    ask(ours, "a", 0)
    assert [ours.acknowledged(ASK, "a", now) for now in (1, 2)] == [True, False]
    assert phases(ours) == {"a": Phase.ACTIVE}


def test_a_refused_topic_keeps_the_exchanges_words_and_the_others_go_on(ours: Subscriptions) -> None:
    ask(ours, "ab", 0)
    assert ours.refused(ASK, "a", "no such topic", 1)
    assert ours.acknowledged(ASK, "b", 1)
    held = ours.get("a")
    assert held is not None
    assert (held.phase, held.reason) == (Phase.REJECTED, "no such topic")
    assert phases(ours)["b"] is Phase.ACTIVE


def test_a_refused_topic_is_asked_for_again_after_its_time(ours: Subscriptions) -> None:
    ask(ours, "a", 0)
    ours.refused(ASK, "a", "no", 1)
    assert ask(ours, "a", RETRY_S) == ("", "")
    assert ask(ours, "a", RETRY_S + 1) == ("", "a")
    held = ours.get("a")
    assert held is not None
    assert (held.phase, held.reason) == (Phase.SUBSCRIBING, "")
    assert ours.acknowledged(ASK, "a", RETRY_S + 2)


def test_an_unanswered_subscription_is_made_again_and_again(ours: Subscriptions) -> None:
    assert [ask(ours, "a", now)[1] for now in (0, 9, 10, 19, 20)] == ["a", "", "a", "", "a"]
    assert ours.acknowledged(ASK, "a", 21)


def test_an_unanswered_unsubscription_is_made_again(ours: Subscriptions) -> None:
    active(ours, "a")
    assert [ask(ours, "", now)[0] for now in (0, 9, 10)] == ["a", "", "a"]
    ours.acknowledged(LEAVE, "a", 11)
    assert len(ours) == 0


def test_a_rejected_topic_that_is_no_longer_wanted_is_forgotten_without_a_word(ours: Subscriptions) -> None:
    ask(ours, "a", 0)
    ours.refused(ASK, "a", "no", 0)
    assert ask(ours, "", 1) == ("", "")
    assert len(ours) == 0
    assert ask(ours, "a", 2) == ("", "a")


def test_a_refused_unsubscription_means_that_nothing_is_held_there(ours: Subscriptions) -> None:
    active(ours, "a")
    ask(ours, "", 1)
    assert not ours.refused(LEAVE, "a", "not subscribed", 2)
    assert ours.get("a") is None


def test_a_refusal_of_a_topic_that_is_not_held_changes_nothing(ours: Subscriptions) -> None:
    for action in Action:
        assert not ours.refused(action, "a", "no", 0)
    assert not ours.acknowledged(LEAVE, "a", 0)
    assert len(ours) == 0


def test_a_topic_granted_after_it_was_given_up_is_left(ours: Subscriptions) -> None:
    assert not ours.acknowledged(ASK, "a", 0)
    assert ask(ours, "", 0) == ("a", "")
    ours.acknowledged(LEAVE, "a", 1)
    assert len(ours) == 0


def test_leaving_and_joining_again_before_any_answer_ends_joined(ours: Subscriptions) -> None:
    active(ours, "a")
    assert ask(ours, "", 1) == ("a", "")
    assert ask(ours, "a", 2) == ("", "a")
    assert not ours.acknowledged(LEAVE, "a", 3)
    assert phases(ours) == {"a": Phase.SUBSCRIBING}
    assert ours.acknowledged(ASK, "a", 4)


def test_joining_and_leaving_before_any_answer_ends_left(ours: Subscriptions) -> None:
    ask(ours, "a", 0)
    assert ask(ours, "", 1) == ("a", "")
    assert not ours.acknowledged(ASK, "a", 2)
    assert phases(ours) == {"a": Phase.UNSUBSCRIBING}
    ours.acknowledged(LEAVE, "a", 3)
    assert len(ours) == 0


def test_a_refusal_that_a_change_of_mind_overtook_rejects_nothing(ours: Subscriptions) -> None:
    ask(ours, "a", 0)
    ask(ours, "", 1)
    ask(ours, "a", 2)
    assert not ours.refused(ASK, "a", "busy", 3)
    assert not ours.acknowledged(LEAVE, "a", 4)
    assert ours.acknowledged(ASK, "a", 5)


@pytest.mark.parametrize("changes", range(1, 8))
def test_a_storm_of_changes_ends_as_last_wanted_once_the_answers_are_in(ours: Subscriptions, changes: int) -> None:
    asked: list[Action] = []
    for turn in range(changes):
        left, joined = ask(ours, "a" if turn % 2 == 0 else "", turn)
        assert bool(left) != bool(joined)
        asked.append(ASK if joined else LEAVE)
    decisive = [ours.acknowledged(action, "a", 9) for action in asked]
    assert decisive[:-1] == [False] * (changes - 1)
    assert phases(ours) == ({"a": Phase.ACTIVE} if changes % 2 else {})


def test_a_lost_answer_in_a_storm_is_made_good_by_asking_again(ours: Subscriptions) -> None:
    ask(ours, "a", 0)
    ask(ours, "", 1)
    ask(ours, "a", 2)
    ours.acknowledged(LEAVE, "a", 3)  # the first answer was lost
    assert not ours.acknowledged(ASK, "a", 3)
    assert ask(ours, "a", 2 + ACK_S) == ("", "a")
    assert ours.acknowledged(ASK, "a", 20)


@pytest.mark.parametrize(("wanted", "asked"), [("a", ("", "a")), ("", ("a", ""))])
def test_a_grant_after_a_late_refusal_is_not_overlooked(
    ours: Subscriptions, wanted: str, asked: tuple[str, str]
) -> None:
    ask(ours, "a", 0)
    ask(ours, "a", ACK_S)  # the first answer is only late
    assert ours.refused(ASK, "a", "busy", 11)
    assert not ours.acknowledged(ASK, "a", 12)
    assert ask(ours, wanted, 13) == asked
    assert ours.acknowledged(ASK, "a", 14) is (wanted == "a")


@dataclass
class Exchange:
    """Answers requests in their order, perhaps late; some it refuses, some answers are lost on the way.

    It is never too busy for one of several requests about the same topic: a refusal of the first and a grant of the
    second that is then lost leaves a topic held that nobody knows of.
    """

    closed_to: frozenset[str]
    holds: set[str] = field(default_factory=set)
    asked: deque[tuple[Action, str]] = field(default_factory=deque)

    def answer(self, ours: Subscriptions, now: float, *, busy: bool = False, lost: bool = False) -> None:
        """Answer the oldest request."""
        action, topic = self.asked.popleft()
        busy = busy and all(other != topic for _, other in self.asked)
        refused = action is ASK and topic not in self.holds and (busy or topic in self.closed_to)
        if action is LEAVE:
            self.holds.discard(topic)
        elif not refused:
            self.holds.add(topic)
        if lost:
            return
        if refused:
            ours.refused(action, topic, "no", now)
        else:
            ours.acknowledged(action, topic, now)


TOPICS = st.frozensets(st.sampled_from("abc"))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("want"), TOPICS),
        st.tuples(st.just("wait"), st.sampled_from([1, ACK_S, RETRY_S])),
        st.tuples(st.just("answer"), st.sampled_from(["well", "busy", "lost"])),
    ),
    max_size=60,
)


@given(steps=STEPS, closed_to=TOPICS)
def test_whatever_happens_what_is_held_becomes_what_is_wanted(
    steps: list[tuple[str, frozenset[str] | int | str]], closed_to: frozenset[str]
) -> None:
    ours, exchange = Subscriptions(ack_timeout_s=ACK_S, rejected_retry_s=RETRY_S), Exchange(closed_to)
    wanted: frozenset[str] = frozenset()
    now = 0.0

    def look() -> None:
        for action, topics in ours.plan(wanted, now).items():
            ours.sent(action, topics, now)
            exchange.asked.extend((action, topic) for topic in topics)

    for _, told in steps:
        if isinstance(told, frozenset):
            wanted = told
        elif isinstance(told, int):
            now += told
        elif exchange.asked:
            exchange.answer(ours, now, busy=told == "busy", lost=told == "lost")
        look()

    for _ in range(4):
        while exchange.asked:
            exchange.answer(ours, now)
            look()
        now += RETRY_S
        look()
    while exchange.asked:
        exchange.answer(ours, now)

    assert exchange.holds == wanted - closed_to
    assert phases(ours) == {topic: Phase.REJECTED if topic in closed_to else Phase.ACTIVE for topic in wanted}
