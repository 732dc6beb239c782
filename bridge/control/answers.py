"""What the API answers: each answer's members, and the one shape of errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType
from starlette.responses import Response

# State is never worth keeping, and a browser must not guess at what JSON might be, run it, frame it, show it to another
# origin's page, or tell others where it was read.
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_encode: Final = msgspec.json.Encoder().encode

Number = int | float


class Failure(Struct, kw_only=True):
    """What went wrong, and in which member of the request."""

    ok: bool = False
    error: str
    field: str | UnsetType = UNSET


class Plain(Struct, kw_only=True):
    """That it went well, in words."""

    ok: bool = True
    message: str


class TopicStatus(Struct, kw_only=True):
    """How far a topic has come: pending, active or rejected. Times are UTC milliseconds, null before the first."""

    state: str
    reason: str = ""
    since: int | None = None
    data_at: int | None = None
    data_age_ms: int | None = None
    wanted: bool = True


class Waited(Struct, kw_only=True):
    """A stored change, and with `wait=active` whether it has been applied, why not yet, and how its topics are."""

    ok: bool = True
    message: str
    revision: int
    applied: bool | UnsetType = UNSET
    reasons: list[str] | UnsetType = UNSET
    states: dict[str, TopicStatus] | UnsetType = UNSET


class Changed(Waited, kw_only=True):
    """A stored change of one owner's wishes; removed topics that go on being served name those who want them."""

    topics: list[str]
    owner: str
    still_wanted_by: dict[str, list[str]] | UnsetType = UNSET
    warning: str | UnsetType = UNSET


class Paused(Waited, kw_only=True):
    """Whether the bridge is to serve nothing."""

    paused: bool


class Asked(Struct, kw_only=True):
    """Which ingesters were asked to stop."""

    ok: bool = True
    message: str
    ingesters: list[str]
    note: str


class Subscriptions(Struct, kw_only=True):
    """What is wanted, all together and by owner, and how each topic is."""

    ok: bool = True
    revision: int
    paused: bool
    topics: list[str]
    owners: dict[str, list[str]]
    states: dict[str, TopicStatus]


class Status(Struct, kw_only=True):
    """Everything about the bridge: the members of the worker it replaces first."""

    ok: bool = True
    is_running: bool
    public_ws_connected: bool
    private_ws_connected: bool
    authenticated: bool
    kline_channels: list[str]
    order_subscribed: bool
    position_subscribed: bool
    positions: dict[str, dict[str, str]]
    version: str
    exchange: str
    environment: str
    paused: bool
    revision: int
    ingesters: list[dict[str, str | Number | bool]]
    topics: dict[str, TopicStatus]


class Help(Struct, kw_only=True):
    """What can be asked for, and how."""

    ok: bool = True
    endpoints: dict[str, str]
    supported_timeframes: list[str]
    example_requests: list[str]


class Ready(Struct, kw_only=True):
    """Whether wishes can be stored and somebody is there to serve them."""

    ok: bool
    reasons: list[str]
    error: str | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and its HTTP status."""

    answer: Struct | Mapping[str, object]
    status: int = 200


class RefusedError(Exception):
    """A request is answered by an error.

    Attributes:
        status: the HTTP status.
        field: the member of the request that is wrong, or nothing.
        headers: what the answer carries besides.
    """

    def __init__(self, status: int, error: str, field: str = "", headers: Mapping[str, str] | None = None) -> None:
        """Say what is wrong in words for the caller: they are the answer."""
        super().__init__(error)
        self.status = status
        self.field = field
        self.headers = dict(headers or {})


def json(reply: Reply, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer as a response."""
    # A line's end, so that a shell's prompt does not stick to the answer of a `curl -s`.
    return Response(
        _encode(reply.answer) + b"\n", reply.status, {**_HEADERS, **(headers or {})}, media_type="application/json"
    )


def text(content: bytes, content_type: str) -> Response:
    """Return a text that is no JSON as a response."""
    return Response(content, headers={**_HEADERS, "Content-Type": content_type})


def refusal(refused: RefusedError) -> Response:
    """Return an error as a response."""
    return json(Reply(Failure(error=str(refused), field=refused.field or UNSET), refused.status), refused.headers)
