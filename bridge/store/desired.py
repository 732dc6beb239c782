"""The wishes: which topics are wanted, by whom, and whether all of it is paused.

The union of all owners' wishes is a plain set, so that `redis-cli SADD` works as well as the control API; what was put
there by hand belongs to nobody and goes with anybody's unsubscribe.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final, cast

from redis.exceptions import NoScriptError

from bridge.errors import StoreError
from bridge.store.scripts import DESIRED

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub

    from bridge.store.keys import Keys

_TRIES: Final = 20


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is wanted: the union of all owners' topics, at which revision, and whether the bridge is paused.

    `life` tells this store from one that was emptied since; it is empty before an ingester has served the wishes.
    """

    topics: frozenset[str]
    revision: int
    paused: bool
    life: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A change that is stored: its revision, the removed topics, and those of them that other owners still want."""

    revision: int
    removed: tuple[str, ...] = ()
    still_wanted: tuple[str, ...] = ()


class Desired:
    """The wishes under one prefix. Every method may raise redis-py's `RedisError` when Redis is out of reach."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        """Use `client`, which must answer in `str`."""
        self._client = client
        self._keys = keys

    async def read(self) -> Wishes:
        """Return what is wanted now."""
        async with self._client.pipeline(transaction=True) as pipe:
            pipe.smembers(self._keys.desired)
            pipe.get(self._keys.revision)
            pipe.exists(self._keys.paused)
            pipe.get(self._keys.life)
            topics, revision, paused, life = await pipe.execute()
        return Wishes(frozenset(topics), int(revision or 0), bool(paused), life or "")

    async def mark(self) -> None:
        """Give the store a mark, unless it has one, by which to see that it was emptied: its revisions may catch up."""
        await self._client.set(self._keys.life, token_hex(8), nx=True)

    async def change(self, owner: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> Change:
        """Add and remove topics of one owner's wishes in one atomic step, and wake the ingesters.

        Raises:
            StoreError: other owners came and went faster than this change could name them.
        """
        return await self._apply(owner, list(add), ["remove", *remove])

    async def replace(self, owner: str, topics: Iterable[str]) -> Change:
        """Make `topics` the whole of one owner's wishes, in one atomic step; raises as `change` does."""
        return await self._apply(owner, list(topics), ["replace"])

    async def by_owner(self) -> dict[str, list[str]]:
        """Return each owner's topics, sorted."""
        owners = sorted(await self._owners())
        return {owner: sorted(await self._members(self._keys.wanted_by(owner))) for owner in owners}

    async def restore(self, owners: Mapping[str, Iterable[str]], topics: Iterable[str], *, paused: bool) -> None:
        """Put wishes back into a store that lost them; what was wished there meanwhile stays.

        Raises:
            StoreError: as `change` does.
        """
        for owner, wanted in owners.items():
            await self.change(owner, add=wanted)
        unowned = set(topics).difference(*owners.values())
        if unowned:
            await self._client.sadd(self._keys.desired, *sorted(unowned))
        await self.pause(paused=paused)

    async def pause(self, *, paused: bool) -> int:
        """Let all ingesters serve nothing, or serve again; return the revision of the change."""
        async with self._client.pipeline(transaction=True) as pipe:
            if paused:
                pipe.set(self._keys.paused, "1")
            else:
                pipe.delete(self._keys.paused)
            pipe.incr(self._keys.revision)
            pipe.publish(self._keys.wake, "paused" if paused else "resumed")
            answers = await pipe.execute()
        return int(answers[1])

    async def _owners(self) -> set[str]:
        return await self._members(self._keys.owners)

    async def _members(self, key: str) -> set[str]:
        return set(await cast("Awaitable[set[str]]", self._client.smembers(key)))

    async def _apply(self, owner: str, added: list[str], rest: list[str]) -> Change:
        for _ in range(_TRIES):
            others = sorted(await self._owners() - {owner})
            revision, *lists = await self._run(owner, others, added, rest)
            if revision >= 0:
                removed, still_wanted = lists
                return Change(revision, tuple(removed), tuple(still_wanted))
        raise StoreError("the wishes are being changed by too many at once; try again")

    async def _run(self, owner: str, others: list[str], added: list[str], rest: list[str]) -> list[Any]:
        keys = [
            self._keys.desired,
            self._keys.revision,
            self._keys.owners,
            self._keys.wanted_by(owner),
            *(self._keys.wanted_by(other) for other in others),
        ]
        arguments = [owner, self._keys.wake, str(len(others)), *others, str(len(added)), *added, *rest]
        try:
            answer = await self._client.evalsha(DESIRED.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            answer = await self._client.eval(DESIRED.text, len(keys), *keys, *arguments)
        return cast("list[Any]", answer)


@asynccontextmanager
async def nudges(client: Redis, keys: Keys) -> AsyncIterator[PubSub]:
    """Listen for changes of the wishes; losing one is harmless, the set itself is read in any case."""
    async with client.pubsub(ignore_subscribe_messages=True) as channel:
        await channel.subscribe(keys.wake)
        yield channel
