"""The REST side: which path means what, who may ask, how often, and the faults of the way there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from bridge.simulator.replies import GATEWAY_ERRORS, HTML_403, RefusalError, error, html, ok
from bridge.simulator.rest.limits import Limit, Limits
from bridge.simulator.rest.private_rest import PrivateRest
from bridge.simulator.rest.public_rest import PublicRest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from bridge.simulator.faults import Faults
    from bridge.simulator.market.market import Market
    from bridge.simulator.replies import Reply
    from bridge.simulator.rest.public_rest import Query
    from bridge.simulator.scenario import Scenario
    from bridge.simulator.stats import Stats
    from bridge.simulator.trading.account import Account


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What answers a path, and how often it may be asked."""

    answer: Callable[[Query], Awaitable[Reply]]
    limit: Limit


class Rest:
    """Answers every REST request. All of them are GETs without a body."""

    def __init__(self, scenario: Scenario, faults: Faults, market: Market, account: Account, stats: Stats) -> None:
        """Lay out the endpoints.

        Args:
            scenario: The API key, and whether and how requests are limited.
            faults: Looked at for every request.
            market: Answers the public ones.
            account: Answers the private ones.
            stats: Counts requests and replies.
        """
        self._scenario = scenario
        self._faults = faults
        self._stats = stats
        self._limits = Limits(scenario.ban_after, scenario.ban_s)
        self._endpoints = _endpoints(PublicRest(market, faults), PrivateRest(account))

    async def answer(self, target: str, headers: Mapping[str, str], address: str) -> Reply:
        """The reply to a request.

        Args:
            target: Path and query.
            headers: The request's headers; X-BM-KEY is looked at for private paths.
            address: Whose requests are counted together.
        """
        url = urlsplit(target)
        self._stats.requests[url.path] += 1
        if self._faults.rest_slow_s:
            await asyncio.sleep(self._faults.rest_slow_s)
        reply = self._page() or await self._answer(url.path, dict(parse_qsl(url.query)), headers, address)
        self._stats.statuses[reply.status] += 1
        return reply

    def _page(self) -> Reply | None:
        """The page that a fault sends in place of every answer."""
        if self._faults.rest_403:
            return html(403, HTML_403)
        if self._faults.rest_rubbish:
            return html(200, "<html><body>rubbish</body></html>")
        return None

    def _fail(self) -> None:
        """Refuse the request if a fault refuses all."""
        faults = self._faults
        if faults.rest_418:
            raise _banned()
        if faults.rest_429:
            raise _too_many()
        if faults.rest_500:
            raise RefusalError(500, 59999, "Internal error")
        if faults.rest_gateway:
            status, text = GATEWAY_ERRORS.get(faults.rest_gateway, (200, "Gateway error"))
            raise RefusalError(status, faults.rest_gateway, text)

    async def _answer(self, path: str, query: Query, headers: Mapping[str, str], address: str) -> Reply:
        endpoint = self._endpoints.get(path)
        if endpoint is None:
            return self._error(RefusalError(404, 30000, "Not found"))  # observed on the wire 2026-09
        used = self._limits.count(path, endpoint.limit, _client(endpoint.limit, headers, address))
        try:
            self._fail()
            self._admit(endpoint.limit, used, address)
            self._authorise(path, headers)
            reply = self._data(await endpoint.answer(query), path)
        except RefusalError as refusal:
            reply = self._error(refusal)
        reply.headers |= endpoint.limit.headers(used)
        return reply

    def _admit(self, limit: Limit, used: int, address: str) -> None:
        if not self._scenario.limits:
            return
        if self._limits.banned(address):
            raise _banned()
        if used > limit.count:
            self._limits.refuse(address)
            raise _too_many()

    def _authorise(self, path: str, headers: Mapping[str, str]) -> None:
        if not path.startswith("/contract/private/"):
            return
        key = headers.get("X-BM-KEY", "")
        if not key:
            raise RefusalError(401, 30001, "Header X-BM-KEY is empty")
        if key != self._scenario.api_key:
            raise RefusalError(401, 30002, "Header X-BM-KEY not found")

    def _data(self, reply: Reply, path: str) -> Reply:
        """The reply, or what a fault leaves of its data; time and status are never emptied."""
        if path.startswith("/contract/") and (self._faults.rest_null or self._faults.rest_empty):
            return ok(None if self._faults.rest_null else [])
        return reply

    def _error(self, refusal: RefusalError) -> Reply:
        return error(refusal, gateway_message=self._faults.gateway_message)


def _client(limit: Limit, headers: Mapping[str, str], address: str) -> str:
    return headers.get("X-BM-KEY", "") if limit.scope == "KEY" else address


def _too_many() -> RefusalError:
    return RefusalError(429, 30013, "Request too many requests")


def _banned() -> RefusalError:
    return RefusalError(418, 30017, "Your request rate is banned")


def _endpoints(public: PublicRest, private: PrivateRest) -> dict[str, Endpoint]:
    """The endpoints with their documented limits: requests per 2 s, of the system ones per 1 s."""
    system = Limit(10, "IP", 1)
    return {
        "/contract/public/kline": Endpoint(public.kline, Limit(12, "IP")),
        "/contract/public/details": Endpoint(public.details, Limit(12, "IP")),
        "/contract/private/get-open-orders": Endpoint(private.open_orders, Limit(50, "KEY")),
        "/contract/private/order": Endpoint(private.order, Limit(50, "KEY")),
        "/contract/private/current-plan-order": Endpoint(private.plan_orders, Limit(50, "KEY")),
        "/contract/private/order-history": Endpoint(private.history, Limit(6, "KEY")),
        "/contract/private/trades": Endpoint(private.trades, Limit(6, "KEY")),
        "/contract/private/position-v2": Endpoint(private.positions, Limit(6, "KEY")),
        "/contract/private/assets-detail": Endpoint(private.assets, Limit(12, "KEY")),
        "/contract/private/get-position-mode": Endpoint(private.position_mode, Limit(2, "KEY")),
        "/system/time": Endpoint(public.time, system),
        "/system/service": Endpoint(public.service, system),
    }
