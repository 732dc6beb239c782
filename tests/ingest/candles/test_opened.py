"""What is open and what is over."""

from __future__ import annotations

import itertools

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from bridge.ingest.candles.opened import Candles
from bridge.records import Kline
from tests.ingest.rig import START, candle

GRACE_MS = 5_000


def closed(kline: Kline) -> Kline:
    return msgspec.structs.replace(kline, closed=1)


def end_of(kline: Kline) -> int:
    """When a candle's end and the grace have passed."""
    return kline.close_time + GRACE_MS + 1


def test_the_first_state_of_a_series_is_published_as_it_is() -> None:
    assert Candles(GRACE_MS).take(candle(0), None) == (candle(0),)


def test_each_later_state_of_the_period_is_published() -> None:
    candles = Candles(GRACE_MS)
    states = [candle(0, volume="5"), candle(0, volume="6", close="100.5"), candle(0, volume="600")]
    assert [candles.take(state, None) for state in states] == [(state,) for state in states]


def test_a_successor_closes_its_predecessor_with_the_state_seen_last() -> None:
    candles = Candles(GRACE_MS)
    candles.take(candle(0), None)
    candles.take(candle(0, volume="9", close="100.7"), None)
    assert candles.take(candle(1), None) == (closed(candle(0, volume="9", close="100.7")), candle(1))


def test_a_successor_that_skips_quiet_periods_closes_what_was_open_and_invents_nothing() -> None:
    candles = Candles(GRACE_MS)
    candles.take(candle(0), None)
    assert candles.take(candle(7), None) == (closed(candle(0)), candle(7))


def test_a_period_is_over_when_its_end_and_the_grace_have_passed() -> None:
    candles = Candles(GRACE_MS)
    candles.take(candle(0), None)
    assert candles.due(end_of(candle(0)) - 1) == []
    assert candles.due(end_of(candle(0))) == [closed(candle(0))]
    assert candles.due(end_of(candle(0)) + 3_600_000) == []


def test_a_grace_of_nothing_waits_for_the_end_all_the_same() -> None:
    candles = Candles(0)
    candles.take(candle(0), None)
    assert candles.due(candle(0).close_time) == []
    assert candles.due(candle(0).close_time + 1) == [closed(candle(0))]


def test_the_successor_of_a_period_called_over_says_nothing_of_it_again() -> None:
    candles = Candles(GRACE_MS)
    candles.take(candle(0), None)
    candles.due(end_of(candle(0)))
    assert candles.take(candle(1), None) == (candle(1),)


def test_nothing_follows_the_last_word_on_a_period() -> None:
    candles = Candles(GRACE_MS)
    candles.take(candle(0), None)
    candles.due(end_of(candle(0)))
    assert candles.take(candle(0, volume="50"), None) == ()
    assert candles.late == 1


def test_an_older_period_is_dropped_and_counted() -> None:
    candles = Candles(GRACE_MS)
    candles.take(candle(3), None)
    assert candles.take(candle(2), None) == ()
    assert candles.late == 1
    assert candles.due(end_of(candle(3))) == [closed(candle(3))]


def test_a_state_behind_the_newest_is_dropped_and_counted() -> None:
    # Were it kept, the period's last word would be older than what was said before, and Redis would refuse it.
    candles = Candles(GRACE_MS)
    candles.take(candle(0, volume="10"), None)
    assert candles.take(candle(0, volume="9.5"), None) == ()
    assert candles.late == 1
    assert candles.take(candle(1), None)[0] == closed(candle(0, volume="10"))


def test_volumes_are_compared_as_numbers() -> None:
    candles = Candles(GRACE_MS)
    candles.take(candle(0, volume="9"), None)
    assert candles.take(candle(0, volume="10"), None) == (candle(0, volume="10"),)


def test_a_candle_of_the_future_is_refused_and_counted_when_the_exchanges_time_is_known() -> None:
    candles = Candles(GRACE_MS)
    assert candles.take(candle(2), START + 59_999) == ()
    assert candles.early == 1
    assert candles.take(candle(1), START) == (candle(1),)
    assert candles.early == 1


def test_no_candle_is_too_early_while_the_exchanges_time_is_unknown() -> None:
    candles = Candles(GRACE_MS)
    assert candles.take(candle(1_000_000), None) == (candle(1_000_000),)
    assert candles.early == 0


def test_series_do_not_touch_each_other() -> None:
    candles = Candles(GRACE_MS)
    others = [candle(1, symbol="ETHUSDT"), candle(1, timeframe="5m", close_time=START + 359_999)]
    for kline in (candle(0), *others):
        assert candles.take(kline, None) == (kline,)
    assert candles.take(candle(1), None) == (closed(candle(0)), candle(1))
    assert candles.due(end_of(candle(1))) == [closed(candle(1)), closed(others[0])]
    assert candles.due(end_of(others[1])) == [closed(others[1])]


def test_after_an_interruption_nothing_seen_before_is_called_over() -> None:
    candles = Candles(GRACE_MS)
    candles.take(candle(0), None)
    assert candles.interrupt([("ETHUSDT", "1m")]) == []
    assert candles.interrupt([("BTCUSDT", "1m")]) == [candle(0)]
    assert candles.interrupt([("BTCUSDT", "1m")]) == []
    assert candles.due(end_of(candle(0))) == []
    assert candles.take(candle(1), None) == (candle(1),)
    assert candles.take(candle(2), None) == (closed(candle(1)), candle(2))


def test_a_series_that_is_forgotten_is_not_called_over() -> None:
    candles = Candles(GRACE_MS)
    kept = candle(0, symbol="ETHUSDT")
    for kline in (candle(0), kept):
        candles.take(kline, None)
    candles.forget("BTCUSDT", "1m")
    candles.forget("BTCUSDT", "1m")
    assert candles.due(end_of(candle(0))) == [closed(kept)]


@given(
    frames=st.lists(st.tuples(st.sampled_from(["BTCUSDT", "ETHUSDT"]), st.integers(0, 5), st.integers(0, 30))),
    looks=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8))),
)
def test_however_frames_are_shuffled_and_repeated_a_series_never_goes_back_and_closes_each_period_once(
    frames: list[tuple[str, int, int]], looks: list[tuple[int, int]]
) -> None:
    candles = Candles(GRACE_MS)
    looking: dict[int, list[int]] = {}
    for after, minute in looks:
        looking.setdefault(after, []).append(START + minute * 60_000)
    said: dict[str, list[Kline]] = {"BTCUSDT": [], "ETHUSDT": []}
    taken = 0
    for place, (symbol, minute, volume) in enumerate(frames):
        for kline in candles.take(candle(minute, symbol=symbol, volume=str(volume)), None):
            said[symbol].append(kline)
            taken += not kline.closed
        for now_ms in looking.get(place, []):
            for kline in candles.due(now_ms):
                assert kline.close_time + GRACE_MS < now_ms
                said[kline.symbol].append(kline)
    assert taken + candles.late == len(frames)
    for series in said.values():
        steps = [(kline.open_time, int(kline.volume), kline.closed) for kline in series]
        assert steps == sorted(steps)
        last_words = [kline.open_time for kline in series if kline.closed]
        assert len(last_words) == len(set(last_words))
        for (opened, _, over), (next_opened, _, _) in itertools.pairwise(steps):
            assert opened < next_opened or not over
            assert over or opened == next_opened  # none is left without its last word
