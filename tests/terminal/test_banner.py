"""The first screen: where everything is, and no secret."""

from __future__ import annotations

import pytest

from bridge import exchanges
from bridge.settings import Settings
from bridge.terminal.banner import banner
from bridge.values import Secret

URL = "http://127.0.0.1:8089"


def shown(redis_url: str = "redis://127.0.0.1:6390/0", **changes: object) -> list[str]:
    settings = Settings(redis_url=Secret(redis_url), **changes)  # type: ignore[arg-type]
    return banner(settings, exchanges.chosen(settings), URL, "yours").splitlines()


def line(lines: list[str], name: str) -> str:
    (found,) = [line for line in lines if line.startswith(f"  {name} ")]
    return found.removeprefix(f"  {name}").strip()


def test_it_says_what_it_is_and_where_everything_is() -> None:
    lines = shown()
    assert lines[0].endswith(": bitmart (live) into Redis Streams")
    assert line(lines, "Redis") == "redis://127.0.0.1:6390/0  (yours)"
    assert line(lines, "Control") == URL


def test_it_gives_the_commands_to_try() -> None:
    lines = shown(bridge_prefix="mine")
    body = '{"symbol":"BTCUSDT","tfs":["1m","5m"]}'
    assert line(lines, "Subscribe") == f"curl -s -X POST {URL}/klines/subscribe -d '{body}'"
    read = "redis-cli -u redis://127.0.0.1:6390/0 XREAD BLOCK 0 STREAMS 'mine:klines:{BTCUSDT}:1m' '$'"
    assert line(lines, "Read") == read
    assert lines[lines.index(f"  Read       {read}") + 1].strip() == (
        "bitmart-bridge tail --redis-url redis://127.0.0.1:6390/0"
    )


def test_a_token_is_named_in_the_command_and_never_shown() -> None:
    lines = shown(ctrl_token=Secret("the-token"))
    assert '-H "Authorization: Bearer $CTRL_TOKEN"' in line(lines, "Subscribe")
    assert "the-token" not in "\n".join(lines)


@pytest.mark.parametrize(
    ("url", "where", "server"),
    [
        ("redis://user:p%40ss@host:6379/3", "redis://host:6379/3", "-u redis://host:6379/3"),
        ("rediss://:p@ss@host/0", "rediss://host/0", "-u rediss://host/0"),
        ("redis://host?password=pass", "redis://host", "-u redis://host"),
        ("redis://[::1]:6380", "redis://[::1]:6380", "-u redis://[::1]:6380"),
        ("unix:///run/redis.sock?password=pass&db=2", "unix:///run/redis.sock", "-s /run/redis.sock"),
        ("unix://user:pass@/run/redis.sock", "unix:///run/redis.sock", "-s /run/redis.sock"),
    ],
)
def test_the_address_of_redis_is_shown_without_its_password(url: str, where: str, server: str) -> None:
    lines = shown(url)
    assert line(lines, "Redis") == f"{where}  (yours)"
    assert line(lines, "Read").startswith(f"redis-cli {server} XREAD ")
    assert "ss@" not in "\n".join(lines)
    assert "pass" not in "\n".join(lines)


def test_that_bitmart_is_closing_is_said_where_it_matters() -> None:
    assert line(shown(), "Note").startswith("BitMart has announced that trading ended")
    assert line(shown(bitmart_rest_uri="http://127.0.0.1:1"), "Note").startswith("the exchange is simulated")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis+cluster://:the-password@a:1,b", "-c -u redis://a:1"),
        ("rediss+cluster://[::1]", "-c -u rediss://[::1]:6379"),
        ("redis+sentinel://:the-password@a,b/name", "-h PRIMARY"),
        ("redis://h/2?ssl_ca_certs=x", "-u redis://h/2"),
    ],
)
def test_redis_cli_is_told_what_it_understands(url: str, told: str) -> None:
    lines = shown(url)
    assert any(f"redis-cli {told} XREAD" in line for line in lines)
    assert "the-password" not in "".join(lines)
