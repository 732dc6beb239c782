"""Who is alive, and what each ingester serves: heartbeats, cards, topic states, requests to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from redis.exceptions import NoScriptError

from bridge.errors import NamesakeError
from bridge.store.scripts import ALIVE, HEARTBEAT

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from bridge.store.keys import Keys

STOP: Final = "stop"
# A hash outlives its member by this factor, so that what a member last said can still be read for a moment.
_KEPT_LIFETIMES: Final = 2

# How many fields of a hash are asked for at once.
_FIELDS: Final = 500

_encode: Final = msgspec.json.Encoder().encode


class State(StrEnum):
    """How far a topic has come."""

    PENDING = "pending"
    ACTIVE = "active"
    REJECTED = "rejected"


class TopicState(msgspec.Struct, frozen=True, omit_defaults=True):
    """A topic at one ingester. Times are host time in UTC milliseconds; `data_at` is 0 before the first data.

    `reason` is the exchange's own text, or ours where the exchange was never asked. `partial` marks one ingester's part
    of a topic that stands for many: while any part is pending, so is the whole.
    """

    state: State
    since: int
    reason: str = ""
    data_at: int = 0
    partial: bool = False


class Card(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the others have to know of a member to share the topics with it.

    Attributes:
        token: tells this process from any other of the same name.
        where: host and process id, for people.
        public: whether it reaches the public topics.
        private: whether it reaches the private topics.
        credentials: whether it has what private topics need.
        leaving: whether it is about to go.
    """

    token: str
    where: str = ""
    public: bool = True
    private: bool = True
    credentials: bool = False
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class Beat:
    """What a heartbeat brought: all who are alive, whether we counted as gone before it, whether we are to stop."""

    cards: dict[str, Card]
    returned: bool = False
    stop: bool = False


_read_state: Final = msgspec.json.Decoder(TopicState).decode
_read_card: Final = msgspec.json.Decoder(Card).decode


class Members:
    """The ingesters under one prefix. Every method may raise redis-py's `RedisError` when Redis is out of reach."""

    def __init__(self, client: Redis, keys: Keys, lifetime_s: float) -> None:
        """Use `client`, which must answer in `str`; a member silent for `lifetime_s` counts as gone."""
        self._client = client
        self._keys = keys
        self._lifetime_ms = int(lifetime_s * 1000)

    async def enter(self, name: str, card: Card) -> Beat:
        """Become a member; what a namesake that is gone left behind, a request to stop included, is removed.

        Raises:
            NamesakeError: another process of this name is alive, or was a lifetime ago.
        """
        key, topics = self._keys.ingester(name), self._keys.ingester_topics(name)
        try:
            answer = await self._client.evalsha(HEARTBEAT.sha, *self._arguments(name, card))
        except NoScriptError:
            answer = await self._client.eval(HEARTBEAT.text, *self._arguments(name, card))
        beat = _read_beat(name, answer)
        await self._client.delete(key)
        await self._client.delete(topics)
        return beat

    async def beat(self, name: str, card: Card, state: Mapping[str, str | int | float]) -> Beat:
        """Say that `name` is alive and how it is, in one round trip; return what that brings.

        Raises:
            NamesakeError: another process has taken our name while we were silent for longer than a lifetime.
        """
        try:
            return await self._beat(name, card, state)
        except NoScriptError:
            await self._client.script_load(HEARTBEAT.text)
            return await self._beat(name, card, state)

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
        await cast("asyncio.Future[int]", self._client.hdel(self._keys.cards, name))
        await self._client.delete(self._keys.ingester(name))
        await self._client.delete(self._keys.ingester_topics(name))

    async def alive(self) -> dict[str, dict[str, str]]:
        """Return each live member's state, by name."""
        arguments = (1, self._keys.ingesters, str(self._lifetime_ms))
        try:
            names = cast("list[str]", await self._client.evalsha_ro(ALIVE.sha, *arguments))
        except NoScriptError:
            names = cast("list[str]", await self._client.eval_ro(ALIVE.text, *arguments))
        async with self._client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(self._keys.ingester(name))
            states = await pipe.execute()
        return dict(zip(names, states, strict=True))

    async def topics(self, names: Iterable[str]) -> dict[str, TopicState]:
        """Return each topic's state, merged over the members of these names.

        Active anywhere is active; but of a topic that stands for many, each tells its part, and none may be pending.
        """
        merged: dict[str, TopicState] = {}
        async with self._client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(self._keys.ingester_topics(name))
            hashes = await pipe.execute()
        for topic, text in (pair for states in hashes for pair in states.items()):
            state = _read_state(text)
            before = merged.get(topic, state)
            rank = _part_rank if state.partial and before.partial else _rank
            merged[topic] = max(before, state, key=rank)
        return merged

    async def active_at(self, name: str, topics: Sequence[str]) -> set[str]:
        """Return which of these topics are active at a member, or were refused there: asking on is no use."""
        settled = set()
        for start in range(0, len(topics), _FIELDS):
            part = topics[start : start + _FIELDS]
            texts = await cast(
                "Awaitable[list[str | None]]", self._client.hmget(self._keys.ingester_topics(name), list(part))
            )
            states = {topic: _read_state(text) for topic, text in zip(part, texts, strict=True) if text}
            settled |= {topic for topic, state in states.items() if state.state is not State.PENDING}
        return settled

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

    def _arguments(self, name: str, card: Card) -> tuple[int, str, str, str, int, str, str]:
        text = f"{card.token}:{_encode(card).decode()}"
        return (2, self._keys.ingesters, self._keys.cards, name, self._lifetime_ms, f"{card.token}:", text)

    async def _beat(self, name: str, card: Card, state: Mapping[str, str | int | float]) -> Beat:
        key = self._keys.ingester(name)
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.evalsha(HEARTBEAT.sha, *self._arguments(name, card))
            pipe.hset(key, items=[part for pair in state.items() for part in pair])
            pipe.pexpire(key, self._kept_ms)
            pipe.pexpire(self._keys.ingester_topics(name), self._kept_ms)
            pipe.hget(key, STOP)
            answers = await pipe.execute()
        return replace(_read_beat(name, answers[0]), stop=answers[-1] is not None)


def _read_beat(name: str, answer: list[Any]) -> Beat:
    first, *rest = answer
    if first < 0:
        raise NamesakeError(name, _card(rest[1]).where, last_beat=rest[0])
    cards = {member: _card(text) for member, text in zip(rest[::2], rest[1::2], strict=True)}
    return Beat(cards, returned=first > 0)


def _card(text: str) -> Card:
    token, _, card = text.partition(":")
    try:
        return _read_card(card)
    except msgspec.MsgspecError:  # anybody may put anything there by hand
        return Card(token)


def _rank(state: TopicState) -> tuple[int, int]:
    return ([State.REJECTED, State.PENDING, State.ACTIVE].index(state.state), state.data_at)


def _part_rank(state: TopicState) -> tuple[int, int]:
    return ([State.REJECTED, State.ACTIVE, State.PENDING].index(state.state), state.data_at)
