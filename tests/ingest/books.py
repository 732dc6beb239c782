"""What the tests of the account share: a real ingester between the simulated exchange and a real Redis.

Nothing trades by itself here unless a test says so: whatever the account does is done by hand, so that afterwards the
streams can be compared with it to the last digit.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest
from redis.asyncio import Redis

from bridge.ingest.ingester import Ingester
from bridge.simulator import Simulator
from bridge.simulator.replies import RefusalError, Reply
from bridge.simulator.rest.private_rest import PrivateRest
from bridge.simulator.trading.account import Account
from bridge.simulator.trading.orders import BUY, BUY_CLOSE, FINISHED, SELL, SELL_CLOSE, Order, plain
from bridge.simulator.trading.plans import Plan
from bridge.store import client, reader
from bridge.store.desired import Desired
from bridge.store.keys import Keys
from bridge.values import Secret
from tests.ingest.rig import NEVER_S, ORDERS, POSITIONS, exchange_of, market, quick
from tests.store.support import members, state
from tests.support import wait_until

KEYS = Keys()
PRIVATE: Final = "/contract/private"
MODES = pytest.mark.parametrize("mode", ["hedge_mode", "one_way_mode"])
Fields = dict[str, str]


class Gate:
    """Stands in the way of one endpoint's answers: they are held while it is shut, or turned into refusals."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
        """Stand before a method of `PrivateRest`, of every simulator that is made from now on."""
        self.asked: list[Fields] = []
        self.held = 0
        self.refusing = False
        self.refused = 0
        self.before: Callable[[], None] = lambda: None
        self._open = asyncio.Event()
        self._open.set()
        answer = getattr(PrivateRest, endpoint)

        async def answered(rest: PrivateRest, query: Fields) -> Reply:
            self.asked.append(dict(query))
            self.before()
            reply: Reply = await answer(rest, query)
            self.held += 1
            await self._open.wait()
            self.held -= 1
            if self.refusing:
                self.refused += 1
                raise RefusalError(500, 59999, "Internal error")
            return reply

        monkeypatch.setattr(PrivateRest, endpoint, answered)

    def shut(self) -> None:
        """Hold answers from now on; each says what was true when it was asked for."""
        self._open.clear()

    def open(self) -> None:
        """Let them go."""
        self._open.set()


@dataclass
class Bridge:
    """A running ingester, and both its sides."""

    simulator: Simulator
    ingester: Ingester
    task: asyncio.Task[None]
    store: Redis
    desired: Desired

    @property
    def account(self) -> Account:
        """The exchange's truth."""
        return self.simulator.account

    async def entries(self, stream: str, kind: str = "") -> list[Fields]:
        """All entries of a stream, or those of one type, oldest first."""
        found = [fields for _, fields in await reader.newest(self.store, stream, 100_000)]
        return [entry for entry in found if not kind or entry["type"] == kind]

    async def fills(self) -> list[str]:
        """The trades published, oldest first."""
        return [entry["trade_id"] for entry in await self.entries(KEYS.fills, "fill")]

    async def reasons(self, stream: str) -> list[str]:
        """Why the markers of a stream were written."""
        return [entry["reason"] for entry in await self.entries(stream, "resync")]

    async def events(self, name: str) -> list[tuple[str, str]]:
        """Subject and text of the events of that name."""
        return [(e["subject"], e["text"]) for e in await self.entries(KEYS.events) if e["event"] == name]

    async def until(self, name: str, times: int = 1) -> None:
        """Wait until something has happened so often."""

        async def so() -> bool:
            return len(await self.events(name)) >= times

        await wait_until(so, f"{times} x {name}", 60)

    async def until_resynced(self, times: int = 1) -> None:
        """Wait until the account was made whole so often."""
        await self.until("resynced", times)

    async def until_fill(self, trade_id: int) -> None:
        """Wait until an execution is published."""

        async def so() -> bool:
            return str(trade_id) in await self.fills()

        await wait_until(so, f"the fill {trade_id}")

    async def until_passed(self, seconds: float) -> None:
        """Wait until so much market time has gone by."""
        end = self.simulator.now + int(seconds * 1000)
        await wait_until(lambda: self.simulator.now > end, f"{seconds} s of the market have passed")

    async def stop(self) -> None:
        """Ask for an orderly end and wait for it."""
        self.ingester.stop()
        await asyncio.wait_for(self.task, 20)


