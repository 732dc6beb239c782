"""Metrics and health of something else than the control API, at an address of its own, behind the same gate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.control import address
from bridge.control.answers import Ready, RefusedError, Reply, json, refusal, text
from bridge.control.auth import Gate
from bridge.exposition import exposition
from bridge.metrics import Sample
from bridge.values import Secret


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at: samples for `/metrics`, and the reasons against calling it alive or ready."""

    samples: Callable[[], Iterable[Sample]]
    ill: Callable[[], list[str]]
    hindered: Callable[[], list[str]]


def create_probes(subject: Subject, token: Secret, own_address: str) -> Starlette:
    """Return `/metrics`, `/health/live` and `/health/ready` of `subject`; who may call is decided as at the API."""

    async def metrics(request: Request) -> Response:
        return text(*exposition(subject.samples(), request.headers.get("accept", "")))

    async def live(_request: Request) -> Response:
        return json(_verdict(subject.ill()))

    async def ready(_request: Request) -> Response:
        return json(_verdict(subject.hindered()))

    app = Starlette(
        routes=[Route("/metrics", metrics), Route("/health/live", live), Route("/health/ready", ready)],
        middleware=[Middleware(Gate, token=token, own_host=address.of_setting(own_address).host)],
        exception_handlers={HTTPException: _unroutable},
    )
    app.router.redirect_slashes = False
    return app


async def _unroutable(_request: Request, trouble: Exception) -> Response:
    wrong = cast("HTTPException", trouble)
    words = f"{HTTPStatus(wrong.status_code).phrase.lower()}: /metrics, /health/live and /health/ready is all there is"
    return refusal(RefusedError(wrong.status_code, words, headers=wrong.headers))


def _verdict(reasons: list[str]) -> Reply:
    """Return the answer of a probe: 200, or 503 with all that speaks against it."""
    if reasons:
        return Reply(Ready(ok=False, reasons=reasons, error="; ".join(reasons)), 503)
    return Reply(Ready(ok=True, reasons=[]))
