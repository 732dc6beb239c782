"""What Redis is told for each record: script, keys, cap, and the entry laid out as records spell it."""

from __future__ import annotations

import hashlib

import pytest

from bridge.records import Event, EventName, Record, Source, field_names, fields_of
from bridge.settings import load
from bridge.store import scripts
from bridge.store.keys import Keys
from bridge.store.writing.appends import Appends
from tests.store.support import FILL, KLINE, ORDER, POSITION, changed

CAPS = {"CAP_KLINES": "11", "CAP_ORDERS": "102", "CAP_FILLS": "103", "CAP_POSITIONS": "104", "CAP_EVENTS": "105"}
APPENDS = Appends(Keys("p", "acc"), load(CAPS, dotenv=None))
EVENT = Event(
    event=EventName.LOST, subject="public", text="closed", ingester="one", source=Source.BRIDGE, received_at=1
)


@pytest.mark.parametrize(
    ("record", "script", "keys", "arguments"),
    [
        (
            ORDER,
            scripts.ORDER,
            [
                "p:orders:{acc}",
                "p:orders:{acc}:1",
                "p:orders:{acc}:open",
                "p:orders:{acc}:finished",
                "p:orders:{acc}:synced",
            ],
            [102],
        ),
        (
            FILL,
            scripts.FILL,
            ["p:fills:{acc}", "p:fills:{acc}:seen", "p:orders:{acc}:synced", "p:fills:{acc}:sizes", "p:orders:{acc}:1"],
            [103],
        ),
        (
            POSITION,
            scripts.POSITION,
            [
                "p:positions:{acc}",
                "p:positions:{acc}:open",
                "p:orders:{acc}:synced",
                *(f"p:positions:{{acc}}:BTCUSDT:{slot}" for slot in ("long", "short", "both", "unknown")),
            ],
            [104, "long"],
        ),
    ],
    ids=["order", "fill", "position"],
)
def test_a_record_is_handed_to_its_script_with_cap_and_fields(
    record: Record, script: scripts.Script, keys: list[str], arguments: list[object]
) -> None:
    append = APPENDS.of(record)
    assert [*append.command] == ["EVALSHA", script.sha, len(keys), *keys, *arguments, *fields_of(record)]
    assert append.command[-2 * len(field_names(type(record))) :: 2] == field_names(type(record))
    assert append.stream == keys[0]


def test_a_candles_script_knows_the_names_and_is_given_the_values() -> None:
    append = APPENDS.of(KLINE)
    keys = ("p:klines:{BTCUSDT}:1m", "p:klines:{BTCUSDT}:1m:newest")
    assert (append.script, append.keys, append.stream) == (scripts.KLINE, keys, keys[0])
    assert append.arguments == (11, *fields_of(KLINE)[5::2])


def test_an_event_is_compared_with_nothing() -> None:
    append = APPENDS.of(EVENT)
    assert (append.script, append.keys) == (scripts.LOG, ("p:events",))
    assert append.arguments == (105, *fields_of(EVENT))


def test_states_of_one_candle_share_a_slot_and_no_other_states_do() -> None:
    slots = [
        APPENDS.of(kline).slot
        for kline in (
            KLINE,
            changed(KLINE, close="99", volume="999"),
            changed(KLINE, open_time=KLINE.open_time + 60_000),
            changed(KLINE, timeframe="5m"),
            changed(KLINE, symbol="ETHUSDT"),
        )
    ]
    assert slots[0] == slots[1]
    assert len(set(slots)) == 4


def test_the_last_word_on_a_candle_takes_the_place_of_its_states_and_keeps_it() -> None:
    last, state = APPENDS.of(changed(KLINE, closed=1)), APPENDS.of(KLINE)
    assert last.slot == state.slot
    assert (last.final, state.final) == (True, False)


@pytest.mark.parametrize("record", [ORDER, FILL, POSITION, EVENT], ids=["order", "fill", "position", "event"])
def test_everything_else_is_never_replaced(record: Record) -> None:
    assert APPENDS.of(record).slot is None


def test_a_script_is_named_by_its_hash() -> None:
    every = [*scripts.APPENDS, scripts.DESIRED, scripts.HEARTBEAT]
    assert len({script.sha for script in every}) == len(every)
    assert all(script.sha == hashlib.sha1(script.text.encode(), usedforsecurity=False).hexdigest() for script in every)
