"""REST answers, read: what is a success, and what every other answer is told as."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import RestError
from bridge.exchanges.base import Contract, ServerTime
from bridge.exchanges.bitmart import BitMart

EXCHANGE = BitMart(public_uri="ws://h", private_uri="ws://h", rest_uri="http://h", credentials=None, batch=20)
TIME, CONTRACTS = EXCHANGE.time_call(), EXCHANGE.contracts_call()
READERS: list[Callable[[int, Mapping[str, str], bytes], Any]] = [TIME.read, CONTRACTS.read]

TIME_BODY = b'{"code":1000,"trace":"886fb6ae","message":"OK","data":{"server_time":1527777538000}}'
CONTRACTS_BODY = b"""{ "code": 1000, "message": "Ok", "trace": "9b92a999", "data": { "symbols": [
  { "symbol": "BTCUSDT", "product_type": 1, "open_timestamp": 1594080000123, "last_price": "23920",
    "funding_interval_hours": 8, "status": "Delisted", "delist_time": 1745830379 },
  { "symbol": "ETHUSDT", "status": "Trading" },
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
        Contract("BTCUSDT", trading=False),
        Contract("ETHUSDT", trading=True),
        Contract("XYZUSDT", trading=False),
    ]


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
        (200, '{"code":1000,"data":[]}', 1000, "unexpected data"),
        (200, '{"code":1000,"data":{}}', 1000, "unexpected data"),
        (200, '{"code":1000,"data":{"server_time":"1","symbols":{}}}', 1000, "unexpected data"),
    ],
)
@pytest.mark.parametrize("read", READERS, ids=["time", "contracts"])
def test_every_other_answer_is_an_error_with_its_codes(
    read: Callable[[int, Mapping[str, str], bytes], Any], status: int, body: str, code: int, told: str
) -> None:
    with pytest.raises(RestError) as refusal:
        read(status, {}, body.encode())
    assert told in str(refusal.value)
    assert (refusal.value.status, refusal.value.code) == (status, code)


@pytest.mark.parametrize("body", [b"\xff\xfe", b"\x00" * 10, NESTED], ids=["bytes", "zeros", "nested"])
@pytest.mark.parametrize("read", READERS, ids=["time", "contracts"])
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
