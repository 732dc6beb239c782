"""What the status page reads: its own, no part of the API. Bots read Redis, where nothing is summed up or left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from bridge.control import selection
from bridge.control.answers import RefusedError
from bridge.control.bodies import Selection
from bridge.control.live.response import LiveResponse
from bridge.exchanges.base import EVERY_SYMBOL

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from bridge.control.backend import Backend
    from bridge.control.live import Live


def live_routes() -> list[Route]:
    """Return the routes of the two answers that go on."""
    return [Route("/live", _bridge, methods=["GET"]), Route("/live/klines", _candles, methods=["GET"])]


async def _bridge(request: Request) -> Response:
    live: Live = request.state.live
    return LiveResponse(live, await live.bridge())


async def _candles(request: Request) -> Response:
    live: Live = request.state.live
    backend: Backend = request.state.backend
    symbol, timeframe = (request.query_params.get(name, "") for name in ("symbol", "timeframe"))
    chosen = selection.candles(backend.exchange, Selection(symbol=symbol, tfs=timeframe))
    topic = backend.exchange.topic(chosen.topics[0])
    if topic.symbol == EVERY_SYMBOL or topic.timeframe is None:
        raise RefusedError(422, "expected one symbol", "symbol")
    return LiveResponse(live, await live.candles(topic.symbol, topic.timeframe))
