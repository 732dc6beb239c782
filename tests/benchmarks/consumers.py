"""Reading entries back: plain redis-py with hiredis, as a user would write it, and the kit.

Every way reads the same stream of candles, 500 at a time, and takes the close of each as a `Decimal`. In place of
frames there are entries; what they cost the server is not asked for, since it is the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import islice
from typing import Any, Final

import redis

from bridge.consumer import AsyncReader, Entry, GroupReader, Kline, Reader, Rules, connect
from bridge.records import fields_of
from tests.benchmarks.stand import KEYS, Cost, Stand, measure
from tests.store.support import KLINE, MINUTE_MS, changed

_STREAM: Final = KEYS.closed_klines("BTCUSDT", "1m")
_BATCH: Final = 500
_GROUP: Final = "benchmark"


async def plain(stand: Stand, entries: int) -> Cost:
    """`XREAD` by redis-py, fields as they come."""
    async with _filled(stand, entries) as client:

        def work() -> None:
            after, left = "0", entries
            while left:
                ((_, found),) = client.xread({_STREAM: after}, count=_BATCH)
                for entry_id, fields in found:
                    Decimal(fields["close"])
                    after = entry_id
                left -= len(found)

        return measure(entries, work)


async def plain_group(stand: Stand, entries: int) -> Cost:
    """`XREADGROUP` by redis-py, fields as they come, acknowledged by the batch."""
    async with _filled(stand, entries) as client:
        client.xgroup_create(_STREAM, _GROUP, id="0")

        def work() -> None:
            left = entries
            while left:
                ((_, found),) = client.xreadgroup(_GROUP, "one", {_STREAM: ">"}, count=_BATCH)
                for _, fields in found:
                    Decimal(fields["close"])
                client.xack(_STREAM, _GROUP, *[entry_id for entry_id, _ in found])
                left -= len(found)

        return measure(entries, work)


async def reader(stand: Stand, entries: int) -> Cost:
    """The kit's plain reader."""
    async with _filled(stand, entries) as client:
        reading = Reader(client, _STREAM, count=_BATCH)
        return measure(entries, lambda: _taken(islice(reading, entries)))


async def group_reader(stand: Stand, entries: int) -> Cost:
    """The kit's group reader, acknowledging."""
    async with _filled(stand, entries) as client:
        reading = GroupReader(client, _STREAM, _GROUP, rules=Rules(count=_BATCH))

        def work() -> None:
            _taken(islice(reading, entries))
            reading.save()

        return measure(entries, work)


async def async_reader(stand: Stand, entries: int) -> Cost:
    """The kit's plain reader for asyncio."""
    async with (
        _filled(stand, entries),
        AsyncReader(stand.settings.redis_url.reveal(), _STREAM, count=_BATCH) as reading,
    ):

        async def work() -> None:
            for _ in range(entries):
                _taken([await anext(reading)])

        return await stand.measure(entries, work())


@asynccontextmanager
async def _filled(stand: Stand, entries: int) -> AsyncIterator[Any]:
    await stand.empty()
    with connect(stand.settings.redis_url.reveal()) as client:
        for first in range(0, entries, _BATCH):
            _fill(client, range(first, min(first + _BATCH, entries)))
        yield client


def _fill(client: redis.Redis, numbers: Iterable[int]) -> None:
    with client.pipeline(transaction=False) as pipe:
        for number in numbers:
            kline = changed(KLINE, open_time=KLINE.open_time + number * MINUTE_MS, closed=1)
            pipe.execute_command("XADD", _STREAM, f"{kline.open_time}-0", *fields_of(kline))  # type: ignore[no-untyped-call]  # redis-py's
        pipe.execute()


def _taken(entries: Iterable[Entry]) -> None:
    for entry in entries:
        if isinstance(entry.record, Kline):
            entry.record.decimal("close")
