"""What `GET /metrics` shows: the API's own figures, the wishes, and what the members publish of themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final

from bridge import __version__, metrics
from bridge.clock import host_ms
from bridge.control.backend import Backend, Snapshot
from bridge.control.progress import Progress
from bridge.errors import InvalidTopicError, StoreError
from bridge.exchanges.base import EVERY_SYMBOL, Exchange
from bridge.metrics import Metric, Sample
from bridge.store.client import Unreachable
from bridge.store.members import State

# What a member publishes: the field, the metric, and how many of the field's units make one of the metric's.
_PUBLISHED: Final[tuple[tuple[str, Metric, int], ...]] = (
    ("applied_rev", metrics.MEMBER_REVISION, 1),
    ("target", metrics.MEMBER_SHARE_TOPICS, 1),
    ("serving", metrics.MEMBER_SERVED_TOPICS, 1),
    ("depth", metrics.MEMBER_BUFFER, 1),
    ("proof_lag_ms", metrics.MEMBER_PROOF_LAG, 1000),
)


async def current(backend: Backend) -> list[Sample]:
    """Return all there is to show now; while Redis is away, that it is, and the API's own figures."""
    samples = [*backend.also(), *_own(backend)]
    try:
        seen = await backend.snapshot()
    except (*Unreachable, StoreError):
        return [*samples, Sample(metrics.REDIS_UP, 0)]
    return [*samples, Sample(metrics.REDIS_UP, 1), *_wishes(backend, seen), *_members(seen.members)]


def _own(backend: Backend) -> Iterator[Sample]:
    exchange = backend.exchange
    yield Sample(metrics.BUILD_INFO, 1, (__version__, exchange.name, exchange.environment))
    for status, count in sorted(backend.traffic.statuses.items()):
        yield Sample(metrics.API_REQUESTS, count, (str(status),))
    yield Sample(metrics.API_SECONDS, backend.traffic.seconds)


def _wishes(backend: Backend, seen: Snapshot) -> Iterator[Sample]:
    progress, now_ms = Progress(backend.exchange, seen), host_ms()
    topics = progress.all(now_ms)
    states = [topic for name, topic in topics.items() if topic.wanted and _is_single(backend.exchange, name)]
    counted = Counter(topic.state for topic in states)
    ages = [topic.data_age_ms for topic in states if topic.state == State.ACTIVE and topic.data_age_ms is not None]
    yield Sample(metrics.WISHES_REVISION, seen.wishes.revision)
    yield Sample(metrics.PAUSED, seen.wishes.paused)
    for state in State:
        yield Sample(metrics.WISHES, counted[state], (state,))
    yield Sample(metrics.WISHES_DATA_AGE_MAX, max(ages, default=0) / 1000)


def _is_single(exchange: Exchange, name: str) -> bool:
    """Tell whether a topic is one topic, and no wildcard, whose state is but the sum of others."""
    with suppress(InvalidTopicError):
        return exchange.topic(name).symbol != EVERY_SYMBOL
    return True


def _members(members: Mapping[str, Mapping[str, str]]) -> Iterator[Sample]:
    yield Sample(metrics.MEMBERS, len(members))
    for name, state in members.items():
        for connection in ("public", "private"):
            yield Sample(metrics.MEMBER_CONNECTIONS, state.get(connection) == "open", (name, connection))
        for field, metric, divisor in _PUBLISHED:
            # A member of another version says less, or says it in another way.
            with suppress(KeyError, ValueError):
                yield Sample(metric, float(state[field]) / divisor, (name,))
