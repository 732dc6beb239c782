"""The executions' script on a real server: each once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis as Synchronous

from bridge.records import Fill, Source, Status, field_names
from bridge.settings import load
from bridge.store import scripts
from bridge.store.published import Published
from bridge.store.writing.appends import Appends
from tests.store.support import APPENDS, FILL, KEYS, ORDER, changed, column, entries, run, said

if TYPE_CHECKING:
    from redis.asyncio import Redis


async def test_a_fill_is_appended_with_all_its_fields_in_order(store: Redis) -> None:
    assert await said(store, FILL) == [1]
    (entry,) = await entries(store, KEYS.fills)
    assert tuple(entry) == field_names(Fill)
    assert (entry["type"], entry["trade_id"], entry["fee"], entry["traded_at"]) == ("fill", "7", "0.02", "1000")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"source": "rest", "received_at": 99},
        {"traded_at": 2_000},
        {"price": "101", "size": "5", "fee": "", "client_order_id": "x"},
    ],
)
async def test_the_same_trade_is_appended_once_whatever_is_said_of_it(store: Redis, change: dict[str, object]) -> None:
    assert await said(store, FILL, changed(FILL, **change)) == [1, 0]
    assert await column(store, KEYS.fills, "price", "traded_at") == [("100", "1000")]


@pytest.mark.parametrize("change", [{"trade_id": "8"}, {"order_id": "2"}, {"symbol": "ETHUSDT"}])
async def test_another_trade_order_or_symbol_is_another_fill(store: Redis, change: dict[str, object]) -> None:
    assert await said(store, FILL, changed(FILL, **change), FILL) == [1, 1, 0]


async def test_those_seen_are_kept_by_the_time_of_trading(store: Redis) -> None:
    await said(store, FILL, changed(FILL, trade_id="8", traded_at=3_000), changed(FILL, trade_id="9", traded_at=2_000))
    assert await store.zrange(KEYS.seen_fills, 0, -1) == ["BTCUSDT|1|7", "BTCUSDT|1|9", "BTCUSDT|1|8"]
    assert await store.zscore(KEYS.seen_fills, "BTCUSDT|1|8") == 3_000


async def test_the_cap_trims_the_stream_and_not_the_memory(store: Redis) -> None:
    appends = Appends(KEYS, load({"CAP_FILLS": "100"}, dotenv=None))
    fills = [changed(FILL, trade_id=str(number)) for number in range(250)]
    for fill in fills:
        await run(store, appends.of(fill))
    assert 100 <= await store.xlen(KEYS.fills) < 250
    assert await run(store, appends.of(fills[0])) == 0
    assert await store.zcard(KEYS.seen_fills) == 250


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(trades=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4)), max_size=30))
def test_whatever_is_repeated_each_identity_stands_once(valkey_url: str, trades: list[tuple[int, int]]) -> None:
    with Synchronous.from_url(valkey_url, decode_responses=True) as client:
        client.flushall()
        client.script_load(scripts.FILL.text)
        for order, trade in trades:
            client.execute_command(*APPENDS.of(changed(FILL, order_id=str(order), trade_id=str(trade))).command)
        published = [(int(entry["order_id"]), int(entry["trade_id"])) for _, entry in client.xrange(KEYS.fills)]
    assert published == [*dict.fromkeys(trades)]


async def test_more_than_an_order_has_traded_is_not_appended_if_two_sources_told_it(store: Redis) -> None:
    order = changed(ORDER, filled_size="8", status=Status.PARTIALLY_FILLED)
    other = changed(FILL, source=Source.REST, trade_id="9")
    assert await said(store, order, FILL, other) == [1, 1, 1]
    assert await said(store, changed(other, trade_id="10")) == [-2]
    assert await said(store, changed(order, filled_size="12", updated_at=2_000), changed(other, trade_id="10")) == [
        1,
        1,
    ]


async def test_what_one_source_tells_is_believed_even_if_it_is_more_than_the_order_has_traded(store: Redis) -> None:
    order = changed(ORDER, filled_size="4", status=Status.PARTIALLY_FILLED)
    assert await said(store, order, FILL, changed(FILL, trade_id="8")) == [1, 1, 1]


async def test_where_rest_alone_counts_the_sockets_executions_are_left_out(store: Redis) -> None:
    published = Published(store, KEYS)
    assert not await published.by_rest()
    assert [await published.believe_rest() for _ in range(2)] == [True, False]
    assert await published.by_rest()
    assert await said(store, FILL, changed(FILL, source=Source.REST)) == [-1, 1]
