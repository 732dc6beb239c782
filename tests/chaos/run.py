"""One run: warm up, let faults strike, let things calm down, judge."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from redis.exceptions import RedisError

from bridge.timeframes import DAY_MS, Timeframe
from tests.chaos.plan import Plan
from tests.chaos.programs import IngesterProgram
from tests.chaos.schedule import Act, Journal, carry_out
from tests.chaos.stage import MakeProgram, Stage, staged
from tests.chaos.verdict import Case, Verdict, judged

if TYPE_CHECKING:
    from redis.asyncio import Redis

_WARM_S: Final = 30.0
_CALM_S: Final = 60.0
_LOOK_S: Final = 0.2
# The last period that is asked for ended at least this long ago, in market milliseconds, when the faults are over.
_MARGIN_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went."""

    plan: Plan
    journal: Journal
    verdict: Verdict
    wall_s: float
    folder: Path


async def played(
    plan: Plan,
    folder: Path,
    planned: Sequence[Act],
    *,
    program: MakeProgram = IngesterProgram,
    calm_s: float = _CALM_S,
) -> Outcome:
    """Play a run in `folder`, with faults as `planned`; `calm_s` is how long it may take to come to rest after them."""
    began = asyncio.get_running_loop().time()
    journal, verdict = Journal(), Verdict()
    async with staged(plan, folder, program) as stage:
        try:
            if not await _within(_WARM_S, lambda: _warm(stage)):
                verdict.fail("stuck", f"not all streams began within {_WARM_S:g} s")
            floor = await _floor(stage)
            await carry_out(planned, stage, journal)
            await stage.wish(add=plan.topics(stage.symbols), remove=[])
            until_ms = stage.exchange.now - _MARGIN_MS
            calm = await _within(calm_s, lambda: _proven(stage, until_ms))
            await stage.stop_trading()
            rested_ms = stage.exchange.now
            calm = calm and await _within(calm_s, lambda: _resynced(stage, rested_ms))
            verdict.add(await _judged(stage, until_ms, floor, journal))
            if not calm:
                verdict.fail("stuck", f"not in step {calm_s:g} s after the last fault")
            for ingester in stage.ingesters:
                if not ingester.alive:
                    verdict.fail("dead", f"{ingester.name} has ended by itself")
        finally:
            (folder / "faults.log").write_text("\n".join(journal.lines) + "\n", encoding="utf-8")
    return Outcome(plan, journal, verdict, asyncio.get_running_loop().time() - began, folder)


async def _judged(stage: Stage, until_ms: int, floor: int, journal: Journal) -> Verdict:
    timeout_ms = stage.plan.proof_timeout_s * 1000
    silences = [(start, end) for start, end in journal.silences() if end - start >= timeout_ms]
    case = Case(
        stage.exchange,
        stage.keys,
        stage.series,
        frozenset(stage.dead),
        until_ms,
        silences,
        floor,
        stage.plan.last_words,
    )
    async with stage.redis() as redis:
        return await judged(case, redis)


async def _floor(stage: Stage) -> int:
    async with stage.redis() as redis:
        return int(await redis.hget(stage.keys.synced, "floor") or 0)


async def _within(seconds: float, holds: Callable[[], Awaitable[bool]]) -> bool:
    """Wait until something holds; tell whether it came true in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while loop.time() < deadline:
        try:
            if await holds():
                return True
        except (RedisError, OSError):
            pass
        await asyncio.sleep(_LOOK_S)
    return False


async def _warm(stage: Stage) -> bool:
    """Whether every stream that can begin has begun, and the account was read.

    No week is over yet: the market began in this one.
    """
    began = [(symbol, timeframe) for symbol, timeframe in _provable(stage) if timeframe != Timeframe.W1]
    async with stage.redis() as redis:
        return bool(await redis.hget(stage.keys.synced, "at")) and await _reach(redis, stage, began, 1)


async def _proven(stage: Stage, until_ms: int) -> bool:
    """Whether every closed stream has come as far as the periods that ended before `until_ms`."""
    async with stage.redis() as redis:
        return await _reach(redis, stage, _provable(stage), until_ms)


def _provable(stage: Stage) -> list[tuple[str, str]]:
    """All series but those days and weeks of which nobody can say that nothing was traded in them."""
    return [
        (symbol, timeframe)
        for symbol, timeframe in stage.series
        if symbol not in stage.dead or Timeframe(timeframe).milliseconds < DAY_MS
    ]


async def _reach(redis: Redis, stage: Stage, wanted: Sequence[tuple[str, str]], until_ms: int) -> bool:
    async with redis.pipeline(transaction=False) as pipe:
        for symbol, timeframe in wanted:
            pipe.xrevrange(stage.keys.closed_klines(symbol, timeframe), count=1)
        tails = await pipe.execute()
    ends = [
        int(tail[0][1]["close_time"]) + Timeframe(timeframe).milliseconds if tail else 0
        for (_, timeframe), tail in zip(wanted, tails, strict=True)
    ]
    return all(end >= until_ms for end in ends)


async def _resynced(stage: Stage, since_ms: int) -> bool:
    """Whether the account was read completely since then, rare symbols included, and nobody has anything to write."""
    async with stage.redis() as redis:
        read = await redis.hmget(stage.keys.synced, "at", "swept")
        states = [await redis.hgetall(stage.keys.ingester(program.name)) for program in stage.ingesters]
    complete = all(int(until or 0) > since_ms for until in read)
    return (complete or not stage.plan.synced) and all(state.get("depth") == "0" for state in states)
