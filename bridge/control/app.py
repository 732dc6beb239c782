"""The application: the gate, the routes made of the table, and the answers to everything that fails."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from itertools import groupby
from typing import Any, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.control import address, bodies, waiting
from bridge.control.answers import RefusedError, json, refusal
from bridge.control.auth import Gate
from bridge.control.backend import Backend, opened
from bridge.control.endpoints.endpoint import Endpoint, Question
from bridge.control.endpoints.live import live_routes
from bridge.control.endpoints.table import ENDPOINTS
from bridge.control.live.live import opened as opened_live
from bridge.control.page import page_routes
from bridge.control.server import END_STREAMS
from bridge.control.traffic import Counted, Traffic
from bridge.errors import StoreError
from bridge.exchanges.base import Exchange
from bridge.metrics import Sample
from bridge.settings import Settings
from bridge.store.client import Unreachable, described

log = logging.getLogger(__name__)


def create_app(settings: Settings, exchange: Exchange, also: Callable[[], Iterable[Sample]] = tuple) -> Starlette:
    """Return the API for one prefix; it connects to `settings.redis_url`, while it lives, when first asked.

    `also` is asked for what `/metrics` is to show besides: of an ingester in the same process.
    """
    traffic = Traffic()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        async with opened(settings, exchange, traffic, also) as backend, opened_live(settings, backend) as live:
            yield {"backend": backend, "live": live, END_STREAMS: live.end}

    own_host = address.of_setting(settings.ctrl_addr).host
    app = Starlette(
        routes=[*routes(ENDPOINTS), *live_routes(), *page_routes()],
        middleware=[
            Middleware(Counted, traffic=traffic),
            Middleware(
                Gate,
                token=settings.ctrl_token,
                own_host=own_host,
                changes_per_s=settings.ctrl_changes_per_s,
                reads_per_s=settings.ctrl_reads_per_s,
            ),
        ],
        exception_handlers={
            RefusedError: _refused,
            HTTPException: _unroutable,
            StoreError: _contended,
            **dict.fromkeys(Unreachable, _unreachable),
            Exception: _failed,
        },
        lifespan=lifespan,
    )
    # A redirect would send callers to wherever the Host header says.
    app.router.redirect_slashes = False
    return app


def routes(endpoints: Iterable[Endpoint[Any]]) -> list[Route]:
    """Return one route for each path, so that a wrong method is answered with all that are right."""

    def path(endpoint: Endpoint[Any]) -> str:
        return endpoint.path

    return [_route(name, list(group)) for name, group in groupby(sorted(endpoints, key=path), key=path)]


def _route(path: str, endpoints: list[Endpoint[Any]]) -> Route:
    by_method = {endpoint.method: endpoint for endpoint in endpoints}

    async def answer(request: Request) -> Response:
        return await _answer(by_method["GET" if request.method == "HEAD" else request.method], request)

    return Route(path, answer, methods=list(by_method))


async def _answer(endpoint: Endpoint[Any], request: Request) -> Response:
    backend: Backend = request.state.backend
    question = Question(
        body=bodies.Nothing()
        if endpoint.method == "GET"
        else await bodies.read(request, endpoint.body, optional=endpoint.body_optional),
        patience_s=waiting.patience(request.query_params) if endpoint.waits else None,
        base_url=str(request.base_url).rstrip("/"),
        accept=request.headers.get("accept", ""),
    )
    answer = await endpoint.run(backend, question)
    return answer if isinstance(answer, Response) else json(answer)


async def _refused(_request: Request, refused: Exception) -> Response:
    return refusal(cast("RefusedError", refused))


async def _unroutable(_request: Request, trouble: Exception) -> Response:
    wrong = cast("HTTPException", trouble)
    text = f"{HTTPStatus(wrong.status_code).phrase.lower()}: GET /help lists what there is"
    return refusal(RefusedError(wrong.status_code, text, headers=wrong.headers))


async def _contended(_request: Request, trouble: Exception) -> Response:
    return refusal(RefusedError(503, str(trouble)))


async def _unreachable(_request: Request, trouble: Exception) -> Response:
    # Its own words may name addresses: they are for the log, its kind (out of memory, timeout ...) for everybody.
    log.warning("a request failed: %s", described(trouble))
    return refusal(RefusedError(503, f"Redis is out of reach or refuses us ({type(trouble).__name__}); see the log"))


async def _failed(_request: Request, _trouble: Exception) -> Response:
    # Starlette raises it once more behind this answer, and uvicorn logs it.
    return refusal(RefusedError(500, "something failed inside; see the log"))
