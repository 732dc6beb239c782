"""Connections are opened one after the other."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from bridge.ingest.sockets.gate import Gate
from bridge.store import client
from bridge.store.budget import Budget
from bridge.store.keys import Keys
from bridge.values import Secret
from tests.ingest.rig import nobody

GAP_S = 0.05


async def last_turn(*gates: Gate) -> float:
    """How long the last of three turns of each gate took to come, in gaps: no load of the machine makes that less."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(gate.turn() for gate in gates for _ in range(3)))
    return (loop.time() - began) / GAP_S


async def test_turns_keep_their_distance() -> None:
    assert await last_turn(Gate(GAP_S)) > 1.9


async def test_all_who_call_from_one_address_share_the_turns(store: Redis) -> None:
    gates = [Gate(GAP_S, Budget(store, Keys(), "here")) for _ in range(2)]
    assert await last_turn(*gates) > 4.9


async def test_without_a_gap_nobody_waits() -> None:
    await asyncio.wait_for(Gate(0).turn(), 20)


class Silent(Budget):
    """A budget whose store never answers."""

    async def reserve(self, gap_s: float) -> float:
        await asyncio.Event().wait()
        return gap_s


async def test_a_store_that_is_away_or_silent_keeps_no_socket_closed() -> None:
    with nobody() as address:
        away = client.commands(Secret(f"redis://{address}"))
        assert await last_turn(Gate(GAP_S, Budget(away, Keys(), "here"))) > 1.9
        await asyncio.wait_for(Gate(GAP_S, Silent(away, Keys(), "here")).turn(), 20)
        await away.aclose()
