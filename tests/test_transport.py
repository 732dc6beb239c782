"""What is said of ways to the exchange that anybody could tamper with."""

from __future__ import annotations

import pytest

from bridge.settings import load
from bridge.transport import unprotected


def test_the_exchanges_own_addresses_are_protected() -> None:
    assert unprotected(load({}, None)) == []


@pytest.mark.parametrize("host", ["127.0.0.1:1", "127.9.9.9", "[::1]:1", "localhost:80"])
def test_this_machine_needs_no_protection(host: str) -> None:
    assert unprotected(load({"BITMART_REST_URI": f"http://{host}"}, None)) == []


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        ("BITMART_PUBLIC_WS_URI", "ws://exchange.example/api"),
        ("BITMART_PRIVATE_WS_URI", "ws://10.0.0.1/user"),
        ("BITMART_REST_URI", "http://localhost.example"),
    ],
)
def test_a_way_past_other_machines_is_told(name: str, uri: str) -> None:
    (line,) = unprotected(load({name: uri}, None))
    assert line.startswith(f"{name} is not encrypted")
