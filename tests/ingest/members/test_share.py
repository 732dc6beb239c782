"""Who serves what: the same for everybody, even, and with few moves."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bridge.ingest.members.share import owners

TOPICS = [
    f"futures/klineBin{interval}:SIM{number:03}USDT"
    for number in range(60)
    for interval in ("1m", "5m", "15m", "30m", "1H", "2H", "4H", "1D", "1W")
]
names = st.frozensets(st.text(min_size=1, max_size=12), min_size=1, max_size=8)
few_topics = st.lists(st.sampled_from(TOPICS), min_size=1, max_size=30, unique=True)
replicas = st.integers(1, 4)


@given(few_topics, names, replicas)
def test_every_topic_is_served_by_exactly_as_many_as_asked_for(
    topics: list[str], members: frozenset[str], wanted: int
) -> None:
    shared = owners(topics, members, wanted)
    assert list(shared) == topics
    for served in shared.values():
        assert len(served) == len(set(served)) == min(wanted, len(members))
        assert members.issuperset(served)


@given(few_topics, names, replicas)
def test_everybody_comes_to_the_same_result_in_whatever_order_the_members_are_known(
    topics: list[str], members: frozenset[str], wanted: int
) -> None:
    assert owners(topics, sorted(members), wanted) == owners(topics, sorted(members, reverse=True), wanted)


@given(few_topics, names, st.text(min_size=1, max_size=12), replicas)
def test_who_joins_takes_topics_and_moves_none_between_the_others(
    topics: list[str], members: frozenset[str], new: str, wanted: int
) -> None:
    before, after = owners(topics, members, wanted), owners(topics, members | {new}, wanted)
    for topic in topics:
        stayed = [name for name in after[topic] if name != new]
        assert tuple(stayed) == before[topic][: len(stayed)]


@given(few_topics, names, replicas)
def test_when_the_first_is_gone_the_next_in_rank_moves_up(
    topics: list[str], members: frozenset[str], wanted: int
) -> None:
    before = owners(topics, members, wanted)
    for topic in topics:
        without = owners([topic], members - {before[topic][0]}, wanted)[topic]
        assert without[: wanted - 1] == before[topic][1:]


def test_the_shares_are_about_even_and_a_new_member_moves_about_its_own() -> None:
    """A fixed case: the draws come from a stable hash, so that all versions and all machines agree."""
    four = [f"ingester-{number}" for number in range(4)]
    before = owners(TOPICS, four, 1)
    sizes = Counter(name for (name,) in before.values())
    assert set(sizes) == set(four)
    assert max(sizes.values()) < 1.3 * len(TOPICS) / 4
    after = owners(TOPICS, [*four, "ingester-4"], 1)
    moved = sum(before[topic] != after[topic] for topic in TOPICS)
    assert 0.1 < moved / len(TOPICS) < 0.3


def test_the_draw_is_the_same_in_every_version() -> None:
    """Ingesters of two versions share one prefix while a new one is rolled out."""
    topics = ["futures/klineBin1m:BTCUSDT", "futures/klineBin5m:ETHUSDT", "futures/klineBin1H:SOLUSDT", "", "\udcff"]
    expected = [("b", "c"), ("c", "b"), ("a", "c"), ("a", "b"), ("c", "b")]
    assert [owners([topic], ["a", "b", "c"], 2)[topic] for topic in topics] == expected


def test_with_nobody_there_nobody_serves() -> None:
    assert owners(["futures/order"], [], 2) == {"futures/order": ()}
