"""REST answers, read: what is a success, and what every other answer is told as."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import RestError, UnknownSymbolError
from bridge.exchanges.base import Contract, ServerTime
from bridge.exchanges.bitmart import BitMart
from bridge.records import Kline
from bridge.timeframes import Timeframe

EXCHANGE = BitMart(public_uri="ws://h", private_uri="ws://h", rest_uri="http://h", credentials=None, batch=20)
TIME, CONTRACTS = EXCHANGE.time_call(), EXCHANGE.contracts_call()
KLINES = EXCHANGE.klines_call("BTCUSDT", Timeframe.M5, 1747267200_000, 1747267500_000)
READERS: list[Callable[[int, Mapping[str, str], bytes], Any]] = [TIME.read, CONTRACTS.read, KLINES.read]
NAMES = ["time", "contracts", "klines"]

TIME_BODY = b'{"code":1000,"trace":"886fb6ae","message":"OK","data":{"server_time":1527777538000}}'
CONTRACTS_BODY = b"""{ "code": 1000, "message": "Ok", "trace": "9b92a999", "data": { "symbols": [
  { "symbol": "BTCUSDT", "product_type": 1, "open_timestamp": 1594080000123, "last_price": "23920",
    "funding_interval_hours": 8, "status": "Delisted", "delist_time": 1745830379, "volume_24h": "18969368" },
  { "symbol": "ETHUSDT", "status": "Trading", "volume_24h": "0", "last_price": "1863.12" },
  { "symbol": "XYZUSDT" } ] } }"""
NESTED = b'{"code":1000,"data":' + b"[" * 100_000


def test_the_calls_ask_for_these_paths() -> None:
    assert (TIME.path, CONTRACTS.path) == ("/system/time", "/contract/public/details")
    assert not any((TIME.params, TIME.headers, CONTRACTS.params, CONTRACTS.headers))


def test_the_time_is_read() -> None:
    assert TIME.read(200, {}, TIME_BODY) == ServerTime(1527777538000, 1.0)


@pytest.mark.parametrize(
    ("header", "rate"),
    [("60", 60), ("0.5", 0.5), ("", 1), ("fast", 1), ("nan", 1), ("inf", 1), ("-inf", 1), ("0", 1), ("-2", 1)],
)
def test_a_simulators_pace_is_read_if_it_is_one(header: str, rate: float) -> None:
    assert TIME.read(200, {"x-simulator-clock-rate": header}, TIME_BODY).rate == rate


def test_the_contracts_are_read() -> None:
    assert CONTRACTS.read(200, {}, CONTRACTS_BODY) == [
        Contract("BTCUSDT", trading=False, last_price="23920", delisted_ms=1745830379_000),
        Contract("ETHUSDT", trading=True, idle=True, last_price="1863.12"),
        Contract("XYZUSDT", trading=False),
    ]


@pytest.mark.parametrize(("volume", "idle"), [("0", True), ("0.00", True), ("", False), ("1", False), ("0.01", False)])
def test_a_contract_is_idle_if_it_says_that_nothing_was_traded(volume: str, *, idle: bool) -> None:
    body = f'{{"code":1000,"data":{{"symbols":[{{"symbol":"BTCUSDT","volume_24h":"{volume}"}}]}}}}'
    (contract,) = CONTRACTS.read(200, {}, body.encode())
    assert contract.idle is idle


@pytest.mark.parametrize(
    ("timeframe", "step"), [*zip(Timeframe, ["1", "5", "15", "30", "60", "120", "240", "1440", "10080"], strict=True)]
)
def test_candles_are_asked_for_in_minutes_and_seconds_from_one_period_earlier(timeframe: Timeframe, step: str) -> None:
    first = 1_785_715_200_000
    call = EXCHANGE.klines_call("BTCUSDT", timeframe, first, first + 2 * timeframe.milliseconds)
    start_s, length_s = first // 1000, timeframe.milliseconds // 1000
    assert call.path == "/contract/public/kline"
    assert call.params == {
        "symbol": "BTCUSDT",
        "step": step,
        "start_time": str(start_s - length_s),
        "end_time": str(start_s + 2 * length_s),
    }


def test_the_most_candles_of_one_call_stay_within_what_bitmart_answers() -> None:
    first = 1_785_715_200_000
    last = first + (EXCHANGE.most_klines - 1) * Timeframe.M1.milliseconds
    params = EXCHANGE.klines_call("BTCUSDT", Timeframe.M1, first, last).params
    assert (int(params["end_time"]) - int(params["start_time"])) // 60 + 1 < 500


def kline_row(**changed: object) -> dict[str, object]:
    return {
        "timestamp": 1747267200,
        "open_price": "103457.8",
        "high_price": "103509.9",
        "low_price": "103442.5",
        "close_price": "103504.3",
        "volume": "147548",
        **changed,
    }


def kline_body(*rows: object) -> bytes:
    return json.dumps({"code": 1000, "message": "Ok", "data": rows}).encode()


def test_a_row_becomes_a_candle() -> None:
    (kline,) = KLINES.read(200, {}, kline_body(kline_row()))
    assert kline == Kline(
        symbol="BTCUSDT",
        timeframe="5m",
        open_time=1747267200_000,
        close_time=1747267499_999,
        open="103457.8",
        high="103509.9",
        low="103442.5",
        close="103504.3",
        volume="147548",
        closed=0,
        source="rest",
        received_at=0,
    )


def test_candles_come_in_order_of_time_whatever_the_order_of_the_rows() -> None:
    stamps = [1747267500, 1747267800, 1747267200]
    klines = KLINES.read(200, {}, kline_body(*(kline_row(timestamp=stamp) for stamp in stamps)))
    assert [kline.open_time for kline in klines] == [1747267200_000, 1747267500_000, 1747267800_000]


def test_there_may_be_no_candles() -> None:
    assert KLINES.read(200, {}, kline_body()) == []


@pytest.mark.parametrize(
    "broken", [{"close_price": "nan"}, {"open_price": "0"}, {"volume": "1_0"}, {"volume": "-1"}, {"low_price": None}]
)
def test_an_unreadable_row_keeps_its_place_without_prices_and_its_neighbours_are_read(
    broken: dict[str, object],
) -> None:
    later = broken | {"timestamp": 1747267500}
    klines = KLINES.read(200, {}, kline_body(kline_row(timestamp=1747267200), kline_row(**later)))
    assert [kline.source for kline in klines] == ["rest", "lost"]
    assert klines[1].open_time == klines[0].open_time + 300_000
    assert (klines[1].open, klines[1].high, klines[1].low, klines[1].close, klines[1].volume) == ("",) * 5


@pytest.mark.parametrize("stamp", [0, "soon", None])
def test_a_row_of_no_known_time_is_an_error(stamp: object) -> None:
    with pytest.raises(RestError, match="HTTP 200 with unexpected data"):
        KLINES.read(200, {}, kline_body(kline_row(), kline_row(timestamp=stamp)))


def test_a_code_may_be_a_string() -> None:
    assert TIME.read(200, {}, b'{"code":"1000","data":{"server_time":5}}').now_ms == 5


@pytest.mark.parametrize(
    ("status", "body", "code", "told"),
    [
        (
            400,
            '{"code":40038,"message":"Invalid K-Line Step","trace":"..."}',
            40038,
            "HTTP 400, code 40038: Invalid K-Line",
        ),
        (400, '{"code":40012,"message":"SYMBOL_NOT_EXIST","trace":"..."}', 40012, "SYMBOL_NOT_EXIST"),
        (404, '{"trace":"...","msg":"Not found","code":30000}', 30000, "HTTP 404, code 30000: Not found"),
        (200, '{"trace":"...","msg":"Futures V1 API has been deprecated.","code":30030}', 30030, "V1 API has been"),
        (429, '{"code":30013,"message":"Request too many requests","data":{}}', 30013, "HTTP 429, code 30013"),
        (418, '{"code":"30017","message":"rate ban","data":null}', 30017, "HTTP 418, code 30017"),
        (503, '{"code":1000,"message":"Ok","data":{"server_time":5}}', 1000, "HTTP 503, code 1000: Ok"),
        (200, '{"data":{"server_time":5}}', 0, "HTTP 200, code 0"),
        (200, '{"code":"ok","data":{"server_time":5}}', 0, "HTTP 200, code 0"),
        (200, '{"code":-1,"data":{"server_time":5}}', 0, "HTTP 200, code 0"),
        (200, f'{{"code":"{"9" * 5_000}"}}', 0, "HTTP 200, code 0"),
        (403, "<html><title>error 1010</title></html>", 0, "HTTP 403 with a body that is not BitMart's: '<html>"),
        (200, "<html></html>", 0, "HTTP 200 with a body that is not BitMart's"),
        (502, "", 0, "HTTP 502 with a body that is not BitMart's"),
        (200, "[]", 0, "not BitMart's"),
        (200, '{"code":1000.5}', 0, "not BitMart's"),
        (200, '{"code":1000,"message":"Ok"}', 1000, "HTTP 200 with unexpected data"),
        (200, '{"code":1000,"data":null}', 1000, "unexpected data"),
        (200, '{"code":1000,"data":[7]}', 1000, "unexpected data"),
        (200, '{"code":1000,"data":{}}', 1000, "unexpected data"),
        (200, '{"code":1000,"data":{"server_time":"1","symbols":{}}}', 1000, "unexpected data"),
    ],
)
@pytest.mark.parametrize("read", READERS, ids=NAMES)
def test_every_other_answer_is_an_error_with_its_codes(
    read: Callable[[int, Mapping[str, str], bytes], Any], status: int, body: str, code: int, told: str
) -> None:
    with pytest.raises(RestError) as refusal:
        read(status, {}, body.encode())
    assert told in str(refusal.value)
    assert (refusal.value.status, refusal.value.code) == (status, code)


@pytest.mark.parametrize("body", [b"\xff\xfe", b"\x00" * 10, NESTED], ids=["bytes", "zeros", "nested"])
@pytest.mark.parametrize("read", READERS, ids=NAMES)
def test_a_body_that_is_no_text_is_told_from_its_beginning(
    read: Callable[[int, Mapping[str, str], bytes], Any], body: bytes
) -> None:
    with pytest.raises(RestError, match="HTTP 200 with a body that is not BitMart's") as refusal:
        read(200, {}, body)
    assert str(refusal.value).isascii()
    assert len(str(refusal.value)) < 500


@given(
    status=st.sampled_from([200, 400, 500]),
    body=st.binary() | st.builds(lambda data: b'{"code":1000,"data":' + data, st.binary()),
)
def test_nothing_but_a_rest_error_comes_out(status: int, body: bytes) -> None:
    for read in READERS:
        try:
            read(status, {}, body)
        except RestError as refusal:
            assert refusal.status == status  # noqa: PT017 - most bodies are refused, but some may be right


def test_that_there_is_no_such_contract_is_told_from_other_refusals() -> None:
    call = EXCHANGE.klines_call("NOPEUSDT", Timeframe.M1, 0, 60_000)
    with pytest.raises(UnknownSymbolError, match="Symbol Not Exist"):
        call.read(400, {}, b'{"code": 40034, "message": "Symbol Not Exist"}')
    with pytest.raises(RestError) as other:
        call.read(400, {}, b'{"code": 40038, "message": "Invalid K-Line Step"}')
    assert not isinstance(other.value, UnknownSymbolError)
