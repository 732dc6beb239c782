"""A flood ten times beyond what Redis takes, for a while: what stays flat, what is newest, what is complete.

Redis is made slow by a relay that holds each reply back: a flush is answered so late that a known number of entries a
second is all that goes through. Market frames come from the source, the account's from the simulator: its orders and
fills may not give way, as the unsent states of live candles do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bridge.simulator import Scenario, Simulator
from bridge.store import reader
from bridge.store.desired import Desired
from bridge.store.members import Members
from tests.benchmarks.frames import OPEN_MS, volume_of
from tests.benchmarks.program import ingesting
from tests.benchmarks.stand import KEYS, STREAMS
from tests.store.relay import Relay
from tests.support import wait_until

if TYPE_CHECKING:
    from tests.benchmarks.stand import Stand

# A flush of all topics every quarter of a second.
HELD_S: Final = 0.25
BEYOND: Final = 10
_STEPS: Final = 6
_TRADE_S: Final = 0.1
_BUY_OPEN_LONG: Final = 1
_ORDERS: Final = "futures/order"
_WAIT_S: Final = 20.0
_MOST: Final = 100_000
_LIFETIME_S: Final = 5.0
# An account that does what it is told. No candle of the source's ends while it floods.
_ACCOUNT: Final = Scenario(trading=False, start=OPEN_MS - 50_000, account_history_s=0)


@dataclass(slots=True)
class Flooded:
    """What was seen.

    Attributes:
        frames: how many were sent.
        account: how many orders and fills the account made meanwhile.
        resident_mb: the program's memory after each step.
        conflated: how many states gave way, by its own word; `overflowed` how many entries were dropped.
        flushes_behind: how many flushes began after the last frame until every topic's newest candle was there.
        missing: orders and fills of the account that are not in their streams.
    """

    frames: int
    account: int = 0
    resident_mb: list[float] = field(default_factory=list)
    conflated: int = 0
    overflowed: int = 0
    flushes_behind: int = 0
    missing: int = 0

    @property
    def grown_percent(self) -> float:
        """How much memory has grown since the first step."""
        return (max(self.resident_mb) / self.resident_mb[0] - 1) * 100


async def flooded(stand: Stand, seconds: float) -> Flooded:
    """Flood an ingester for so long."""
    source, per_s = stand.source, BEYOND * stand.source.turn / HELD_S
    step = int(per_s * seconds / _STEPS)
    seen = Flooded(step * _STEPS)
    async with (
        _slow(stand) as relay,
        Simulator(_ACCOUNT) as exchange,
        ingesting(stand, source, _environment(relay, exchange)) as program,
    ):
        await Desired(stand.redis, KEYS).change("shared", add=[_ORDERS])
        await wait_until(lambda: _listened_to(exchange), "orders are subscribed to", _WAIT_S)
        trading = asyncio.create_task(_trade(exchange))
        for _ in range(_STEPS):
            source.send(step, per_s)
            await source.last_sent_at()
            seen.resident_mb.append(program.resident_mb())
        trading.cancel()
        await asyncio.wait([trading])
        seen.flushes_behind = await _behind(stand, seen.frames)
        seen.account = 2 * len(exchange.ledger.select("fill"))
        seen.missing = await _missing(stand, exchange)
        state = next(iter((await Members(stand.redis, KEYS, _LIFETIME_S).alive()).values()))
        seen.conflated, seen.overflowed = int(state["conflated"]), int(state["overflowed"])
    return seen


@asynccontextmanager
async def _slow(stand: Stand) -> AsyncIterator[Relay]:
    async with Relay(urlsplit(stand.settings.redis_url.reveal()).port or 0) as relay:
        relay.held_s = HELD_S
        yield relay


def _environment(relay: Relay, exchange: Simulator) -> dict[str, str]:
    account = exchange.scenario
    return {
        "REDIS_URL": relay.url,
        "BITMART_PRIVATE_WS_URI": exchange.private_ws_uri,
        "BITMART_REST_URI": exchange.rest_uri,
        "BITMART_API_KEY": account.api_key,
        "BITMART_API_SECRET": account.api_secret,
        "BITMART_API_MEMO": account.api_memo,
        "FLUSH_ENTRIES": "1000",  # all topics and what the account does meanwhile
    }


def _listened_to(exchange: Simulator) -> bool:
    return any(_ORDERS in held for held in exchange.stats.topics.values())


async def _trade(exchange: Simulator) -> None:
    while True:
        order = exchange.account.submit("BTCUSDT", _BUY_OPEN_LONG, 1)
        await asyncio.sleep(_TRADE_S / 2)
        exchange.account.fill(order, 1, "60000")
        await asyncio.sleep(_TRADE_S / 2)


async def _behind(stand: Stand, frames: int) -> int:
    """Wait for the newest candle of every topic; return how many flushes it took after the last frame had come."""
    turn = stand.source.turn
    newest = {STREAMS[frame % turn]: volume_of(frame) for frame in range(frames - turn, frames)}
    last: list[tuple[str, dict[str, str]]] = []

    async def complete() -> bool:
        last[:] = [(await reader.newest(stand.redis, stream, 1))[-1] for stream in newest]
        return [fields["volume"] for _, fields in last] == [*newest.values()]

    await wait_until(complete, "the newest candle of every topic", _WAIT_S)
    came_ms = max(int(fields["received_at"]) for _, fields in last)
    # What one flush brings has one time: the server's clock stands still while a script runs.
    flushes = {int(entry_id.partition("-")[0]) for entry_id, _ in last}
    return sum(at_ms > came_ms for at_ms in flushes)


async def _missing(stand: Stand, exchange: Simulator) -> int:
    """Wait for all that the account did; count what its streams do not tell even so."""
    done = exchange.ledger.select("fill")
    expected = {("fill", str(fill["trade_id"])) for fill in done} | {("order", str(fill["order_id"])) for fill in done}
    missing = set(expected)

    async def told() -> bool:
        fills = [fields for _, fields in await reader.newest(stand.redis, KEYS.fills, _MOST)]
        orders = [fields for _, fields in await reader.newest(stand.redis, KEYS.orders, _MOST)]
        filled = [fields for fields in orders if fields.get("status") == "filled"]
        missing.difference_update(("fill", fields["trade_id"]) for fields in fills if fields["type"] == "fill")
        missing.difference_update(("order", fields["order_id"]) for fields in filled)
        return not missing

    with suppress(AssertionError):
        await wait_until(told, "all orders and fills", _WAIT_S)
    return len(missing)
