"""Keeps the exchange's clock: asks for its time at the start and now and then."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from bridge.errors import RestError
from bridge.log import Sampled

if TYPE_CHECKING:
    from bridge.clock import ExchangeClock
    from bridge.exchanges.base import Exchange
    from bridge.ingest.rest.fetch import Rest

log = logging.getLogger(__name__)

_EVERY_S: Final = 60.0
_RETRY_S: Final = 0.5
_LOOK_S: Final = 0.1


async def keep(clock: ExchangeClock, rest: Rest, exchange: Exchange) -> None:
    """Ask for the exchange's time for ever; until it answers, the host's date has to do."""
    odd = Sampled(log, every_s=60)
    while True:
        try:
            await synchronise(clock, rest, exchange)
        except RestError as trouble:
            odd.warning("the exchange does not tell its time: %s", trouble)
            await asyncio.sleep(_RETRY_S)
        else:
            await _until_due(clock)


async def _until_due(clock: ExchangeClock) -> None:
    due = asyncio.get_running_loop().time() + _EVERY_S
    while not clock.doubted and asyncio.get_running_loop().time() < due:  # noqa: ASYNC110 - a clock is no event
        await asyncio.sleep(_LOOK_S)


async def synchronise(clock: ExchangeClock, rest: Rest, exchange: Exchange) -> None:
    """Ask once, and set the clock.

    A simulator may say that its seconds pass faster than ours. That is believed of one on this machine only: nobody
    else gets to hurry the clock by which candles are closed.

    Raises:
        RestError: no time came.
    """
    said = await rest.ask(exchange.time_call())
    if exchange.environment == "simulator" and said.rate != clock.rate:
        log.info("the simulator's time passes %g times as fast as ours", said.rate)
        clock.run_at(said.rate)
    clock.set(said.now_ms)
