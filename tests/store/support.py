"""Records of the store's tests, and a plain way to bring them into a real server."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, cast

import msgspec

from bridge.records import (
    Fill,
    Kline,
    MarginMode,
    Order,
    OrderEvent,
    OrderType,
    Position,
    PositionMode,
    PositionSide,
    Record,
    Side,
    Source,
    Status,
)
from bridge.settings import load
from bridge.store import scripts
from bridge.store.keys import Keys
from bridge.store.writing.appends import Append, Appends

if TYPE_CHECKING:
    from redis.asyncio import Redis

KEYS = Keys()
APPENDS = Appends(KEYS, load({}, dotenv=None))
OPEN_TIME = 1_785_727_320_000
MINUTE_MS = 60_000

KLINE = Kline(
    symbol="BTCUSDT",
    timeframe="1m",
    open_time=OPEN_TIME,
    close_time=OPEN_TIME + MINUTE_MS - 1,
    open="10",
    high="12",
    low="9",
    close="11",
    volume="100",
    closed=0,
    source=Source.WS,
    received_at=1,
)
ORDER = Order(
    symbol="BTCUSDT",
    order_id="1",
    client_order_id="",
    event=OrderEvent.SUBMITTED,
    status=Status.OPEN,
    side=Side.BUY,
    position_side=PositionSide.LONG,
    reduce_only="0",
    order_type=OrderType.LIMIT,
    price="100",
    size="10",
    filled_size="0",
    average_price="0",
    leverage="5",
    margin_mode=MarginMode.CROSS,
    position_mode=PositionMode.HEDGE,
    plan_order_id="",
    created_at=1_000,
    updated_at=1_000,
    action="2",
    state="2",
    side_code="1",
    source=Source.WS,
    received_at=1,
)
FILL = Fill(
    symbol="BTCUSDT",
    order_id="1",
    client_order_id="",
    trade_id="7",
    side=Side.BUY,
    price="100",
    size="4",
    fee="0.02",
    fee_currency="USDT",
    traded_at=1_000,
    source=Source.WS,
    received_at=1,
)
POSITION = Position(
    symbol="BTCUSDT",
    side=PositionSide.LONG,
    size="4",
    average_price="100",
    liquidation_price="20",
    frozen_size="0",
    closed_size="0",
    open_average_price="100",
    close_average_price="0",
    margin_mode=MarginMode.CROSS,
    position_mode=PositionMode.HEDGE,
    created_at=1_000,
    updated_at=1_000,
    source=Source.WS,
    received_at=1,
)

changed = msgspec.structs.replace


async def run(store: Redis, append: Append) -> Any:  # noqa: ANN401 - what the command answers
    """Run an append's command, as the writer would."""
    for script in scripts.APPENDS:
        await store.script_load(script.text)
    return await store.execute_command(*append.command)  # type: ignore[no-untyped-call]


async def said(store: Redis, *records: Record) -> list[int]:
    """Bring records into Redis one by one; return each script's answer."""
    return [int(await run(store, APPENDS.of(record))) for record in records]


async def entries(store: Redis, stream: str) -> list[dict[str, str]]:
    """Return all entries of a stream, oldest first."""
    return [fields for _, fields in cast("list[tuple[str, dict[str, str]]]", await store.xrange(stream))]


async def column(store: Redis, stream: str, *names: str) -> list[tuple[str, ...]]:
    """Return some fields of all entries of a stream."""
    return [tuple(entry[name] for name in names) for entry in await entries(store, stream)]


async def state(store: Redis, key: str) -> dict[str, str]:
    """Return a hash."""
    return await cast("Awaitable[dict[str, str]]", store.hgetall(key))


async def members(store: Redis, key: str) -> set[str]:
    """Return a set."""
    return await cast("Awaitable[set[str]]", store.smembers(key))
