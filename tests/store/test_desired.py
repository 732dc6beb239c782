"""The wishes, kept in a real server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from bridge.errors import StoreError
from bridge.store.desired import Change, Desired, Wishes, nudges
from bridge.store.keys import Keys
from tests.store.support import members
from tests.support import wait_until

if TYPE_CHECKING:
    from redis.asyncio import Redis

KEYS = Keys()
A, B, C = "futures/klineBin1m:A1", "futures/klineBin1m:B1", "futures/order"


@pytest.fixture
def desired(store: Redis) -> Desired:
    return Desired(store, KEYS)


async def wanted(desired: Desired) -> set[str]:
    return set((await desired.read()).topics)


async def test_at_first_nothing_is_wanted(desired: Desired) -> None:
    assert await desired.read() == Wishes(frozenset(), 0, paused=False)
    assert await desired.by_owner() == {}


async def test_a_wish_is_stored_and_counted(desired: Desired) -> None:
    assert await desired.change("shared", add=[A, B]) == Change(1)
    assert await desired.read() == Wishes(frozenset({A, B}), 1, paused=False)
    assert await desired.change("shared", add=[C], remove=[A]) == Change(2, removed=(A,))
    assert await wanted(desired) == {B, C}


async def test_every_change_counts_even_one_that_changes_nothing(desired: Desired) -> None:
    assert (await desired.change("shared")).revision == 1
    assert (await desired.change("shared", remove=[A])).revision == 2


async def test_what_another_wants_stays_and_is_named(desired: Desired) -> None:
    await desired.change("one", add=[A, B])
    await desired.change("two", add=[A])
    assert await desired.change("one", remove=[B, A]) == Change(3, removed=(B, A), still_wanted=(A,))
    assert await wanted(desired) == {A}
    assert await desired.change("two", remove=[A]) == Change(4, removed=(A,))
    assert await wanted(desired) == set()


async def test_each_owner_is_told_with_its_topics_until_it_has_none(desired: Desired) -> None:
    await desired.change("two", add=[C, A])
    await desired.change("one", add=[B])
    assert await desired.by_owner() == {"one": [B], "two": [A, C]}
    await desired.change("two", remove=[A, C])
    assert await desired.by_owner() == {"one": [B]}


async def test_what_was_put_there_by_hand_goes_with_anybodys_unsubscribe(store: Redis, desired: Desired) -> None:
    await store.sadd(KEYS.desired, A)
    assert await wanted(desired) == {A}
    assert await desired.change("anybody", remove=[A]) == Change(1, removed=(A,))
    assert await wanted(desired) == set()


async def test_bytes_put_there_by_hand_that_are_no_text_do_not_hide_the_others(store: Redis, desired: Desired) -> None:
    await store.execute_command("SADD", KEYS.desired, A, b"\xff")  # type: ignore[no-untyped-call]
    assert await wanted(desired) == {A, "\\xff"}


async def test_replacing_makes_a_list_the_whole_of_one_owners_wishes(desired: Desired) -> None:
    await desired.change("one", add=[A, B])
    await desired.change("two", add=[A])
    assert await desired.replace("one", [C, B]) == Change(3, removed=(A,), still_wanted=(A,))
    assert await desired.by_owner() == {"one": [B, C], "two": [A]}
    assert await wanted(desired) == {A, B, C}
    await desired.replace("one", [])
    assert await desired.by_owner() == {"two": [A]}


async def test_replacements_of_one_owner_at_once_end_as_one_of_them(desired: Desired) -> None:
    await asyncio.gather(*(desired.replace("one", [f"t{n}", f"u{n}"]) for n in range(8)))
    left = sorted(await wanted(desired))
    assert left in [[f"t{n}", f"u{n}"] for n in range(8)]


async def test_of_two_replacements_at_once_one_holds_and_not_their_sum(desired: Desired) -> None:
    await desired.change("one", add=[C])
    await asyncio.gather(desired.replace("one", [A]), desired.replace("one", [B]))
    assert await wanted(desired) in ({A}, {B})


async def test_many_changes_at_once_lose_nothing(desired: Desired) -> None:
    changes = await asyncio.gather(*(desired.change(f"bot{n}", add=[f"t{n}", A]) for n in range(8)))
    assert sorted(change.revision for change in changes) == [*range(1, 9)]
    assert await wanted(desired) == {A, *(f"t{n}" for n in range(8))}


async def test_an_owner_that_comes_between_reading_and_changing_is_not_overlooked(
    store: Redis, monkeypatch: pytest.MonkeyPatch, desired: Desired
) -> None:
    await desired.change("one", add=[A])
    run, other = store.evalsha, Desired(store, KEYS)
    tries: list[Any] = []

    async def meddled(*arguments: Any) -> Any:  # noqa: ANN401 - passes on whatever it is given
        tries.append(arguments)
        if len(tries) == 1:
            await other.change("newcomer", add=[A])
        return await run(*arguments)

    monkeypatch.setattr(store, "evalsha", meddled)
    assert await desired.change("one", remove=[A]) == Change(3, removed=(A,), still_wanted=(A,))
    assert len(tries) == 3  # refused, the newcomer's own, and again
    assert await wanted(desired) == {A}


async def test_a_change_that_is_overtaken_again_and_again_gives_up_and_changes_nothing(
    store: Redis, monkeypatch: pytest.MonkeyPatch, desired: Desired
) -> None:
    await desired.change("one", add=[A])
    run = store.evalsha

    async def meddled(*arguments: Any) -> Any:  # noqa: ANN401 - passes on whatever it is given
        await store.sadd(KEYS.owners, f"newcomer{len(await members(store, KEYS.owners))}")
        return await run(*arguments)

    monkeypatch.setattr(store, "evalsha", meddled)
    with pytest.raises(StoreError, match="too many at once; try again"):
        await desired.change("one", add=[B], remove=[A])
    assert await desired.read() == Wishes(frozenset({A}), 1, paused=False)


async def test_a_script_that_the_server_forgot_is_brought_again(store: Redis, desired: Desired) -> None:
    await store.script_flush()
    await desired.change("one", add=[A])
    await store.script_flush()
    await desired.change("one", add=[B])
    assert await wanted(desired) == {A, B}


async def test_pausing_keeps_the_wishes_and_counts_as_a_change(desired: Desired) -> None:
    await desired.change("one", add=[A])
    assert await desired.pause(paused=True) == 2
    assert await desired.read() == Wishes(frozenset({A}), 2, paused=True)
    assert await desired.pause(paused=False) == 3
    assert await desired.read() == Wishes(frozenset({A}), 3, paused=False)


async def test_every_change_nudges_those_who_listen(store: Redis, desired: Desired) -> None:
    async with nudges(store, KEYS) as channel:
        heard: list[str] = []

        async def hears(*expected: str) -> None:
            async def arrived() -> bool:
                message = await channel.get_message()
                heard.extend([message["data"]] if message else [])
                return heard == [*expected]

            await wait_until(arrived, f"hearing {expected}, not {heard}")

        await desired.change("one", add=[A])
        await hears("1")
        await desired.pause(paused=True)
        await desired.pause(paused=False)
        await hears("1", "paused", "resumed")


async def test_other_prefixes_are_other_wishes(store: Redis, desired: Desired) -> None:
    await Desired(store, Keys("other")).change("one", add=[B])
    await desired.change("one", add=[A])
    assert await desired.read() == Wishes(frozenset({A}), 1, paused=False)
