"""Every metric: name, kind, labels and meaning in one table; what they show is read when somebody looks.

Names begin with `bitmart_bridge_`; a unit, always a base unit, stands in the name (`_seconds`, `_bytes`), and counters
end in `_total`. Labels take few values and never a symbol's name, so that the whole market makes no more series than
one candle does. The hot path knows nothing of this module: it counts in plain integers, which are looked at here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bridge.buckets import Buckets

PREFIX: Final = "bitmart_bridge_"


class Kind(StrEnum):
    """How a figure behaves: a counter only grows, a gauge goes up and down, a histogram counts values by size."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Place(StrEnum):
    """Whose `/metrics` shows it."""

    INGESTER = "ingester"
    API = "control API"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Metric:
    """One declaration.

    Attributes:
        name: the whole name, as it is scraped.
        kind: how it behaves.
        meaning: what it tells, for people; also the scraped help text.
        labels: what its series are told apart by.
        place: who shows it.
    """

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Sample:
    """What one series of a metric shows now; `labels` are the values, in the order of the declaration."""

    metric: Metric
    value: float | Buckets
    labels: tuple[str, ...] = ()


METRICS: Final[list[Metric]] = []


def _declare(kind: Kind, place: Place, name: str, meaning: str, *labels: str) -> Metric:
    metric = Metric(PREFIX + name, kind, meaning, labels, place)
    METRICS.append(metric)
    return metric


def _counted(name: str, meaning: str, *labels: str, place: Place = Place.INGESTER) -> Metric:
    return _declare(Kind.COUNTER, place, f"{name}_total", meaning, *labels)


def _shown(name: str, meaning: str, *labels: str, place: Place = Place.INGESTER) -> Metric:
    return _declare(Kind.GAUGE, place, name, meaning, *labels)


def _spread(name: str, meaning: str, *labels: str, place: Place = Place.INGESTER) -> Metric:
    return _declare(Kind.HISTOGRAM, place, name, meaning, *labels)


BUILD_INFO: Final = _shown(
    "build_info", "Always 1; the labels tell what runs", "version", "exchange", "environment", place=Place.BOTH
)

# The sockets.
FRAMES: Final = _counted("frames", "Frames received", "connection")
RECEIVED_BYTES: Final = _counted("received_bytes", "Bytes of the frames received", "connection")
RECORDS: Final = _counted("records", "Records read from frames")
DECODE_ERRORS: Final = _counted("decode_errors", "Frames, or parts of one, that could not be read", "connection")
EARLY_CANDLES: Final = _counted("early_candles", "Candles set aside because their period lies in the future")
REFUSALS: Final = _counted(
    "refusals", "What was refused: topic or login by the exchange, call by its REST API, entry by Redis", "what"
)
RECONNECTS: Final = _counted(
    "reconnects",
    "Lives of a connection that ended: closed or cut by the exchange, refused (the handshake, by HTTP), login, "
    "timeout (also an unanswered ping), network",
    "connection",
    "reason",
)
CONNECTIONS_OPEN: Final = _shown("connections_open", "Connections that are open, private ones logged in", "connection")
REPLACEMENTS: Final = _counted("replacements", "Connections replaced by another without a hole", "connection")
TOPICS: Final = _shown("topics", "Topics of this ingester by state: pending, active, rejected", "state")
DATA_AGE_MAX: Final = _shown("data_age_max_seconds", "Age of the last data of the active topic silent longest")
DATA_AGE_MIN: Final = _shown("data_age_min_seconds", "Age of the newest data of any topic")

# On the way into Redis.
ENTRIES: Final = _counted(
    "entries", "Entries appended, by kind: kline, closed, order, fill, position, event, resync", "kind"
)
REPEATS: Final = _counted("repeats", "Entries on their way that turned out to be in their stream already")
MISPLACED: Final = _counted("misplaced", "Closed candles that came before their predecessor, and are sent again")
CONFLATED: Final = _counted("conflated", "Unsent states of a live candle that gave way to a newer one")
OVERFLOWED: Final = _counted("overflowed", "Entries dropped because the buffer was full")
BUFFER_ENTRIES: Final = _shown("buffer_entries", "Entries that wait or are on their way to Redis")
BUFFER_BOUND_ENTRIES: Final = _shown("buffer_bound_entries", "Most entries that may wait")
FLUSH_SECONDS: Final = _spread("flush_seconds", "Time from sending a flush to the last of its answers")
FLUSH_ENTRIES: Final = _spread("flush_entries", "Entries in one flush")
REDIS_CONNECTS: Final = _counted("redis_connects", "Connections the writer has made to Redis")
REDIS_UP: Final = _shown("redis_up", "1 if Redis answered when it was last asked, else 0", place=Place.BOTH)
APPEND_LATENCY: Final = _spread(
    "append_latency_seconds", "From receiving a frame to its entry being readable, of the oldest entry of each flush"
)

