"""The switches by name, type and text."""

import pytest

from bridge.simulator import Faults
from bridge.simulator.faults import FaultValue


def test_all_faults_are_off_at_first() -> None:
    assert Faults().active() == {}


def test_a_fault_is_set_by_name_from_its_value_or_from_text() -> None:
    faults = Faults()
    faults.set("stall", value=True)
    faults.set("delay_frames", "0.5")
    faults.set("malformed_frames", "3")
    faults.set("mute_topics", "futures/order,futures/position")
    faults.set("group_suffix", "@100ms")
    assert faults.active() == {
        "stall": True,
        "delay_frames": 0.5,
        "malformed_frames": 3,
        "mute_topics": ("futures/order", "futures/position"),
        "group_suffix": "@100ms",
    }


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("stal", True, "no fault named 'stal'"),
        ("stall", 1, "stall must be true or false, not 1"),
        ("stall", "maybe", "stall must be true or false, not 'maybe'"),
        ("malformed_frames", 1.5, "malformed_frames must be a whole number"),
        ("malformed_frames", -1, "malformed_frames must be a whole number of at least 0"),
        ("malformed_frames", True, "malformed_frames must be a whole number"),
        ("delay_frames", "soon", "delay_frames must be a number"),
        ("mute_topics", [1], "mute_topics must be a list of topics"),
        ("position_data", "none", "position_data must be one of"),
        ("group_suffix", 100, "group_suffix must be a text"),
    ],
)
def test_a_mistake_is_explained(name: str, value: FaultValue, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Faults().set(name, value)


def test_assigning_checks_too() -> None:
    with pytest.raises(ValueError, match="stall must be true or false"):
        Faults().stall = 1  # type: ignore[assignment]
    with pytest.raises(ValueError, match="a list of topics"):
        Faults().mute_topics = "futures/order"


def test_reset_turns_everything_off() -> None:
    faults = Faults(stall=True, delay_frames=1, refuse_topics=["futures/order"])
    faults.reset()
    assert faults == Faults()
