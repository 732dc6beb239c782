"""What the kit's tests share: entries in a real server, readers that take some, and other processes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

import redis

from bridge.consumer import Entry, Missed, connect
from bridge.records import Entry as AnyRecord
from bridge.records import Kline, Resync, fields_of
from bridge.store.keys import Keys
from tests.children import child
from tests.consumers.support import candle, orders, publish
from tests.store.support import MINUTE_MS, OPEN_TIME

KEYS: Final = Keys()
ROOT: Final = Path(__file__).parents[2]
LIVE: Final = KEYS.klines("BTCUSDT", "1m")
CLOSED: Final = KEYS.closed_klines("BTCUSDT", "1m")

__all__ = ["CLOSED", "KEYS", "LIVE", "MINUTE_MS", "OPEN_TIME", "candle", "orders", "publish"]


@contextmanager
def connected(url: str) -> Iterator[Any]:
    """A blocking client as the kit makes them."""
    with connect(url) as client:
        yield client


def put(client: redis.Redis, stream: str, record: AnyRecord, entry_id: str = "*", **changes: str) -> str:
    """Write one entry as the bridge would; return its id."""
    fields = fields_of(record)
    entry: dict[Any, Any] = dict(zip(fields[::2], fields[1::2], strict=True)) | changes
    return str(client.xadd(stream, entry, id=entry_id))


def put_orders(client: redis.Redis, count: int, *, first: int = 1) -> list[str]:
    """Write that many orders; return their ids."""
    return [put(client, KEYS.orders, order) for order in orders(count, first=first)]


def put_closed(client: redis.Redis, *minutes: int, **changes: str) -> None:
    """Write the closed candles of these minutes."""
    for minute in minutes:
        kline = candle(minute, closed=1)
        put(client, CLOSED, kline, f"{kline.open_time}-0", **changes)


def put_marker(client: redis.Redis, stream: str) -> None:
    """Write a marker: from here on all is complete."""
    put(client, stream, Resync("main", "login", "bridge", 5))


def taken(reader: Any, count: int) -> list[Entry]:  # noqa: ANN401 - any blocking reader
    """Take that many entries, and leave the last one unprocessed."""
    return list(islice(reader, count))


def numbers(entries: list[Entry]) -> list[str]:
    """Return the orders' ids."""
    return [entry.fields["order_id"] for entry in entries]


def minutes(entries: list[Entry]) -> list[int]:
    """Return which minutes' candles these are."""
    records = [entry.record for entry in entries]
    return [(record.open_time - OPEN_TIME) // MINUTE_MS for record in records if isinstance(record, Kline)]


def noted(told: list[tuple[str, int | None]]) -> Callable[[Missed], None]:
    """Return what notes what was missed."""
    return lambda missed: told.append((missed.stream, missed.count))


@asynccontextmanager
async def program(text: str, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a Python program in a process of its own."""
    async with child([sys.executable, "-c", text, *words], cwd=ROOT, stdout=asyncio.subprocess.PIPE) as process:
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()
