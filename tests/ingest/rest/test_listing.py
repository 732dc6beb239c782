"""The list of contracts, read while a wish names every symbol."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge.clock import ExchangeClock
from bridge.ingest.rest import listing
from bridge.ingest.rest.fetch import Rest
from bridge.ingest.rest.listing import Listing
from bridge.simulator import Scenario, Simulator
from tests.ingest.rig import exchange_of, hasty, market, quick, running
from tests.support import wait_until

WELL_KNOWN = {"BTCUSDT", "ETHUSDT"}


@asynccontextmanager
async def keeping(simulator: Simulator, refresh_s: float = 600) -> AsyncIterator[tuple[Listing, list[int], Rest]]:
    """A running list, how many symbols it had at each change, and what it asks with."""
    clock = ExchangeClock(time.monotonic, 0)
    rest = hasty(simulator.rest_uri, clock)
    changes: list[int] = []
    kept = Listing(
        rest,
        exchange_of(quick(simulator)),
        clock,
        refresh_s=refresh_s,
        on_change=lambda: changes.append(len(kept.symbols)),
    )
    async with running(kept.run()):
        yield kept, changes, rest
    await rest.aclose()


async def test_the_list_is_read_when_it_is_needed_and_holds_what_trades() -> None:
    async with market(symbols=3, delisted=2) as simulator, keeping(simulator) as (kept, changes, _):
        kept.need(needed=True)
        await wait_until(lambda: bool(changes), "the list was read")
        assert changes == [3]
        assert len(kept.symbols) == 3
        assert kept.symbols >= WELL_KNOWN
        assert not [symbol for symbol in kept.symbols if symbol.startswith("DEL")]


async def test_the_list_is_read_again_and_again_and_the_same_list_is_no_change() -> None:
    async with market() as simulator, keeping(simulator, 0.01) as (kept, changes, rest):
        kept.need(needed=True)
        await wait_until(lambda: rest.calls >= 4, "it was read several times")
        assert changes == [8]


async def test_the_list_is_not_read_while_nobody_needs_it() -> None:
    async with (
        market() as simulator,
        keeping(simulator, 0.01) as (never, _, idle),
        keeping(simulator, 0.01) as (once, changes, former),
        keeping(simulator, 0.01) as (still, _, busy),
    ):
        once.need(needed=True)
        await wait_until(lambda: bool(changes), "the list was read")
        once.need(needed=False)
        still.need(needed=True)
        begun = former.calls
        await wait_until(lambda: busy.calls >= 5, "the third list was read several times")
        assert (never.symbols, idle.calls) == (frozenset(), 0)
        assert former.calls <= begun + 1  # one may have been under way
        assert len(once.symbols) == 8


async def test_a_list_that_changed_is_told() -> None:
    async with market(symbols=3) as simulator, keeping(simulator, 0.01) as (kept, changes, _):
        kept.need(needed=True)
        await wait_until(lambda: changes == [3], "the list was read")
        await simulator.stop()
        async with Simulator(Scenario(symbols=5, limits=False), port=simulator.port):
            await wait_until(lambda: changes == [3, 5], "the new list was read")


async def test_trouble_is_told_and_ends_with_the_next_good_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_RETRY_S", 0.01)
    async with market() as simulator:
        simulator.faults.rest_403 = True
        async with keeping(simulator) as (kept, changes, _):
            kept.need(needed=True)
            await wait_until(lambda: bool(kept.trouble), "there is trouble")
            assert kept.trouble.startswith("HTTP 403 with a body that is not BitMart's: ")
            assert kept.symbols == frozenset()
            simulator.faults.rest_403 = False
            await wait_until(lambda: bool(changes), "the list was read")
            assert kept.trouble == ""


async def test_trouble_later_leaves_the_last_list_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_RETRY_S", 0.01)
    async with market() as simulator, keeping(simulator, 0.01) as (kept, changes, _):
        kept.need(needed=True)
        await wait_until(lambda: bool(changes), "the list was read")
        simulator.faults.rest_null = True
        await wait_until(lambda: bool(kept.trouble), "there is trouble")
        assert (len(kept.symbols), changes) == (8, [8])
