"""What stands behind the API: the wishes, the members and the positions in Redis, and the exchange's names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from bridge.control.traffic import Traffic
from bridge.exchanges.base import Exchange
from bridge.metrics import Sample
from bridge.settings import Settings
from bridge.store import client, reader
from bridge.store.desired import Desired, Wishes
from bridge.store.keys import Keys
from bridge.store.members import Members, TopicState


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is wanted, who is alive, and what the living serve, at about one moment."""

    wishes: Wishes
    members: Mapping[str, Mapping[str, str]]
    served: Mapping[str, TopicState]


@dataclass(frozen=True, slots=True)
class Backend:
    """All that the endpoints work with."""

    settings: Settings
    exchange: Exchange
    desired: Desired
    members: Members
    positions: Callable[[], Awaitable[list[reader.Fields]]]
    traffic: Traffic
    also: Callable[[], Iterable[Sample]]

    async def snapshot(self) -> Snapshot:
        """Look at everything once."""
        wishes = await self.desired.read()
        members = await self.members.alive()
        return Snapshot(wishes, members, await self.members.topics(members))


@asynccontextmanager
async def opened(
    settings: Settings, exchange: Exchange, traffic: Traffic, also: Callable[[], Iterable[Sample]]
) -> AsyncIterator[Backend]:
    """Open a client of our own for as long as the block lasts; Redis itself need not be there yet."""
    redis = client.commands(settings.redis_url)
    keys = Keys(settings.bridge_prefix, settings.bitmart_account)
    try:
        yield Backend(
            settings,
            exchange,
            Desired(redis, keys),
            Members(redis, keys, settings.member_lifetime_s),
            partial(reader.open_positions, redis, keys),
            traffic,
            also,
        )
    finally:
        await redis.aclose()
