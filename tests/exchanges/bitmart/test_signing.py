"""Signatures, against vectors that others published."""

from __future__ import annotations

import json

import pytest

from bridge.errors import ProtocolError
from bridge.exchanges.base import Credentials
from bridge.exchanges.bitmart.session import BitMartSession
from bridge.exchanges.bitmart.signing import login_signature, request_signature
from bridge.values import Secret

DOCS = Credentials(
    Secret("80618e45710812162b04892c7ee5ead4a3cc3e56"),
    Secret("6c6c98544461bbe71db2bca4c6d7fd0021e0ba9efc215f9c6ad41852df9d9df9"),
    Secret("test001"),
)
HUMMINGBOT = Credentials(Secret("key"), Secret("TEST_SECRET_KEY"), Secret("TEST_MEMO"))


@pytest.mark.parametrize(
    ("credentials", "timestamp_ms", "signature"),
    [
        (DOCS, 1589267764859, "3ceeb7e1b8cb165a975e28a2e2dfaca4d30b358873c0351c1a071d8c83314556"),
        (HUMMINGBOT, 1640001112223, "3718d08b91b979cf8b0e4b300734f4edbe42fd91dbca8db2c8f1639a546c37b2"),
    ],
)
def test_a_login_is_signed_as_published(credentials: Credentials, timestamp_ms: int, signature: str) -> None:
    assert login_signature(credentials, timestamp_ms) == signature


def test_a_request_is_signed_as_published() -> None:
    body = '{"symbol":"BTC_USDT","price":"8600","count":"100"}'
    expected = "c31dc326bf87f38bfb49a3f8494961abfa291bd549d0d98d9578e87516cee46d"
    assert request_signature(DOCS, 1589793796145, body) == expected


def test_the_login_frame_is_the_documented_one() -> None:
    assert json.loads(BitMartSession(DOCS, 20).login(1589267764859)) == {
        "action": "access",
        "args": [
            "80618e45710812162b04892c7ee5ead4a3cc3e56",
            "1589267764859",
            "3ceeb7e1b8cb165a975e28a2e2dfaca4d30b358873c0351c1a071d8c83314556",
            "web",
        ],
    }


def test_a_login_needs_credentials() -> None:
    with pytest.raises(ProtocolError, match="needs credentials"):
        BitMartSession(None, 20).login(1)


def test_credentials_do_not_show_themselves() -> None:
    assert "TEST" not in repr(HUMMINGBOT)
