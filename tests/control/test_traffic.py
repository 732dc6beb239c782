"""Answers counted."""

from __future__ import annotations

import httpx2
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bridge.control.traffic import Counted, Traffic


async def answered(_request: Request) -> Response:
    return PlainTextResponse("well")


async def failing(_request: Request) -> Response:
    raise RuntimeError("something")


async def test_every_answer_is_counted_by_its_status_failures_too() -> None:
    traffic = Traffic()
    app = Starlette(
        routes=[Route("/", answered), Route("/failing", failing)], middleware=[Middleware(Counted, traffic=traffic)]
    )
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        for path, status in (("/", 200), ("/", 200), ("/nowhere", 404), ("/failing", 500)):
            assert (await http.get(path)).status_code == status
    assert traffic.statuses == {200: 2, 404: 1, 500: 1}
    assert traffic.seconds.count == 4