@asynccontextmanager
async def bridging(
    simulator: Simulator,
    url: str,
    *wishes: str,
    **changes: Any,  # noqa: ANN401 - settings
) -> AsyncIterator[Bridge]:
    """An ingester at work, its wishes (everything of the account, if none are given) made before it starts."""
    hurried = {"redis_url": Secret(url), "reconcile_interval_s": 0.1, "redis_timeout_s": 2.0}
    settings = quick(simulator, **hurried | {"private_sync_s": NEVER_S} | changes)
    store = client.commands(Secret(url))
    desired = Desired(store, KEYS)
    await desired.change("shared", add=wishes or (ORDERS, POSITIONS))
    ingester = Ingester(settings, exchange_of(settings))
    task = asyncio.create_task(ingester.run())
    try:
        yield Bridge(simulator, ingester, task, store, desired)
        if not task.done():
            ingester.stop()
            await asyncio.wait_for(task, 20)
    finally:
        task.cancel()
        await asyncio.wait([task])
        await store.aclose()


@asynccontextmanager
async def outage(bridge: Bridge) -> AsyncIterator[Account]:
    """A time in which the exchange is out of reach, its account going on; at the end it is read anew."""
    resynced = len(await bridge.events("resynced"))
    lost = len(await bridge.events("lost"))
    await bridge.simulator.stop(abrupt=True)
    await bridge.until("lost", lost + 1)
    yield bridge.account
    await bridge.simulator.start()
    await bridge.until_resynced(resynced + 1)


def still(**changes: Any) -> Simulator:  # noqa: ANN401 - the fields of a scenario
    """A simulator in real time, in which only what is done by hand happens."""
    return market(**{"rate": 1.0} | changes)


def bought(account: Account, symbol: str, side: int, size: int, at: int | None = None) -> int:
    """Submit a market order that is filled at once; return its trade."""
    order_id = account.submit(symbol, side, size, at=at)
    price = plain(account.orders[order_id].price)
    return account.fill(order_id, size, price, at=at).trade_id


def status_of(order: Order) -> str:
    """How far an order has come, in our words."""
    if order.state == FINISHED:
        return "canceled" if order.remaining else "filled"
    return "partially_filled" if order.deal_size else "open"


def plan_status(plan: Plan) -> str:
    """How far a plan order has come, in our words."""
    if plan.state == FINISHED:
        return "triggered" if plan.executed else "canceled"
    return "accepted"


