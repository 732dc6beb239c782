"""Key names, and that what one script touches shares a slot of a cluster."""

from __future__ import annotations

import pytest
from redis.crc import key_slot

from bridge.records import Event, EventName, Record, Source
from bridge.store.keys import Keys
from bridge.store.writing.appends import Appends
from tests.store.support import APPENDS, FILL, KLINE, ORDER, POSITION, changed

KEYS = Keys("bitmart", "main")
PROMISED = {
    "bitmart:meta": KEYS.meta,
    "bitmart:desired": KEYS.desired,
    "{bitmart:desired}:rev": KEYS.revision,
    "{bitmart:desired}:by:bot": KEYS.wanted_by("bot"),
    "{bitmart:desired}:wake": KEYS.wake,
    "bitmart:ingesters": KEYS.ingesters,
    "bitmart:ingester:one": KEYS.ingester("one"),
    "bitmart:ingester:one:topics": KEYS.ingester_topics("one"),
    "bitmart:klines:{BTCUSDT}:1m": KEYS.klines("BTCUSDT", "1m"),
    "bitmart:klines:{BTCUSDT}:1m:newest": KEYS.newest_kline("BTCUSDT", "1m"),
    "bitmart:orders:{main}": KEYS.orders,
    "bitmart:orders:{main}:42": KEYS.order("42"),
    "bitmart:orders:{main}:open": KEYS.open_orders,
    "bitmart:orders:{main}:finished": KEYS.finished_orders,
    "bitmart:orders:{main}:synced": KEYS.synced,
    "bitmart:fills:{main}": KEYS.fills,
    "bitmart:fills:{main}:seen": KEYS.seen_fills,
    "bitmart:fills:{main}:sizes": KEYS.fill_sizes,
    "bitmart:positions:{main}": KEYS.positions,
    "bitmart:positions:{main}:BTCUSDT:long": KEYS.position("BTCUSDT", "long"),
    "bitmart:positions:{main}:open": KEYS.open_positions,
    "bitmart:events": KEYS.events,
}
EVENT = Event(event=EventName.LOST, subject="x", text="", ingester="one", source=Source.BRIDGE, received_at=1)


@pytest.mark.parametrize(("promised", "spelled"), PROMISED.items())
def test_a_key_is_spelled_as_promised(promised: str, spelled: str) -> None:
    assert spelled == promised


def test_no_two_keys_are_the_same() -> None:
    assert len(set(PROMISED.values())) == len(PROMISED)


def test_another_prefix_and_account_share_no_key() -> None:
    other = Keys("other", "sub")
    assert other.orders == "other:orders:{sub}"
    assert other.desired == "other:desired"


@pytest.mark.parametrize("prefix", ["bitmart", "a.b:c_d-E"])
@pytest.mark.parametrize(
    "record",
    [
        KLINE,
        changed(KLINE, symbol="币安人生USDT", timeframe="1d"),
        ORDER,
        changed(ORDER, order_id="{x}"),
        FILL,
        POSITION,
        changed(POSITION, symbol="{x}"),
        EVENT,
    ],
    ids=lambda record: type(record).__name__,
)
def test_all_keys_of_an_append_share_a_slot(record: Record, prefix: str) -> None:
    keys = Appends(Keys(prefix, "main"), APPENDS.settings).of(record).keys
    assert len({key_slot(key.encode()) for key in keys}) == 1


def test_all_keys_of_the_wishes_share_a_slot() -> None:
    wishes = [
        KEYS.desired,
        KEYS.revision,
        KEYS.owners,
        KEYS.wanted_by("a"),
        KEYS.wanted_by("{b}"),
        KEYS.paused,
        KEYS.life,
        KEYS.wake,
    ]
    assert len({key_slot(key.encode()) for key in wishes}) == 1


def test_all_timeframes_of_a_symbol_and_all_streams_of_an_account_share_a_slot() -> None:
    for together in (
        [KEYS.klines("BTCUSDT", frame) for frame in ("1m", "1h", "1w")],
        [KEYS.orders, KEYS.fills, KEYS.positions],
    ):
        assert len({key_slot(key.encode()) for key in together}) == 1
