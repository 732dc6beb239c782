"""What an endpoint is: a row of the table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from msgspec import Struct
from starlette.responses import Response

from bridge.control.answers import Reply
from bridge.control.backend import Backend
from bridge.control.bodies import Nothing

B = TypeVar("B", bound=Struct)


@dataclass(frozen=True, slots=True)
class Question(Generic[B]):
    """A request that has been read: its body, how long it wants to wait, where it was sent to, what it accepts."""

    body: B
    patience_s: float | None
    base_url: str
    accept: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint(Generic[B]):
    """One thing that can be asked for.

    Attributes:
        method: GET, POST or PUT.
        path: where it is asked for.
        text: what it does, for people.
        run: what answers.
        answer: the kind of answer, or nothing for a document of a standard's own.
        body: the kind of body that is read; GET reads none.
        body_optional: whether an empty body will do.
        waits: whether it is a change that can be waited for.
        media_type: what a good answer is written in, if `answer` doesn't say; errors are JSON always.
    """

    method: str
    path: str
    text: str
    run: Callable[[Backend, Question[B]], Awaitable[Reply | Response]]
    answer: type[Struct] | None
    body: type[B | Nothing] = Nothing
    body_optional: bool = True
    waits: bool = False
    media_type: str = "application/json"
