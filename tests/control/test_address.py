"""Hosts and ports in settings and headers."""

from __future__ import annotations

import pytest

from bridge.control import address
from bridge.control.address import Address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.0.0.0:8089", Address("0.0.0.0", 8089)),  # noqa: S104 - nothing is bound here
        (":8089", Address("", 8089)),
        ("[::1]:0", Address("::1", 0)),
        ("Bridge.Example:80", Address("bridge.example", 80)),
    ],
)
def test_a_setting_names_a_host_and_a_port(text: str, expected: Address) -> None:
    assert address.of_setting(text) == expected


@pytest.mark.parametrize(
    ("text", "scheme", "expected"),
    [
        ("localhost:8089", "http", Address("localhost", 8089)),
        ("LocalHost", "http", Address("localhost", 80)),
        ("bridge.example", "https", Address("bridge.example", 443)),
        ("[::1]:1", "http", Address("::1", 1)),
        ("[::1]", "http", Address("::1", 80)),
        ("localhost:", "http", None),
        ("localhost:x", "http", None),
        ("localhost:1:2", "http", None),
        ("[::1", "http", None),
        ("user@localhost/path", "http", None),
        ("a b", "http", None),
        ("", "http", None),
    ],
)
def test_a_header_names_a_host_and_perhaps_a_port(text: str, scheme: str, expected: Address | None) -> None:
    assert address.of_header(text, scheme) == expected


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_this_machine(host: str) -> None:
    assert address.is_loopback(host)


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "::", "::ffff:10.0.0.1", "localhost", "127.1", "2130706433", "", "fe80::1%eth0"]
)
def test_all_else_is_not(host: str) -> None:
    assert not address.is_loopback(host)
