"""Who is alive, and what each ingester serves: heartbeats, topic states, requests to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Final, cast

import msgspec
from redis.exceptions import NoScriptError

from bridge.store.scripts import HEARTBEAT

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from bridge.store.keys import Keys

STOP: Final = "stop"
# A hash outlives its member by this factor, so that what a member last said can still be read for a moment.
_KEPT_LIFETIMES: Final = 2

_encode: Final = msgspec.json.Encoder().encode


class State(StrEnum):
    """How far a topic has come."""

    PENDING = "pending"
    ACTIVE = "active"
    REJECTED = "rejected"


class TopicState(msgspec.Struct, frozen=True, omit_defaults=True):
    """A topic at one ingester. Times are host time in UTC milliseconds; `data_at` is 0 before the first data.

    `reason` is the exchange's own text, or ours where the exchange was never asked.
    """

    state: State
    since: int
    reason: str = ""
    data_at: int = 0


_read_state: Final = msgspec.json.Decoder(TopicState).decode


class Members:
    """The ingesters under one prefix. Every method may raise redis-py's `RedisError` when Redis is out of reach."""

    def __init__(self, client: Redis, keys: Keys, lifetime_s: float) -> None:
        """Use `client`, which must answer in `str`; a member silent for `lifetime_s` counts as gone."""
        self._client = client
        self._keys = keys
        self._lifetime_ms = int(lifetime_s * 1000)

    async def beat(self, name: str, state: Mapping[str, str | int | float]) -> bool:
        """Say that `name` is alive and how it is, in one round trip; return whether it was asked to stop."""
        try:
            return await self._beat(name, state)
        except NoScriptError:
            await self._client.script_load(HEARTBEAT.text)
            return await self._beat(name, state)

    async def publish(self, name: str, changed: Mapping[str, TopicState], gone: Iterable[str]) -> None:
        """Write the states of topics that changed, and forget those that are no longer served."""
        key = self._keys.ingester_topics(name)
        async with self._client.pipeline(transaction=True) as pipe:
            if changed:
                pipe.hset(key, mapping={topic: _encode(state) for topic, state in changed.items()})
            for topic in gone:
                pipe.hdel(key, topic)
            pipe.pexpire(key, self._kept_ms)
            await pipe.execute()

    async def leave(self, name: str) -> None:
        """Say goodbye."""
        await cast("asyncio.Future[int]", self._client.zrem(self._keys.ingesters, name))
        await self._client.delete(self._keys.ingester(name))
        await self._client.delete(self._keys.ingester_topics(name))

    async def alive(self) -> dict[str, dict[str, str]]:
        """Return each live member's state, by name."""
        seconds, micros = await self._client.time()
        since = seconds * 1000 + micros // 1000 - self._lifetime_ms
        names = cast("list[str]", await self._client.zrangebyscore(self._keys.ingesters, since, "+inf"))
        async with self._client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(self._keys.ingester(name))
            states = await pipe.execute()
        return dict(zip(names, states, strict=True))

    async def topics(self, names: Iterable[str]) -> dict[str, TopicState]:
        """Return each topic's state, merged over the members of these names: active anywhere is active."""
        merged: dict[str, TopicState] = {}
        async with self._client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(self._keys.ingester_topics(name))
            hashes = await pipe.execute()
        for topic, text in (pair for states in hashes for pair in states.items()):
            state = _read_state(text)
            merged[topic] = max(merged.get(topic, state), state, key=_rank)
        return merged

    async def ask_to_stop(self, names: Iterable[str]) -> None:
        """Ask members to drain and exit, and wake them; the request is gone with the member."""
        async with self._client.pipeline(transaction=False) as pipe:
            for name in names:
                key = self._keys.ingester(name)
                pipe.hset(key, STOP, "1")
                pipe.pexpire(key, self._kept_ms)
            pipe.publish(self._keys.wake, STOP)
            await pipe.execute()

    @property
    def _kept_ms(self) -> int:
        return self._lifetime_ms * _KEPT_LIFETIMES

    async def _beat(self, name: str, state: Mapping[str, str | int | float]) -> bool:
        key = self._keys.ingester(name)
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.evalsha(HEARTBEAT.sha, 1, self._keys.ingesters, name, self._lifetime_ms)
            pipe.hset(key, items=[part for pair in state.items() for part in pair])
            pipe.pexpire(key, self._kept_ms)
            pipe.pexpire(self._keys.ingester_topics(name), self._kept_ms)
            pipe.hget(key, STOP)
            answers = await pipe.execute()
        return answers[-1] is not None


def _rank(state: TopicState) -> tuple[int, int]:
    return ([State.REJECTED, State.PENDING, State.ACTIVE].index(state.state), state.data_at)
