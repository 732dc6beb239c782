"""Which exchange the settings speak of."""

from __future__ import annotations

import pytest

from bridge import exchanges
from bridge.exchanges.base import Action
from bridge.settings import Settings, load

CREDENTIALS = {"BITMART_API_KEY": "k", "BITMART_API_SECRET": "s", "BITMART_API_MEMO": "m"}


def settings(**given: str) -> Settings:
    return load(given, dotenv=None)


def test_the_addresses_are_those_of_the_settings() -> None:
    given = {
        "BITMART_PUBLIC_WS_URI": "ws://a/api",
        "BITMART_PRIVATE_WS_URI": "ws://b/user",
        "BITMART_REST_URI": "http://c",
    }
    exchange = exchanges.chosen(settings(**given))
    assert (exchange.public_uri, exchange.private_uri, exchange.rest_uri) == ("ws://a/api", "ws://b/user", "http://c")
    assert exchange.name == "bitmart"


@pytest.mark.parametrize("given", [{}, CREDENTIALS])
def test_private_topics_need_credentials(given: dict[str, str]) -> None:
    assert exchanges.chosen(settings(**given)).has_credentials is bool(given)


def test_a_session_cuts_its_requests_as_the_settings_say() -> None:
    session = exchanges.chosen(settings(SUBSCRIBE_BATCH="2")).session()
    assert [len(request.topics) for request in session.requests(Action.SUBSCRIBE, ["a", "b", "c"])] == [2, 1]


@pytest.mark.parametrize(
    ("rest_uri", "environment"),
    [
        ("https://api-cloud-v2.bitmart.com", "live"),
        ("https://API-cloud-v2.BitMart.com/", "live"),
        ("https://demo-api-cloud-v2.bitmart.com", "demo"),
        ("http://127.0.0.1:8080", "simulator"),
        ("http://localhost:8080", "simulator"),
        ("http://[::1]:8080", "simulator"),
        ("https://api-cloud-v2.bitmart.com.example.org", "other"),
        ("http://10.0.0.1", "other"),
    ],
)
def test_the_environment_is_told_by_the_rest_address(rest_uri: str, environment: str) -> None:
    assert exchanges.chosen(settings(BITMART_REST_URI=rest_uri)).environment == environment
