"""What is held for others, and when it is let go."""

from __future__ import annotations

from bridge.ingest.members.handover import Handover

BOUND_S = 30.0


def test_a_topic_is_held_until_it_is_active_at_all_its_owners() -> None:
    handover = Handover(BOUND_S)
    handover.pass_on({"a": ("one", "two"), "b": ("two",)}, 0)
    assert handover.questions() == {"one": ["a"], "two": ["a", "b"]}
    assert handover.release(1) == set()
    handover.heard("two", ["a", "b", "unknown"])
    assert handover.questions() == {"one": ["a"]}
    assert handover.release(2) == {"b"}
    handover.heard("one", ["a"])
    assert handover.release(3) == {"a"}
    assert (len(handover), handover.handed_over, handover.let_go) == (0, 2, 0)


def test_nothing_is_held_for_longer_than_the_bound() -> None:
    handover = Handover(BOUND_S)
    handover.pass_on({"a": ("one",)}, 0)
    handover.pass_on({"a": ("one",), "b": ("one",)}, 10)
    assert handover.release(29.9) == set()
    assert handover.release(30) == {"a"}
    assert handover.release(40) == {"b"}
    assert (handover.handed_over, handover.let_go) == (0, 2)


def test_what_comes_back_to_us_is_held_for_nobody() -> None:
    handover = Handover(BOUND_S)
    handover.pass_on({"a": ("one",)}, 0)
    handover.pass_on({}, 1)
    handover.heard("one", ["a"])
    assert (handover.questions(), handover.release(100), len(handover)) == ({}, set(), 0)


def test_another_owner_has_to_be_asked_anew() -> None:
    handover = Handover(BOUND_S)
    handover.pass_on({"a": ("one", "two")}, 0)
    handover.heard("one", ["a"])
    handover.pass_on({"a": ("one", "three")}, 1)
    assert handover.questions() == {"three": ["a"]}
    handover.pass_on({"a": ("three", "four")}, 2)
    assert handover.questions() == {"three": ["a"], "four": ["a"]}
