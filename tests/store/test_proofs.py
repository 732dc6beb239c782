"""What ingesters tell each other of REST's candles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.store.proofs import Proofs
from tests.store.support import KEYS

if TYPE_CHECKING:
    from redis.asyncio import Redis


async def test_the_last_answer_is_known_to_all(store: Redis) -> None:
    assert await Proofs(store, KEYS).last_heard() == 0
    await Proofs(store, KEYS).heard(1_790_158_800_000)
    assert await Proofs(store, KEYS).last_heard() == 1_790_158_800_000


async def test_where_periods_begin_is_kept_by_timeframe(store: Redis) -> None:
    proofs = Proofs(store, KEYS)
    await proofs.heard(5)
    assert await proofs.phases() == {}
    await proofs.begins("1w", 345_600_000)
    await proofs.begins("1d", 0)
    assert await proofs.phases() == {"1w": 345_600_000, "1d": 0}
