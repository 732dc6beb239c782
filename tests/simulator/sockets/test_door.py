"""The port's edges: who comes in while it is being closed."""

from __future__ import annotations

import asyncio
import socket

import pytest

from bridge.simulator import Simulator
from tests.simulator.clients import quiet


@pytest.mark.parametrize("turns", range(6))
async def test_who_comes_while_the_port_is_being_closed_is_sent_away(turns: int) -> None:
    simulator = Simulator(quiet())
    await simulator.start()
    with socket.create_connection((simulator.host, simulator.port)) as visitor:
        for _ in range(turns):  # accepting takes some turns of the loop: stop in the midst of each
            await asyncio.sleep(0)
        stopping = asyncio.create_task(simulator.stop(abrupt=True))
        try:
            async with asyncio.timeout(20):
                visitor.settimeout(0)
                assert not (await asyncio.get_running_loop().sock_recv(visitor, 1)), "nothing is said to it"
        except ConnectionResetError:
            pass
        await stopping
    assert asyncio.all_tasks() == {asyncio.current_task()}
