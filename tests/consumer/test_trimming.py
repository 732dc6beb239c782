"""What is missed is counted right, whatever is written, trimmed and read in which order."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from bridge.consumer.positions import Place
from bridge.consumer.trimming import Extent, Rotation, compared

Step = tuple[str, int]
STEPS = st.lists(st.tuples(st.sampled_from(["write", "trim", "read", "check"]), st.integers(0, 6)), max_size=40)


@dataclass
class Stream:
    """A stream and its reader, as numbers: entry 5 is the fifth ever written."""

    kept: list[int] = field(default_factory=list)
    added: int = 0
    place: Place = field(default_factory=lambda: Place("0-0", None))
    read: int = 0
    missed: int = 0

    def take(self, step: Step) -> None:
        what, number = step
        if what == "write":
            self.kept += range(self.added + 1, self.added + number + 1)
            self.added += number
        elif what == "trim":
            self.kept = self.kept[-number:] if number else []
        elif what == "read":
            self.get(number)
        else:
            self.check()

    def get(self, number: int) -> None:
        after = int(self.place.id.split("-")[0])
        for entry in [entry for entry in self.kept if entry > after][:number]:
            self.place = self.place.after(f"{entry}-0", 1)
            self.read += 1

    def check(self) -> None:
        first = f"{self.kept[0]}-0" if self.kept else "0-0"
        last = f"{self.added}-0" if self.added else "0-0"
        self.place, missed = compared(self.place, Extent(first, last, self.added, len(self.kept)))
        self.missed += missed or 0


@given(STEPS, STEPS)
def test_at_the_end_what_was_read_and_what_was_missed_make_up_all_that_was_written(
    before: list[Step], steps: list[Step]
) -> None:
    stream = Stream()
    for step in before:
        if step[0] in ("write", "trim"):
            stream.take(step)
    gone = stream.added - len(stream.kept)
    stream.check()  # where every reader begins
    for step in steps:
        stream.take(step)
        assert stream.read + stream.missed + gone <= stream.added
    stream.get(stream.added)
    stream.check()
    assert stream.read + stream.missed + gone == stream.added


def test_a_position_that_nobody_counted_is_counted_as_soon_as_it_is_plain() -> None:
    inside = Extent("5-0", "9-0", 9, 5)
    assert compared(Place("7-0"), inside) == (Place("7-0"), 0)
    assert compared(Place("9-0"), inside) == (Place("9-0", 9), 0)
    assert compared(Place("2-0"), inside) == (Place("2-0", 4), None)


def test_a_stream_that_began_anew_is_counted_anew() -> None:
    assert compared(Place("7-0", 700), Extent("8-0", "9-0", 2, 2)) == (Place("7-0", 0), 0)


def test_a_position_is_kept_as_text_and_comes_back() -> None:
    for place in (Place("5-1", 7), Place("5-1"), Place()):
        assert Place.parse(str(place)) == place
    assert Place.parse("17") == Place("17-0")


def test_many_streams_are_looked_at_in_turns() -> None:
    many = Rotation([str(number) for number in range(40)])
    seen = [many.some() for _ in range(5)]
    assert {len(some) for some in seen} == {16}
    assert {name for some in seen for name in some} == {str(number) for number in range(40)}
    assert Rotation(["one"]).some() == ["one"]