# REST, proofs, gaps.
REST_CALLS: Final = _counted("rest_calls", "REST calls made")
REST_ERRORS: Final = _counted("rest_errors", "REST calls without an answer, or answered by no success")
REST_WAITING: Final = _shown("rest_waiting", "REST calls that wait for their turn in the budget")
REST_STILL_SECONDS: Final = _shown(
    "rest_still_seconds", "How long until calls may leave, after a refusal or by the budget"
)
REST_BUDGET: Final = _shown(
    "rest_budget_per_second", "Calls to public paths, each path, that all ingesters of one address may make in a second"
)
PROOFS: Final = _counted(
    "proofs", "Closed candles by what proved them: rest, empty (nothing traded), ws (the socket alone), lost", "source"
)
PROOF_LAG: Final = _shown("proof_lag_seconds", "How long ago the oldest candle ended that is not proven yet")
CLOSED_LATENCY: Final = _spread(
    "closed_latency_seconds",
    "From a candle's end, exchange time, to its entry in the closed stream; of candles that ended while listened to",
)
GAPS_FOUND: Final = _counted("gaps_found", "Closed streams found to lack candles")
GAPS_FILLED: Final = _counted("gaps_filled", "Closed streams made complete again")
GAPS_OPEN: Final = _shown("gaps_open", "Closed streams that lack candles now")
ACCOUNT_SYNCS: Final = _counted("account_syncs", "Complete reads of the account by REST")
CONTRADICTIONS: Final = _counted("contradictions", "Candles on which REST and the socket disagree for good")
EVENTS: Final = _counted("events", "Events, by the name they have in the events stream", "event")

# The ingester itself.
APPLIED_REVISION: Final = _shown("applied_revision", "Revision of the wishes that is applied")
PAUSED: Final = _shown("paused", "1 while the bridge is paused, else 0", place=Place.BOTH)
DRAINING: Final = _shown("draining", "1 after a request to stop, else 0")
MEMBERS_SEEN: Final = _shown("members_seen", "Live ingesters that this one sees, itself among them")
SHARE_TOPICS: Final = _shown("share_topics", "Topics that fall to this ingester")
SERVED_TOPICS: Final = _shown("served_topics", "Topics that it serves: its own, and those it has not handed over yet")
UNPLACED_TOPICS: Final = _shown("unplaced_topics", "Topics that wait because all connections are full")
MOVES: Final = _counted(
    "moves", "Topics that moved: taken_over, handed_over (the new owner had them), let_go (nobody had, in time)", "move"
)
RETURNS: Final = _counted("returns", "How often it was counted as gone by the others, and was not")
CLOCK_OFFSET: Final = _shown("clock_offset_seconds", "The exchange's time minus the host's")
LOOP_LAG: Final = _spread("loop_lag_seconds", "How late the event loop was, several times a second")

# What the control API knows: its own, and what the members publish.
API_REQUESTS: Final = _counted("api_requests", "Requests answered, by HTTP status", "status", place=Place.API)
API_SECONDS: Final = _spread("api_request_seconds", "Time from a request's head to its answer's head", place=Place.API)
MEMBERS: Final = _shown("members", "Live ingesters", place=Place.API)
WISHES_REVISION: Final = _shown("wishes_revision", "Revision of the wishes, as stored", place=Place.API)
WISHES: Final = _shown(
    "wishes", "Wanted topics by the best state at any member: pending, active, rejected", "state", place=Place.API
)
WISHES_DATA_AGE_MAX: Final = _shown(
    "wishes_data_age_max_seconds", "Age of the last data of the wanted, active topic silent longest", place=Place.API
)
MEMBER_REVISION: Final = _shown(
    "member_applied_revision", "Revision that a member has applied", "ingester", place=Place.API
)
MEMBER_CONNECTIONS: Final = _shown(
    "member_connections_open", "Whether a member's connection is open", "ingester", "connection", place=Place.API
)
MEMBER_SHARE_TOPICS: Final = _shown("member_share_topics", "Topics that fall to a member", "ingester", place=Place.API)
MEMBER_SERVED_TOPICS: Final = _shown("member_served_topics", "Topics that a member serves", "ingester", place=Place.API)
MEMBER_BUFFER: Final = _shown("member_buffer_entries", "Entries that wait at a member", "ingester", place=Place.API)
MEMBER_PROOF_LAG: Final = _shown("member_proof_lag_seconds", "Proof lag of a member", "ingester", place=Place.API)
