"""Whose store it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.errors import StoreError
from bridge.store.keys import Keys
from bridge.store.meta import claim, identity
from bridge.values import Secret
from tests.store.support import state

if TYPE_CHECKING:
    from redis.asyncio import Redis

KEYS = Keys()
LIVE = identity("bitmart", "live", Secret("key"))
PUBLIC = identity("bitmart", "live", Secret())


def test_an_account_leaves_a_fingerprint_and_not_its_key() -> None:
    assert LIVE.keys() == {"exchange", "environment", "schema", "account"}
    assert "key" not in LIVE["account"]
    assert len(LIVE["account"]) == 16
    assert LIVE["account"] != identity("bitmart", "live", Secret("other"))["account"]


def test_without_an_account_there_is_no_fingerprint() -> None:
    assert PUBLIC == {"exchange": "bitmart", "environment": "live", "schema": "1"}


async def test_a_store_is_marked_once_and_found_to_be_ours_ever_after(store: Redis) -> None:
    for _ in range(2):
        await claim(store, KEYS, LIVE)
        assert await state(store, KEYS.meta) == LIVE


async def test_an_account_may_join_and_pause(store: Redis) -> None:
    for ours in (PUBLIC, LIVE, PUBLIC):
        await claim(store, KEYS, ours)
    assert await state(store, KEYS.meta) == LIVE


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("exchange", LIVE | {"exchange": "other"}),
        ("environment", identity("bitmart", "simulator", Secret("key"))),
        ("schema", LIVE | {"schema": "2"}),
        ("account", identity("bitmart", "live", Secret("another"))),
    ],
)
async def test_what_belongs_to_something_else_is_refused_with_its_name_and_a_way_out(
    store: Redis, name: str, theirs: dict[str, str]
) -> None:
    await claim(store, KEYS, LIVE)
    with pytest.raises(StoreError) as refusal:
        await claim(store, KEYS, theirs)
    assert str(refusal.value) == (
        f"the keys under 'bitmart' belong to {name} {LIVE[name]!r}, not {theirs[name]!r}: "
        "choose another BRIDGE_PREFIX, another database, or another server"
    )
    assert await state(store, KEYS.meta) == LIVE


async def test_who_is_refused_leaves_no_mark(store: Redis) -> None:
    await claim(store, KEYS, PUBLIC)
    with pytest.raises(StoreError, match="environment 'live', not 'simulator'"):
        await claim(store, KEYS, identity("bitmart", "simulator", Secret("key")))
    assert await state(store, KEYS.meta) == PUBLIC
    await claim(store, KEYS, LIVE)


async def test_two_prefixes_are_two_stores(store: Redis) -> None:
    await claim(store, KEYS, LIVE)
    await claim(store, Keys("demo"), identity("bitmart", "demo", Secret("key")))
    assert (await state(store, "demo:meta"))["environment"] == "demo"
