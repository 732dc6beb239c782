"""All rules of closed candles at once, against a market that never lies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.timeframes import Timeframe
from tests.ingest.candles.play import Market, Play
from tests.ingest.candles.samples import DAWN, S

Step = tuple[Literal["go", "ask", "end", "hang up", "listen", "restart", "word"], int, str, int, int]
FRAMES = st.sampled_from([Timeframe.M1, Timeframe.M5, Timeframe.H4, Timeframe.D1])
LATE = st.sampled_from([0, 2 * S, 3 * S, 9 * S, 40 * S, 100 * S])
KINDS = st.sampled_from(["answer"] * 6 + ["error", "nothing", "resumed"])
LATENCIES = st.sampled_from([0, 50, 5 * S])
# After the end of a period: around each of the moments that matter.
OFFSETS = st.sampled_from([1, 2_999, 3 * S, 4 * S, 9_999, 10 * S, 12 * S, 59_999, 60 * S, 75 * S])


@st.composite
def markets(draw: st.DrawFn) -> Market:
    """A market whose first period trades; in the others there is nothing, or one to three trades."""
    timeframe = draw(FRAMES)
    length = timeframe.milliseconds
    trades = []
    seen = st.sampled_from([True, True, True, False])
    gaps = draw(st.lists(st.sampled_from([0, 0, 1, 1, 2, 9, 40]), min_size=1, max_size=12))
    period = 0
    for gap in gaps:
        places = draw(
            st.lists(st.sampled_from([0, 1, S, length // 2, length - 2 * S, length - 1]), min_size=1, max_size=3)
        )
        trades += [
            (DAWN + period * length + place, draw(st.integers(1, 9)), draw(st.integers(1, 5)), draw(seen))
            for place in sorted(set(places))
        ]
        period += 1 + gap
    return Market(timeframe, trades)


def steps(length: int) -> st.SearchStrategy[list[Step]]:
    times = st.sampled_from([1, 900, 3 * S, 7 * S, 20 * S, length // 3, length, 5 * length, 12 * length])
    nothing, none = st.just(""), st.just(0)
    step: list[st.SearchStrategy[Step]] = [
        st.tuples(st.just("go"), times, nothing, none, none),
        st.tuples(st.just("ask"), LATE, KINDS, LATENCIES, none),
        st.tuples(st.just("end"), LATE, KINDS, LATENCIES, OFFSETS),
        st.tuples(st.just("end"), LATE, KINDS, LATENCIES, OFFSETS),
        st.tuples(st.sampled_from(["hang up", "listen", "restart", "word", "word"]), LATE, nothing, none, none),
    ]
    return st.lists(st.one_of(step), min_size=5, max_size=50)


@st.composite
def plays(draw: st.DrawFn) -> tuple[Play, list[Step]]:
    market = draw(markets())
    small = draw(st.booleans())
    play = Play(
        market,
        most=draw(st.sampled_from([9, 12, 40])),
        cap=11 if small else 10**6,
        flat_rows=draw(st.booleans()),
        late_ms=3 * S if small else 100 * S,
    )
    if draw(st.booleans()):
        play.listen()
    return play, draw(steps(play.length))


def act(play: Play, step: Step) -> None:
    match step:
        case "go", milliseconds, _, _, _:
            play.go(milliseconds)
        case "ask", late_ms, kind, latency_ms, _:
            play.ask(kind, late_ms, latency_ms)
        case "end", late_ms, kind, latency_ms, offset_ms:
            play.go(play.length - play.now % play.length + offset_ms)
            play.ask(kind, late_ms, latency_ms)
        case "hang up", _, _, _, _:
            play.hang_up()
        case "listen", _, _, _, _:
            play.listen()
        case "restart", _, _, _, _:
            play.begin()
        case "word", late_ms, _, _, _:
            play.word(late_ms)


def endings(play: Play, goal: int) -> Iterator[None]:
    """Let time pass until the candle of `goal` is written, or long enough."""
    play.go(max(0, goal - play.now))
    for _ in range(300):
        if play.written and play.written[-1].kline.open_time >= goal:
            return
        play.go(play.length // 7)
        yield


@settings(max_examples=120)
@given(plays())
def test_what_is_written_is_the_truth_without_a_hole_and_in_the_end_complete(scene: tuple[Play, list[Step]]) -> None:
    play, script = scene
    for step in script:
        act(play, step)
    goal = max(play.now, play.market.trades[-1][0]) // play.length * play.length
    for _ in endings(play, goal):
        play.ask("answer", 0, 50)
        play.word(0)
    assert play.written
    assert play.written[-1].kline.open_time >= goal


def test_a_trade_late_in_a_long_candle_is_found_by_ever_shorter_ones() -> None:
    """A quarter of an hour that traded, its trade in a minute that one reply from its beginning doesn't reach."""
    trades = [(DAWN, 1, 1, True), (DAWN + 41 * 60 * S, 1, 1, True)]
    play = Play(Market(Timeframe.M1, trades), most=9, cap=10**6, flat_rows=False, late_ms=0)
    for minute in range(13, 17):
        play.go(DAWN + minute * 60 * S + 1 - play.now)
        play.ask("answer", 0, 0)
    play.begin()
    for minute, kind in ((17, "answer"), (18, "nothing")):
        play.go(DAWN + minute * 60 * S + 1 - play.now)
        play.ask(kind, 0, 0)
    goal = DAWN + 41 * 60 * S
    for _ in endings(play, goal):
        play.ask("answer", 0, 50)
    assert play.written[-1].kline.open_time == goal
