"""Keeping the exchange's clock."""

from __future__ import annotations

import logging
import time

import pytest

from bridge.clock import ExchangeClock
from bridge.errors import RestError
from bridge.ingest.rest import timekeeper
from bridge.ingest.rest.fetch import Rest
from bridge.simulator import Scenario, Simulator
from tests.ingest.rig import START, exchange_of, hasty, market, quick, running
from tests.support import wait_until


def parts(simulator: Simulator) -> tuple[ExchangeClock, Rest]:
    """A clock that knows nothing, and something to ask with."""
    clock = ExchangeClock(time.monotonic, 0)
    return clock, hasty(simulator.rest_uri, clock)


async def test_asking_once_sets_the_clock_and_the_simulators_rate() -> None:
    async with market() as simulator:
        clock, rest = parts(simulator)
        before = simulator.now
        await timekeeper.synchronise(clock, rest, exchange_of(quick(simulator)))
        assert before <= clock.now_ms() <= simulator.now
        assert (clock.synchronised, clock.rate) == (True, 60)
        await rest.aclose()


async def test_nobody_but_a_simulator_on_this_machine_may_hurry_the_clock() -> None:
    # 127.0.0.2 reaches this machine and is none of the names that count as a simulator's.
    scenario = Scenario(start=START, rate=60.0, trading=False, limits=False)
    async with Simulator(scenario, host="127.0.0.2") as simulator:
        exchange = exchange_of(quick(simulator))
        assert exchange.environment == "other"
        clock, rest = parts(simulator)
        await timekeeper.synchronise(clock, rest, exchange)
        assert (clock.synchronised, clock.rate) == (True, 1)
        assert clock.now_ms() >= START
        await rest.aclose()


async def test_an_exchange_that_does_not_tell_its_time_leaves_the_clock_as_it_was() -> None:
    async with market() as simulator:
        simulator.faults.rest_500 = True
        clock, rest = parts(simulator)
        with pytest.raises(RestError):
            await timekeeper.synchronise(clock, rest, exchange_of(quick(simulator)))
        assert (clock.synchronised, clock.rate) == (False, 1)
        await rest.aclose()


async def test_it_asks_until_it_is_told_and_complains_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(timekeeper, "_RETRY_S", 0.01)
    async with market() as simulator:
        simulator.faults.rest_500 = True
        clock, rest = parts(simulator)
        async with running(timekeeper.keep(clock, rest, exchange_of(quick(simulator)))):
            await wait_until(lambda: simulator.stats.statuses[500] >= 2, "it asked twice")
            assert not clock.synchronised
            simulator.faults.rest_500 = False
            await wait_until(lambda: clock.synchronised, "the clock is set")
        await rest.aclose()
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert told == ["the exchange does not tell its time: HTTP 500, code 59999: Internal error"]


async def test_it_asks_again_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timekeeper, "_EVERY_S", 0.01)
    async with market() as simulator:
        clock, rest = parts(simulator)
        async with running(timekeeper.keep(clock, rest, exchange_of(quick(simulator)))):
            await wait_until(lambda: simulator.stats.requests["/system/time"] >= 3, "it asked three times")
        await rest.aclose()
