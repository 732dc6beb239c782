"""Counting by size."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.buckets import LATENCIES, Buckets


def test_a_value_counts_under_the_first_bound_that_it_does_not_exceed() -> None:
    buckets = Buckets((1, 2.5))
    for value in (0.5, 1, 1.01, 2.5, 9):
        buckets.observe(value)
    assert list(buckets.cumulative()) == [("1.0", 2), ("2.5", 4), ("+Inf", 5)]
    assert (buckets.count, buckets.sum) == (5, 14.01)


@given(st.lists(st.floats(0, 1_000) | st.sampled_from(LATENCIES)))
def test_every_bound_tells_how_many_values_do_not_exceed_it(values: list[float]) -> None:
    buckets = Buckets()
    for value in values:
        buckets.observe(value)
    *told, (_, everything) = buckets.cumulative()
    assert everything == len(values)
    assert [count for _, count in told] == [sum(value <= bound for value in values) for bound in LATENCIES]
