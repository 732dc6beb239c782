"""The control API by real HTTP, and the store behind it, written as ingesters would."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import httpx2

from bridge import exchanges
from bridge.control import ControlServer, create_app
from bridge.metrics import Sample
from bridge.settings import Settings, load
from bridge.store import client
from bridge.store.desired import Desired
from bridge.store.keys import Keys
from bridge.store.members import Card, Members, State, TopicState
from bridge.values import Secret

TOKEN = "a-token-of-the-tests"
SECRETS = ("key-of-tests", "secret-of-tests", "memo-of-tests", TOKEN)

CARD = Card("token")
BTC_1M = "futures/klineBin1m:BTCUSDT"
BTC_5M = "futures/klineBin5m:BTCUSDT"
EVERY_1M = "futures/klineBin1m:*"
ORDER = "futures/order"
POSITION = "futures/position"


class Store:
    """What is in Redis, seen and written past the API."""

    def __init__(self, url: str) -> None:
        """Connect to the store at `url`."""
        self.redis = client.commands(Secret(url))
        self.keys = Keys()
        self.desired = Desired(self.redis, self.keys)
        self.members = Members(self.redis, self.keys, lifetime_s=60)

    async def hold(self, symbol: str, slot: str, state: dict[str, str]) -> None:
        """Be a position that is open."""
        async with self.redis.pipeline() as pipe:
            pipe.hset(self.keys.position(symbol, slot), items=[part for pair in state.items() for part in pair])
            pipe.sadd(self.keys.open_positions, f"{symbol}:{slot}")
            await pipe.execute()

    async def serve(self, name: str, topics: dict[str, State] | None = None, **state: str | int) -> None:
        """Be an ingester that serves `topics`."""
        states = {topic: TopicState(how, since=1_000, reason="") for topic, how in (topics or {}).items()}
        await self.members.publish(name, states, ())
        await self.members.beat(name, CARD, {"public": "open", "private": "idle", "applied_rev": 0, **state})


def settings_for(url: str, *, token: str = "", credentials: bool = False) -> Settings:
    """Return settings that point at a server."""
    key, secret, memo = SECRETS[:3] if credentials else ("", "", "")
    return dataclasses.replace(
        load({}, None),
        redis_url=Secret(url),
        ctrl_token=Secret(token),
        member_lifetime_s=60,
        bitmart_api_key=Secret(key),
        bitmart_api_secret=Secret(secret),
        bitmart_api_memo=Secret(memo),
    )


@asynccontextmanager
async def serving(
    settings: Settings, also: Callable[[], Iterable[Sample]] = tuple
) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve the API on a free port and call it."""
    app = create_app(settings, exchanges.chosen(settings), also)
    async with ControlServer(app, "127.0.0.1:0") as server, httpx2.AsyncClient(base_url=server.url) as http:
        yield http
