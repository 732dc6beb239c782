"""Entries become typed records, and whatever they hold, nothing raises and nothing vanishes."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import records
from bridge.consumer import AbsentError, Event, Fill, Kline, Order, Position, Resync, Unknown, decode
from bridge.records import OrderEvent, PositionMode, Side, Status, fields_of
from tests.store.support import FILL, KLINE, ORDER, POSITION, changed

MARKER = records.Resync("main", "login", "bridge", 5)
EVENT = records.Event(records.EventName.LOST, "public", "closed", "one", "bridge", 5)


def entry(record: records.Entry, **changes: str) -> dict[str, str]:
    fields = fields_of(record)
    return dict(zip(fields[::2], fields[1::2], strict=True)) | changes


@pytest.mark.parametrize(
    ("written", "kind"),
    [(KLINE, Kline), (ORDER, Order), (FILL, Fill), (POSITION, Position), (MARKER, Resync), (EVENT, Event)],
)
def test_every_record_comes_back_as_it_was_written(written: records.Entry, kind: type) -> None:
    record = decode(entry(written, a_later_field="1"))
    assert type(record) is kind
    assert entry_of(record, written) == entry(written)


def entry_of(record: object, like: records.Entry) -> dict[str, str]:
    """Return the entry of a record of the kit, by the bridge's own words."""
    values = {name: getattr(record, name) for name in like.__struct_fields__}
    return entry(type(like)(**values))


def test_figures_are_decimals_and_times_are_aware_on_demand() -> None:
    kline = decode(entry(KLINE))
    assert isinstance(kline, Kline)
    assert kline.ohlcv == (Decimal(10), Decimal(12), Decimal(9), Decimal(11), Decimal(100))
    assert kline.opened == datetime(2026, 8, 3, 3, 22, tzinfo=UTC)
    assert (kline.ends - kline.opened).total_seconds() == 60
    order, fill, position = decode(entry(ORDER)), decode(entry(FILL)), decode(entry(POSITION, size="0.000"))
    assert isinstance(order, Order)
    assert isinstance(fill, Fill)
    assert isinstance(position, Position)
    assert order.created == order.updated == fill.traded == position.updated == datetime.fromtimestamp(1, UTC)
    assert order.decimal("price") / order.decimal("size") == 10
    assert position.is_flat


def test_what_is_absent_is_told_from_zero() -> None:
    order = decode(entry(changed(ORDER, price="", updated_at=0)))
    assert isinstance(order, Order)
    assert (order.updated_at, order.updated) == (0, None)
    with pytest.raises(AbsentError, match="Order has no price"):
        order.decimal("price")
    assert order.decimal("filled_size") == 0


def test_words_are_those_of_the_records_and_later_ones_are_unknown() -> None:
    order = decode(entry(ORDER, status="expired", event="moved", side="buy", position_mode="one_way"))
    assert isinstance(order, Order)
    assert (order.status, order.event, order.side) == (Status.UNKNOWN, OrderEvent.UNKNOWN, Side.BUY)
    assert order.position_mode is PositionMode.ONE_WAY
    later = decode(entry(EVENT, event="restarted"))
    assert isinstance(later, Event)
    assert later.event == "restarted"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (entry(KLINE, v="2"), "schema version '2', this kit reads 1"),
        (entry(KLINE, type="funding"), "unknown type 'funding'"),
        (entry(KLINE, open_time="soon"), "kline is not as promised: "),
        (entry(ORDER, created_at="soon"), "order is not as promised: "),
        ({"type": "fill", "v": "1"}, "fill without 'symbol'"),
        ({"type": "kline", "v": "1"}, "kline is not as promised: "),
        ({}, "schema version '', this kit reads 1"),
    ],
)
def test_what_cannot_be_read_says_why(fields: dict[str, str], reason: str) -> None:
    record = decode(fields)
    assert isinstance(record, Unknown)
    assert record.reason.startswith(reason)


@given(st.sampled_from([KLINE, ORDER, FILL, POSITION, MARKER, EVENT]), st.data())
def test_whatever_an_entry_holds_nothing_raises(written: records.Entry, data: st.DataObject) -> None:
    fields = entry(written)
    for name in data.draw(st.lists(st.sampled_from(sorted(fields)), max_size=4)):
        fields[name] = data.draw(st.text(max_size=20))
    assert decode(fields) is not None