async def assert_whole(bridge: Bridge, until: int | None = None) -> None:
    """Each fill once, each order's last state, each position equal the exchange's; `until` leaves younger ones out."""
    account, floor = bridge.account, int((await state(bridge.store, KEYS.synced))["floor"])

    def settled(at: int) -> bool:
        return until is None or at <= until

    fills = [
        (e["order_id"], e["trade_id"], e["symbol"], e["price"], e["size"], e["fee"], int(e["traded_at"]))
        for e in await bridge.entries(KEYS.fills, "fill")
    ]
    truth = {
        (f.order_id, str(f.trade_id), f.symbol, plain(f.price), str(f.size), plain(f.fee), f.at) for f in account.fills
    }
    assert len(fills) == len(set(fills))
    assert {fill for fill in truth if floor <= fill[-1] and settled(fill[-1])} <= set(fills) <= truth

    orders = {
        e["order_id"]: (e["symbol"], e["status"], e["filled_size"], e["average_price"])
        for e in await bridge.entries(KEYS.orders, "order")
    }
    for order in account.orders.values():
        if settled(order.update_time) and (order.order_id in orders or order.create_time >= floor):
            last = (order.symbol, status_of(order), str(order.deal_size), order.average_price)
            assert orders[order.order_id] == last, order.order_id

    for plan in account.plans.orders.values():
        if settled(plan.update_time) and (plan.order_id in orders or plan.create_time >= floor):
            assert orders[plan.order_id][:2] == (plan.symbol, plan_status(plan)), plan.order_id

    positions = {
        f"{e['symbol']}:{'both' if e['position_mode'] == 'one_way' else e['side']}": (e["size"], e["side"])
        for e in await bridge.entries(KEYS.positions, "position")
    }
    for position in account.positions.values():
        slot = f"{position.symbol}:{position.side}"
        if settled(position.updated_at) and (slot in positions or position.volume):
            size, side = positions[slot]
            assert size == str(abs(position.volume)), slot
            assert not position.volume or side == ("long" if position.volume > 0 else "short"), slot

    if until is None:
        unfinished: list[Order | Plan] = [*account.open_orders(), *account.plans.waiting()]
        assert await members(bridge.store, KEYS.open_orders) == {order.order_id for order in unfinished}
        assert await members(bridge.store, KEYS.open_positions) == {
            f"{position.symbol}:{position.side}" for position in account.open_positions()
        }


async def assert_marked_last(bridge: Bridge, *streams: str) -> None:
    """The newest entry of each of these streams is a marker."""
    for stream in streams or (KEYS.orders, KEYS.fills, KEYS.positions):
        assert (await bridge.entries(stream))[-1]["type"] == "resync", stream


async def is_whole(bridge: Bridge) -> bool:
    """Whether the streams say what is true."""
    try:
        await assert_whole(bridge)
    except (AssertionError, KeyError):
        return False
    return True


def trade(account: Account, dice: random.Random, steps: int) -> None:
    """Do something with the account, again and again."""
    symbols = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    for symbol in symbols:
        bought(account, symbol, BUY, 1)
    for _ in range(steps):
        dice.choice([order, buy, reduce, match, cancel])(account, dice, dice.choice(symbols))


def order(account: Account, dice: random.Random, symbol: str) -> None:
    """Submit an order that rests."""
    account.submit(symbol, dice.choice([BUY, SELL]), dice.randint(1, 9), price="100")


def buy(account: Account, dice: random.Random, symbol: str) -> None:
    """Submit an order that is filled at once."""
    bought(account, symbol, dice.choice([BUY, SELL]), dice.randint(1, 9))


def reduce(account: Account, dice: random.Random, _: str) -> None:
    """Close a position, or a part of it."""
    if held := account.open_positions():
        position = dice.choice(held)
        side = SELL_CLOSE if position.volume > 0 else BUY_CLOSE
        bought(account, position.symbol, side, dice.choice([1, abs(position.volume)]))


def match(account: Account, dice: random.Random, _: str) -> None:
    """Match an order, once or twice at the same time."""
    if orders := [order for order in account.open_orders() if account.closable(order)]:
        chosen = dice.choice(orders)
        size = dice.randint(1, account.closable(chosen))
        first = dice.randint(1, size)
        account.sweep(chosen.order_id, [(part, "100") for part in (first, size - first) if part])


def cancel(account: Account, dice: random.Random, _: str) -> None:
    """Cancel an order."""
    if orders := account.open_orders():
        account.cancel(dice.choice(orders).order_id)


def void(_: object) -> None:
    """Make an expression a statement."""


def last_match_only(account: Account) -> None:
    """From now on a frame tells the newest element alone, as an exchange that joins matches would."""
    tell = account.tell

    def told(topic: str, data: object) -> None:
        tell(topic, data[-1:] if topic == ORDERS and isinstance(data, list) else data)

    account.tell = told


def held(simulator: Simulator, topic: str) -> bool:
    """Whether the exchange pushes a topic."""
    return any(topic in topics for topics in simulator.stats.topics.values())
