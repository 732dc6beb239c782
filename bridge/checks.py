"""Tries, before anything is started, whether Redis and the exchange answer."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from bridge import exchanges
from bridge.clock import ExchangeClock, host_ms
from bridge.errors import BridgeError
from bridge.ingest.rest import probe, timekeeper
from bridge.ingest.rest.fetch import Rest
from bridge.store import client

if TYPE_CHECKING:
    from bridge.settings import Settings


async def checks(settings: Settings, say: Callable[[str], None]) -> bool:
    """Try each thing in turn and `say` how it went; return whether all went well."""
    results = [
        await _try("Redis", lambda: _redis(settings), say),
        await _try("REST", lambda: _rest(settings), say),
        await _try("public socket", lambda: probe.public(settings, exchanges.chosen(settings)), say),
    ]
    if settings.has_credentials:
        results.append(await _try("login", lambda: probe.private(settings, exchanges.chosen(settings)), say))
    else:
        say("login: not tried, no credentials are set")
    return all(results)


async def _try(name: str, part: Callable[[], Awaitable[str]], say: Callable[[str], None]) -> bool:
    try:
        say(f"{name}: ok, {await part()}")
    except BridgeError as wrong:
        say(f"{name}: FAILED, {wrong}")
        return False
    return True


async def _redis(settings: Settings) -> str:
    if not settings.redis_url:
        return "`up` will start a server of our own (REDIS_URL is not set)"
    return await client.check(settings.redis_url)


async def _rest(settings: Settings) -> str:
    exchange = exchanges.chosen(settings)
    clock = ExchangeClock(time.monotonic, host_ms())
    rest = Rest(exchange.rest_uri, clock)
    try:
        await timekeeper.synchronise(clock, rest, exchange)
    finally:
        await rest.aclose()
    return f"its clock is {(clock.now_ms() - host_ms()) / 1000:+.1f} s from ours"
