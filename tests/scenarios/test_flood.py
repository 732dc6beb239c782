"""What happens when the exchange is faster than Redis, by ten times: a real program, a real server made slow."""

from __future__ import annotations

from tests.benchmarks.flood import flooded
from tests.benchmarks.frames import TURN
from tests.benchmarks.stand import built


async def test_a_flood_beyond_what_redis_takes_makes_candles_fewer_not_older_and_loses_nothing_of_the_account() -> None:
    """A flood makes candles fewer, not older.

    Unsent states of a candle give way to newer ones, so what waits is bounded by the number of topics.
    Memory stays as it is, the flush after the last frame brings every topic's newest candle, and orders and fills,
    which never give way, are all there.
    """
    async with built(TURN) as stand:
        seen = await flooded(stand, 5)
    assert seen.conflated > seen.frames / 2
    assert seen.overflowed == 0
    assert seen.flushes_behind <= 1
    assert seen.account > 0
    assert seen.missing == 0
    assert seen.grown_percent < 5
