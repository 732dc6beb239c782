"""Whose store this is: one prefix belongs to one exchange, environment and account, for good.

A simulator's candles in the streams of a live bridge, or another account's orders among ours, are worse than none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable
from typing import TYPE_CHECKING, cast

from bridge.errors import StoreError
from bridge.records import SCHEMA_VERSION
from bridge.store.client import confirm

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from bridge.store.keys import Keys
    from bridge.values import Secret


def identity(exchange: str, environment: str, account_key: Secret) -> dict[str, str]:
    """Return what marks a store as ours; the account's key leaves a fingerprint, and nothing when there is none."""
    known = {"exchange": exchange, "environment": environment, "schema": SCHEMA_VERSION}
    if account_key:
        digest = hashlib.sha256(b"bitmart-bridge account " + account_key.reveal().encode())
        known["account"] = digest.hexdigest()[:16]
    return known


async def claim(client: Redis, keys: Keys, ours: dict[str, str]) -> None:
    """Mark the store as ours, or find that it is.

    Raises:
        StoreError: it belongs to something else, or is a cluster where the URL names one server, or the other way
            round; the message says so, and what to do.
    """
    await confirm(client)
    await _compare(client, keys, ours)  # before anything is written: who doesn't belong here leaves no mark
    for name, value in ours.items():
        await client.hsetnx(keys.meta, name, value)
    await _compare(client, keys, ours)  # another may have been faster


async def _compare(client: Redis, keys: Keys, ours: dict[str, str]) -> None:
    held = await cast("Awaitable[dict[str, str]]", client.hgetall(keys.meta))
    for name, value in ours.items():
        if held.get(name, value) != value:
            raise StoreError(
                f"the keys under {keys.prefix!r} belong to {name} {held[name]!r}, not {value!r}: "
                "choose another BRIDGE_PREFIX, another database, or another server"
            )
