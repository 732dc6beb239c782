"""What the store knows of published executions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.records import Resync, Source, Status
from bridge.store.published import Published
from tests.store.support import APPENDS, FILL, KEYS, ORDER, changed, run, said

if TYPE_CHECKING:
    from redis.asyncio import Redis


async def test_the_newest_are_known_by_order_as_they_were_told(store: Redis) -> None:
    other = changed(FILL, order_id="2", trade_id="8", source=Source.REST, traded_at=0)
    await said(store, FILL, other)
    for marker in APPENDS.markers(Resync("main", "login", "bridge", 1), orders=True, positions=False):
        await run(store, marker)
    assert await Published(store, KEYS).told() == {"1": [FILL], "2": [other]}


async def test_who_is_seen_is_not_published_again(store: Redis) -> None:
    published, twin = Published(store, KEYS), changed(FILL, trade_id="9")
    await said(store, FILL)
    assert await published.seen([FILL, twin]) == {"7"}
    await published.see([twin])
    await published.see([])
    assert await published.seen([FILL, twin]) == {"7", "9"}
    assert await published.seen([]) == set()
    assert await said(store, twin) == [0]


async def test_where_the_sources_agree_on_an_order_all_of_its_executions_are_taken(store: Redis) -> None:
    other = changed(FILL, source=Source.REST, trade_id="9")
    order = changed(ORDER, filled_size="4", status=Status.PARTIALLY_FILLED)
    assert await said(store, order, FILL, other) == [1, 1, -2]
    await Published(store, KEYS).agreed("1")
    assert await said(store, other) == [1]
