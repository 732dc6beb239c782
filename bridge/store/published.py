"""Which executions are published, under which numbers, and whether those of the socket count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, cast

from bridge.records import Fill, Side

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from bridge.store.keys import Keys

_NEWEST: Final = 500


class Published:
    """Looks at one account's executions. Every method may raise redis-py's `RedisError` when Redis is out of reach."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        """Use `client`, which must answer in `str`."""
        self._client = client
        self._keys = keys

    async def told(self) -> dict[str, list[Fill]]:
        """Return the newest executions in the stream, by order."""
        orders: dict[str, list[Fill]] = defaultdict(list)
        newest = await self._client.xrevrange(self._keys.fills, count=_NEWEST)
        for _, entry in cast("list[tuple[str, dict[str, str]]]", newest):
            if entry.get("type") == "fill":
                orders[entry["order_id"]].append(_fill(entry))
        return dict(orders)

    async def seen(self, fills: Iterable[Fill]) -> set[str]:
        """Return the trade ids of those that count as published."""
        asked = list(fills)
        if not asked:
            return set()
        async with self._client.pipeline(transaction=False) as pipe:
            for fill in asked:
                pipe.zscore(self._keys.seen_fills, _identity(fill))
            scores = await pipe.execute()
        return {fill.trade_id for fill, score in zip(asked, scores, strict=True) if score is not None}

    async def see(self, fills: Iterable[Fill]) -> None:
        """Let these count as published: they are, under another number."""
        scores = {_identity(fill): fill.traded_at for fill in fills}
        if scores:
            await self._client.zadd(self._keys.seen_fills, scores, nx=True)

    async def agreed(self, order_id: str) -> None:
        """Take note that the socket and REST name this order's executions alike: any of them may be appended."""
        await self._client.hdel(self._keys.fill_sizes, f"{order_id}:ws", f"{order_id}:rest")

    async def by_rest(self) -> bool:
        """Tell whether REST's executions alone are published."""
        return await self._client.hget(self._keys.synced, "fills") == "rest"

    async def believe_rest(self) -> bool:
        """Publish REST's executions alone from now on; tell whether that is new."""
        return bool(await self._client.hset(self._keys.synced, "fills", "rest"))


def _identity(fill: Fill) -> str:
    return f"{fill.symbol}|{fill.order_id}|{fill.trade_id}"


def _fill(entry: dict[str, str]) -> Fill:
    return Fill(
        symbol=entry["symbol"],
        order_id=entry["order_id"],
        client_order_id=entry["client_order_id"],
        trade_id=entry["trade_id"],
        side=Side(entry["side"]),
        price=entry["price"],
        size=entry["size"],
        fee=entry["fee"],
        fee_currency=entry["fee_currency"],
        traded_at=int(entry["traded_at"] or 0),
        source=entry["source"],
        received_at=int(entry["received_at"]),
    )
