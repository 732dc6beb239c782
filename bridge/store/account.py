"""What the store knows of the account: what is open, and until when it was read completely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from redis.exceptions import NoScriptError

from bridge.store.scripts import FORGET, LOWER, SWEPT, SYNCED, Script

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from bridge.store.keys import Keys

_RECENT: Final = 500
# A socket stamps an execution with its order's time, which need not be the one that REST tells: memory goes later.
_KEPT_MS: Final = 120_000


@dataclass(frozen=True, slots=True)
class Known:
    """Open orders as `order id -> symbol`, open positions as `symbol:slot`, and four times in exchange milliseconds.

    `synced_at` is until when the account was read completely, and `swept_at` until when the orders of all symbols were,
    those of which nothing is known included; both are 0 if that never was. What is older than `floor` is not published;
    `filled_at` is when the newest execution known was made, 0 if none is. `recent` are the symbols of the newest
    changes of orders, finished ones included.
    """

    orders: dict[str, str]
    positions: frozenset[str]
    synced_at: int
    floor: int
    filled_at: int = 0
    recent: frozenset[str] = frozenset()
    swept_at: int = 0

    @property
    def symbols(self) -> set[str]:
        """The symbols of all of these."""
        return set(self.recent) | set(self.orders.values()) | {member.rpartition(":")[0] for member in self.positions}


class Account:
    """Reads and keeps that knowledge. Every method may raise redis-py's `RedisError` when Redis is out of reach."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        """Use `client`, which must answer in `str`."""
        self._client = client
        self._keys = keys

    async def known(self, first_floor: int) -> Known:
        """Return what is known now; `first_floor` becomes the floor if there was none, and is kept at once.

        Kept at once, because what happens from here on is to be published even if this first reading never succeeds.
        """
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.hsetnx(self._keys.synced, "floor", str(first_floor))
            pipe.smembers(self._keys.open_orders)
            pipe.smembers(self._keys.open_positions)
            pipe.hgetall(self._keys.synced)
            pipe.zrevrange(self._keys.seen_fills, 0, 0, withscores=True)
            pipe.xrevrange(self._keys.orders, count=_RECENT)
            _, order_ids, positions, synced, newest, changes = await pipe.execute()
        return Known(
            orders=await self._symbols(sorted(order_ids)),
            positions=frozenset(positions),
            synced_at=int(synced.get("at", 0)),
            floor=int(synced["floor"]),
            filled_at=int(newest[0][1]) if newest else 0,
            recent=frozenset(change["symbol"] for _, change in changes if "symbol" in change),
            swept_at=int(synced.get("swept", 0)),
        )

    async def floor(self) -> int:
        """Return what nothing older than is published, 0 if that was never decided."""
        return int(await self._client.hget(self._keys.synced, "floor") or 0)

    async def synced(self, at: int, floor: int, since: int = 0, old_floor: int = 0) -> bool:
        """Keep that the account was read completely until `at`, and that nothing older than `floor` is published.

        Not if the store does not know any more that it was read until `since`, from where this reading began: then it
        lost what it held meanwhile. Nor if its floor is below `old_floor`, which this reading reached back to. All of
        that has to be read again. Tell whether it was kept.
        """
        return bool(await self._run(SYNCED, [self._keys.synced], at, floor, since, old_floor))

    async def swept(self, until: int, since: int, old_floor: int) -> bool:
        """Keep that the orders of all symbols were read until `until`; tell whether it was kept.

        Not if the store lost what it held meanwhile: `since` and `old_floor` are as for `synced`.
        """
        return bool(await self._run(SWEPT, [self._keys.synced], until, since, old_floor))

    async def lower(self, floor: int) -> bool:
        """Let a store that lost its floor have this one again, if it is lower than what it has; tell whether it is.

        What was read completely above it does not count any more: it did not reach back so far.
        """
        return bool(await self._run(LOWER, [self._keys.synced], floor))

    async def forget(self, most: int) -> tuple[int, int]:
        """Forget executions and finished orders from before the floor, at most so many of each; return how many went.

        They are never appended again: whatever is older is refused from then on.
        """
        floor = await self.floor()
        finished = self._keys.finished_orders
        upto = f"({floor - _KEPT_MS}"
        found = await self._client.zrange(finished, "(0", upto, byscore=True, offset=0, num=most)
        old = cast("list[str]", found)
        keys = [self._keys.synced, self._keys.seen_fills, finished, self._keys.open_orders, self._keys.fill_sizes]
        keys += [self._keys.order(order_id) for order_id in old]
        fills, orders = await self._run(FORGET, keys, _KEPT_MS, most, *old)
        return int(fills), int(orders)

    async def _run(self, script: Script, keys: list[str], *arguments: int | str) -> Any:  # noqa: ANN401 - as Redis says
        given = [str(argument) for argument in arguments]
        try:
            return await self._client.evalsha(script.sha, len(keys), *keys, *given)
        except NoScriptError:
            return await self._client.eval(script.text, len(keys), *keys, *given)

    async def _symbols(self, order_ids: list[str]) -> dict[str, str]:
        async with self._client.pipeline(transaction=False) as pipe:
            for order_id in order_ids:
                pipe.hget(self._keys.order(order_id), "symbol")
            symbols = await pipe.execute()
        return {order_id: symbol for order_id, symbol in zip(order_ids, symbols, strict=True) if symbol}
