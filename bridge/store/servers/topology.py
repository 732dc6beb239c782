"""Which node of a cluster serves which slot: asked of the cluster once, and again when a node gives cause for doubt."""

from __future__ import annotations

import asyncio
import math
import random
from typing import TYPE_CHECKING, Any, Final

from redis.crc import key_slot
from redis.exceptions import AskError, AuthenticationError, ClusterDownError, MovedError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from bridge.redis_url import Address

if TYPE_CHECKING:
    from bridge.store.servers.dial import Dial

SLOTS: Final = 16_384
# A node that hangs must not use up the time that a command has.
_ANSWER_S: Final = 2.0
_UNKNOWN_HOST: Final = ("", "?")


def slot_of(key: str | bytes) -> int:
    """Return the slot of a key."""
    return key_slot(key.encode() if isinstance(key, str) else key)


class Topology:
    """The map of one cluster. Methods that ask may raise redis-py's `RedisError` when no node answers."""

    def __init__(self, dial: Dial) -> None:
        """Ask by `dial`, beginning with the nodes that its URL names."""
        self._dial = dial
        self._slots: list[Address | None] = [None] * SLOTS
        self._nodes: list[Address] = []
        self._doubtful = True
        self._asking = asyncio.Lock()
        self.readings = 0

    async def primary(self, slot: int) -> Address:
        """Return the node that serves a slot.

        Raises:
            ClusterDownError: none does.
        """
        await self._settle()
        address = self._slots[slot]
        if address is None:
            self.doubt()
            raise ClusterDownError(f"no node serves slot {slot}")
        return address

    async def primaries(self) -> list[Address]:
        """Return all nodes that serve a slot."""
        await self._settle()
        return sorted({address for address in self._slots if address is not None})

    async def anyone(self) -> Address:
        """Return one of them, for what any of them can answer.

        Raises:
            ClusterDownError: there is none.
        """
        primaries = await self.primaries()
        if not primaries:
            self.doubt()
            raise ClusterDownError("no node serves any slot")
        return random.choice(primaries)  # noqa: S311 - spreads load

    async def located(self) -> Address:
        """Return one of them as the cluster is now, for who connects and has not asked before."""
        self.doubt()
        return await self.anyone()

    def doubt(self) -> None:
        """Ask again before the next answer."""
        self._doubtful = True

    def moved(self, redirect: MovedError, told_by: Address) -> None:
        """Heed a node's word that another serves a slot."""
        self._slots[redirect.slot_id] = target(redirect, told_by)
        if told_by in self._nodes:  # it is ahead of others in knowing
            self._nodes.remove(told_by)
            self._nodes.insert(0, told_by)
        self._doubtful = True

    async def _settle(self) -> None:
        if not self._doubtful:
            return
        before = self.readings
        async with self._asking:
            if self.readings == before:
                await self._read()

    async def _read(self) -> None:
        reasons = []
        for address in dict.fromkeys([*self._nodes, *self._dial.url.addresses]):
            try:
                async with asyncio.timeout(_ANSWER_S):
                    ranges = await self._ask(address)
            except AuthenticationError:
                raise
            except ResponseError as refusal:
                if "cluster support disabled" in str(refusal):
                    raise
                reasons.append(f"{address[0]}:{address[1]}: {refusal}")
            except (RedisError, OSError, TimeoutError) as trouble:
                reasons.append(f"{address[0]}:{address[1]}: {str(trouble) or 'no answer in time'}")
            else:
                self._take(ranges, address)
                return
        raise RedisConnectionError(f"no node of the cluster answers: {'; '.join(reasons)}")

    async def _ask(self, address: Address) -> list[Any]:
        connection = self._dial.node(address)
        try:
            await connection.connect()  # type: ignore[no-untyped-call]  # redis-py's
            await connection.send_command("CLUSTER", "SLOTS")
            answer: list[Any] = await connection.read_response(timeout=math.inf)
        finally:
            await connection.disconnect(nowait=True)
        return answer

    def _take(self, ranges: list[Any], told_by: Address) -> None:
        slots: list[Address | None] = [None] * SLOTS
        nodes = [told_by]
        for first, last, *served_by in ranges:
            addresses = [_address(node, told_by) for node in served_by]
            slots[first : last + 1] = [addresses[0]] * (last + 1 - first)
            nodes += addresses
        self._slots, self._nodes = slots, list(dict.fromkeys(nodes))
        self._doubtful = None in slots
        self.readings += 1


def target(redirect: AskError, told_by: Address) -> Address:
    """Return where a node sends us; one that knows no name for that node means its own host."""
    return (told_by[0] if redirect.host in _UNKNOWN_HOST else redirect.host, redirect.port)


def _address(node: list[Any], told_by: Address) -> Address:
    host, port = node[0], int(node[1])
    text = host.decode() if isinstance(host, bytes) else host or ""
    return (told_by[0] if text in _UNKNOWN_HOST else text, port)
