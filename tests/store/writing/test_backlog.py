"""What waits for Redis: what gives way, what is kept, and in which order it goes."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from bridge.store.writing.appends import Append
from bridge.store.writing.backlog import Backlog, Tally
from tests.store.support import APPENDS, FILL, KLINE, changed

MANY = 1_000


def fill(number: int) -> Append:
    return APPENDS.of(changed(FILL, trade_id=str(number)))


def kline(volume: int, **change: object) -> Append:
    return APPENDS.of(changed(KLINE, volume=str(volume), **change))


def made(bound: int = MANY) -> tuple[Backlog, Tally]:
    tally = Tally()
    return Backlog(bound, tally), tally


def volumes(appends: Sequence[Append]) -> list[str | int]:
    return [append.arguments[9] for append in appends]


def test_the_oldest_go_first_and_no_more_than_asked_for() -> None:
    backlog, _ = made()
    appends = [fill(number) for number in range(5)]
    for append in appends:
        backlog.add(append)
    assert backlog.take(2) == appends[:2]
    backlog.landed()
    assert (backlog.take(10), len(backlog)) == (appends[2:], 3)
    backlog.landed()
    assert (backlog.take(10), len(backlog)) == ([], 0)


def test_what_comes_back_goes_again_before_all_else() -> None:
    backlog, _ = made()
    appends = [fill(number) for number in range(6)]
    for append in appends[:4]:
        backlog.add(append)
    taken = backlog.take(3)
    backlog.add(appends[4])
    backlog.landed(taken[1:])
    backlog.add(appends[5])
    assert backlog.take(MANY) == appends[1:]


def test_a_state_that_comes_back_gives_way_to_the_one_that_followed_it() -> None:
    backlog, tally = made()
    backlog.add(kline(1))
    backlog.add(fill(1))
    taken = backlog.take(MANY)
    backlog.add(kline(2))
    assert tally.conflated == 0
    backlog.landed(taken)
    assert (len(backlog), tally.conflated) == (2, 1)
    first, second = backlog.take(MANY)
    assert (volumes([first]), second) == (["2"], taken[1])


def test_a_last_word_that_comes_back_is_followed_by_nothing() -> None:
    backlog, tally = made()
    backlog.add(kline(1, closed=1))
    taken = backlog.take(MANY)
    backlog.add(kline(2))
    backlog.landed(taken)
    backlog.add(kline(3))
    assert (backlog.take(MANY), tally.conflated) == (taken, 2)


def test_what_comes_back_stays_within_the_bound() -> None:
    backlog, tally = made(bound=3)
    for number in range(3):
        backlog.add(fill(number))
    taken = backlog.take(3)
    later = [fill(number) for number in range(3, 5)]
    for append in later:
        backlog.add(append)
    assert (len(backlog), tally.overflowed) == (5, 0)
    backlog.landed(taken)
    assert (len(backlog), tally.overflowed) == (3, 2)
    assert backlog.take(MANY) == [taken[2], *later]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("kline"), st.integers(0, 2)),
        st.tuples(st.just("last"), st.integers(0, 2)),
        st.tuples(st.just("fill"), st.just(0)),
        st.tuples(st.just("take"), st.integers(1, 4)),
        st.tuples(st.just("fail"), st.integers(0, 4)),
    ),
    max_size=60,
)


@given(steps)
def test_whatever_happens_states_go_in_order_and_nothing_else_is_lost(happens: list[tuple[str, int]]) -> None:
    backlog, tally = made()
    sent: list[Append] = []
    taken: list[Append] = []
    given_in: list[Append] = []
    for number, (what, which) in enumerate([*happens, ("take", MANY), ("take", MANY), ("take", MANY)]):
        if what == "take":
            sent += taken
            backlog.landed()
            taken = backlog.take(which)
        elif what == "fail":
            sent += taken[:which]
            backlog.landed(taken[which:])
            taken = []
        else:
            period = {"open_time": KLINE.open_time + which * 60_000}
            append = fill(number) if what == "fill" else kline(number, closed=int(what == "last"), **period)
            given_in.append(append)
            backlog.add(append)
    assert len(backlog) == len(taken) == 0
    assert len(sent) + tally.conflated == len(given_in)
    assert [append for append in sent if append.slot is None] == [one for one in given_in if one.slot is None]
    for slot in {append.slot for append in given_in} - {None}:
        came = [append for append in given_in if append.slot == slot]
        went = [append for append in sent if append.slot == slot]
        assert went == [append for append in came if any(append is one for one in went)]
        assert went[-1] is came[-1] or any(append.final for append in went)
        if any(append.final for append in came):
            assert any(append.final for append in went)
