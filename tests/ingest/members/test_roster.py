"""Who counts as alive, and who is able."""

from __future__ import annotations

from bridge.ingest.members.roster import Roster
from bridge.store.members import Card

LIFETIME_S = 4.0
US, OTHER, THIRD = Card("us"), Card("other"), Card("third")


def beating(*cards: dict[str, Card], every_s: float = 1.0) -> tuple[Roster, list[list[str]]]:
    """A roster that has heard these, one after the other, and whom it missed at each."""
    roster = Roster("us", LIFETIME_S)
    return roster, [roster.hear(card, 100 + number * every_s) for number, card in enumerate(cards)]


def test_whom_the_store_forgets_while_we_are_heard_is_gone_at_once() -> None:
    roster, missed = beating({"us": US, "other": OTHER}, {"us": US})
    assert (missed, set(roster.cards), roster.lost) == ([[], ["other"]], {"us"}, 1)


def test_who_said_that_it_leaves_is_not_missed() -> None:
    roster, missed = beating({"us": US, "other": Card("other", leaving=True)}, {"us": US})
    assert (missed, set(roster.cards), roster.lost) == ([[], []], {"us"}, 0)


def test_after_a_silence_of_our_own_the_others_get_a_lifetime_to_be_heard_again() -> None:
    both = {"us": US, "other": OTHER, "third": THIRD}
    roster, _ = beating(both)
    assert roster.hear({"us": US}, 110) == []
    assert set(roster.cards) == set(both)
    assert roster.hear({"us": US, "third": THIRD}, 111) == []
    assert [roster.hear({"us": US, "third": THIRD}, at) for at in (112, 113, 113.9)] == [[]] * 3
    assert roster.hear({"us": US, "third": THIRD}, 114.1) == ["other"]
    assert set(roster.cards) == {"us", "third"}


def test_a_store_that_forgot_us_has_forgotten_the_others_too() -> None:
    roster, _ = beating({"us": US, "other": OTHER})
    assert roster.hear({"us": US}, 101, returned=True) == []
    assert set(roster.cards) == {"us", "other"}


def test_at_first_nobody_is_spared() -> None:
    roster = Roster("us", LIFETIME_S)
    assert roster.hear({"us": US, "other": OTHER}, 1_000, returned=True) == []
    assert roster.hear({"us": US}, 1_001) == ["other"]


def test_public_topics_are_for_all_who_reach_them() -> None:
    roster, _ = beating({"us": US, "other": Card("other", public=False), "third": Card("third", leaving=True)})
    assert roster.able(private=False) == {"us"}


def test_if_nobody_reaches_the_exchange_all_go_on_trying() -> None:
    nobody = {"us": Card("us", public=False), "other": Card("other", public=False)}
    roster, _ = beating(nobody | {"third": Card("third", leaving=True)})
    assert roster.able(private=False) == {"us", "other"}


def test_private_topics_are_for_those_with_credentials() -> None:
    able = Card("able", credentials=True)
    refused = Card("refused", credentials=True, private=False)
    roster, _ = beating({"us": US, "able": able, "refused": refused})
    assert roster.able(private=True) == {"able"}
    roster, _ = beating({"us": US, "refused": refused})
    assert roster.able(private=True) == {"refused"}
    roster, _ = beating({"us": US})
    assert roster.able(private=True) == frozenset()


def test_one_speaks_for_all() -> None:
    roster, _ = beating({"us": US, "other": OTHER})
    assert not roster.first()
    roster, _ = beating({"us": US, "zoe": OTHER})
    assert roster.first()
