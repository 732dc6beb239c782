"""Everything that can be asked for: the one place that routes, `/help` and `/openapi.json` are made of."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Final

from msgspec import Struct
from starlette.responses import Response

from bridge.control import answers
from bridge.control.answers import Changed, Reply
from bridge.control.backend import Backend
from bridge.control.bodies import Klines, Nothing, Owned, Replacement, Stop
from bridge.control.endpoints import service, wishes
from bridge.control.endpoints.endpoint import Endpoint, Question
from bridge.control.endpoints.guide import guide
from bridge.control.endpoints.openapi import document
from bridge.control.page.assets import shell

_order: Final = attrgetter("order_topic")
_position: Final = attrgetter("position_topic")


async def _help(backend: Backend, asked: Question[Nothing]) -> Reply:
    return Reply(guide(ENDPOINTS, asked.base_url, with_token=bool(backend.settings.ctrl_token)))


async def _openapi(_backend: Backend, _asked: Question[Nothing]) -> Reply:
    return Reply(document(ENDPOINTS))


async def _page(_backend: Backend, _asked: Question[Nothing]) -> Response:
    return shell().response("")


def _read(path: str, run: service.Run, answer: type[Struct] | None, text: str) -> Endpoint[Nothing]:
    return Endpoint(method="GET", path=path, run=run, answer=answer, text=text)


def _switch(path: str, run: service.Run, text: str) -> Endpoint[Nothing]:
    return Endpoint(method="POST", path=path, run=run, answer=answers.Paused, text=text, waits=True)


def _private(path: str, run: wishes.OwnedRun, text: str) -> Endpoint[Owned]:
    return Endpoint(method="POST", path=path, run=run, answer=Changed, body=Owned, text=text, waits=True)


def _candles(path: str, run: wishes.KlinesRun, text: str) -> Endpoint[Klines]:
    return Endpoint(
        method="POST", path=path, run=run, answer=Changed, body=Klines, body_optional=False, text=text, waits=True
    )


ENDPOINTS: Final[tuple[Endpoint[Any], ...]] = (
    _read("/status", service.show_status, answers.Status, "Ingesters, connections, topics with their state, positions"),
    _read("/help", _help, answers.Help, "Endpoints, timeframes, examples"),
    _candles("/klines/subscribe", wishes.subscribe_klines, 'Want candles: symbol or symbols (a list, or "*"), tfs'),
    _candles("/klines/unsubscribe", wishes.unsubscribe_klines, "Want these candles no more"),
    _candles("/subscribe", wishes.subscribe_klines, "The same as POST /klines/subscribe"),
    _candles("/unsubscribe", wishes.unsubscribe_klines, "The same as POST /klines/unsubscribe"),
    _private("/orders/subscribe", wishes.subscribe(_order, "orders"), "Want orders and fills"),
    _private("/orders/unsubscribe", wishes.unsubscribe(_order, "orders"), "Want orders and fills no more"),
    _private("/positions/subscribe", wishes.subscribe(_position, "positions"), "Want positions"),
    _private("/positions/unsubscribe", wishes.unsubscribe(_position, "positions"), "Want positions no more"),
    _read("/subscriptions", wishes.show, answers.Subscriptions, "What is wanted, by whom, and its state"),
    Endpoint(
        method="PUT",
        path="/subscriptions",
        run=wishes.replace,
        answer=Changed,
        body=Replacement,
        body_optional=False,
        text="Replace all that one owner wants: topics, klines, orders, positions",
        waits=True,
    ),
    _switch("/pause", service.pause, "Let the ingesters serve nothing until resumed, whatever restarts"),
    _switch("/resume", service.resume, "Let the ingesters serve what is wanted again"),
    Endpoint(
        method="POST",
        path="/stop",
        run=service.stop,
        answer=answers.Asked,
        body=Stop,
        text="Let all ingesters, or the one named, unsubscribe, flush, close and exit",
    ),
    _read("/health/live", service.live, answers.Plain, "200 as long as this process answers"),
    _read("/health/ready", service.ready, answers.Ready, "200 with Redis and a live ingester, else 503 with reasons"),
    Endpoint(
        method="GET",
        path="/metrics",
        run=service.metrics,
        answer=None,
        text="Figures for Prometheus",
        media_type="text/plain",
    ),
    _read("/openapi.json", _openapi, None, "This API as OpenAPI 3.1"),
    Endpoint(
        method="GET",
        path="/",
        run=_page,
        answer=None,
        text="The status page, which asks for the token where there is one",
        media_type="text/html",
    ),
)
