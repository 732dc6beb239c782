"""What every test may ask for: a real server, one for the whole run, emptied before each test that uses it."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import httpcore2
import hypothesis
import pytest
import redis

from bridge.store import client
from bridge.store.embedded import server as embedded
from bridge.store.embedded.server import EmbeddedServer
from bridge.values import Secret

if TYPE_CHECKING:
    from redis.asyncio import Redis

# A busy machine is no failure, and every run tries the same.
hypothesis.settings.register_profile(
    "bridge",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("bridge")


def pytest_configure() -> None:
    """Serve by the program that `STORE_SERVER` names, such as Debian's redis-server, instead of the wheel's.

    And let all HTTP clients of a process share what they know of authorities: reading that takes 20 ms each time.
    """
    httpcore2.default_ssl_context = cache(httpcore2.default_ssl_context)
    if chosen := os.environ.get("STORE_SERVER"):
        found = shutil.which(chosen)
        assert found, f"STORE_SERVER: no program called {chosen}"
        pytest.MonkeyPatch().setattr(embedded, "_shipped_binary", lambda: Path(found))


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A valkey-server that lives as long as the run."""
    server = EmbeddedServer(tmp_path_factory.mktemp("valkey"), port=0, persistent=False)
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(server.start())
        yield server
        runner.run(server.stop())


@pytest.fixture
def valkey_url(valkey: EmbeddedServer) -> str:
    """The address of that server, with nothing in it."""
    with redis.Redis.from_url(valkey.url) as cleaner:
        cleaner.flushall()
    return valkey.url


@pytest.fixture
async def store(valkey_url: str) -> AsyncIterator[Redis]:
    """A client of that server, as the bridge makes them."""
    connected = client.commands(Secret(valkey_url))
    try:
        yield connected
    finally:
        await connected.aclose()


@pytest.fixture(autouse=True)
def _warned_anew() -> None:
    """What a process warns of once, each test may see: another one in this process may have been warned before."""
    client._warn_of_tls.cache_clear()  # noqa: SLF001 - users have one process, and one warning


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the account be read without a wait that is not the subject: neither turns nor retries."""
    monkeypatch.setattr("bridge.exchanges.bitmart.account._SELDOM", 1_000)
    monkeypatch.setattr("bridge.exchanges.bitmart.account.OFTEN", 1_000)
    monkeypatch.setattr("bridge.ingest.account.recovery._RETRY_S", 0.02)
    monkeypatch.setattr("bridge.ingest.account.executions._LOOK_S", 0.02)
    monkeypatch.setattr("bridge.ingest.account.recovery._GATHER_S", 0.1)
    monkeypatch.setattr("bridge.ingest.rest.pace._REFUSED_S", 0.05)
    monkeypatch.setattr("bridge.ingest.rest.pace._BANNED_S", 0.05)
