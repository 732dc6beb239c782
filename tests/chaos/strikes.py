"""What strikes: each an asynchronous context; what is wrong within it is right again after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Final

from redis.exceptions import RedisError

from tests.chaos.stage import Stage

# Of how many topics something is taken at once.
SOME: Final = 12
_FULL: Final = "1"
_ROOMY: Final = "1gb"
_RETRY_S: Final = 0.1
# By how much a date is off after a step: back, ahead, by a leap second, into another year.
_STEPS_S: Final = (-7_200.0, -30.0, -1.0, 1.0, 45.0, 7_200.0, 31_536_000.0)


@asynccontextmanager
async def sockets_cut(stage: Stage, dice: Random) -> AsyncIterator[None]:
    stage.exchange.cut_sockets(dice.choice(("public", "private", "all")))
    yield


@asynccontextmanager
async def ingester_killed(stage: Stage, dice: Random) -> AsyncIterator[None]:
    program = dice.choice(stage.ingesters)
    program.kill()
    try:
        yield
    finally:
        program.start()


@asynccontextmanager
async def all_ingesters_killed(stage: Stage, _dice: Random) -> AsyncIterator[None]:
    for program in stage.ingesters:
        program.kill()
    try:
        yield
    finally:
        for program in stage.ingesters:
            program.start()


@asynccontextmanager
async def ingester_halted(stage: Stage, dice: Random) -> AsyncIterator[None]:
    program = dice.choice(stage.ingesters)
    program.halt()
    try:
        yield
    finally:
        program.resume()


@asynccontextmanager
async def date_stepped(stage: Stage, dice: Random) -> AsyncIterator[None]:
    """Let one host's date jump, and jump back."""
    date = dice.choice(stage.dates)
    date.step(dice.choice(_STEPS_S))
    try:
        yield
    finally:
        date.right()


@asynccontextmanager
async def store_killed(stage: Stage, _dice: Random) -> AsyncIterator[None]:
    await stage.kill_store()
    try:
        yield
    finally:
        await stage.start_store()


@asynccontextmanager
async def store_emptied(stage: Stage, _dice: Random) -> AsyncIterator[None]:
    await stage.store.stop()
    stage.empty_store()
    try:
        yield
    finally:
        await stage.start_store()


@asynccontextmanager
async def store_halted(stage: Stage, _dice: Random) -> AsyncIterator[None]:
    stage.halt_store(halted=True)
    try:
        yield
    finally:
        stage.halt_store(halted=False)


@asynccontextmanager
async def store_full(stage: Stage, _dice: Random) -> AsyncIterator[None]:
    await stage.limit_store(_FULL)
    try:
        yield
    finally:
        await stage.limit_store(_ROOMY)


@asynccontextmanager
async def clients_cut(stage: Stage, _dice: Random) -> AsyncIterator[None]:
    await _cut_clients(stage)
    yield


async def _cut_clients(stage: Stage) -> None:
    """Cut every connection to the store at once: what was under way has an unknown outcome."""
    async with stage.redis() as redis:
        with suppress(RedisError, OSError):
            await redis.client_kill_filter(_type="normal", skipme=True)


# What is lost at a stream's end cannot be taken away alone: its last id would stay. So it is told anew without it.
_REWIND: Final = """
local entries = redis.call('XRANGE', KEYS[1], '-', '+')
if #entries <= tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
for i = 1, #entries - ARGV[1] do redis.call('XADD', KEYS[1], entries[i][1], unpack(entries[i][2])) end
return 1
"""


async def rewind(stage: Stage, lost: int) -> None:
    """Take the last `lost` closed candles of every stream away."""
    async with stage.redis() as redis:
        with suppress(RedisError, OSError):
            for symbol, timeframe in stage.series:
                await redis.eval(_REWIND, 1, stage.keys.closed_klines(symbol, timeframe), str(lost))


@asynccontextmanager
async def closed_rewound(stage: Stage, dice: Random) -> AsyncIterator[None]:
    """Let the store lose the last closed candles and all its clients, as if it had died before its disk had them."""
    await rewind(stage, dice.randint(1, 3))
    await _cut_clients(stage)
    yield


@asynccontextmanager
async def exchange_down(stage: Stage, dice: Random) -> AsyncIterator[None]:
    await stage.exchange.stop(abrupt=dice.random() < 0.5)
    try:
        yield
    finally:
        while not stage.exchange.running:
            with suppress(OSError):
                await stage.exchange.start()
            await asyncio.sleep(_RETRY_S)


@asynccontextmanager
async def wishes_withdrawn(stage: Stage, dice: Random) -> AsyncIterator[None]:
    some = dice.sample(stage.plan.topics(stage.symbols), SOME)
    await stage.wish(add=[], remove=some)
    try:
        yield
    finally:
        await stage.wish(add=some, remove=[])
