"""Reading the streams from Python. RULE: needs nothing but redis, hiredis and msgspec.

A bot that reads needs no exchange, no web server and no event loop of ours, so importing this room imports none.
`reading`, `group`, `membership` and `trimming` hold the rules, as steps that somebody else carries out; `readers`
carries them out blocking, `async_readers` for asyncio. `docs/reading.md` shows how all of it is used.
"""

from bridge.consumer.async_readers import AsyncGroupReader, AsyncReader
from bridge.consumer.candles import as_pandas, as_polars, history, history_async
from bridge.consumer.connecting import connect, connect_async
from bridge.consumer.decoding import decode
from bridge.consumer.errors import AbsentError, ConsumerError, MissingPackageError, StaleDataError
from bridge.consumer.freshness import Freshness, age_ms
from bridge.consumer.group import Rules
from bridge.consumer.positions import FilePositions, HashPositions, Place, Positions
from bridge.consumer.readers import GroupReader, Reader
from bridge.consumer.records import Entry, Event, Fill, Kline, Order, Position, Record, Resync, Unknown
from bridge.consumer.trimming import Missed
from bridge.store.keys import Keys

__all__ = [
    "AbsentError",
    "AsyncGroupReader",
    "AsyncReader",
    "ConsumerError",
    "Entry",
    "Event",
    "FilePositions",
    "Fill",
    "Freshness",
    "GroupReader",
    "HashPositions",
    "Keys",
    "Kline",
    "Missed",
    "MissingPackageError",
    "Order",
    "Place",
    "Position",
    "Positions",
    "Reader",
    "Record",
    "Resync",
    "Rules",
    "StaleDataError",
    "Unknown",
    "age_ms",
    "as_pandas",
    "as_polars",
    "connect",
    "connect_async",
    "decode",
    "history",
    "history_async",
]
