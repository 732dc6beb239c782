"""A control API without a token and one with, each for the whole run, and the store behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio

from bridge.store.embedded.server import EmbeddedServer
from tests.control.support import TOKEN, Store, serving, settings_for


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def open_api(valkey: EmbeddedServer) -> AsyncIterator[httpx2.AsyncClient]:
    async with serving(settings_for(valkey.url)) as http:
        yield http


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def guarded_api(valkey: EmbeddedServer) -> AsyncIterator[httpx2.AsyncClient]:
    async with serving(settings_for(valkey.url, token=TOKEN, credentials=True)) as http:
        yield http


@pytest.fixture
def api(open_api: httpx2.AsyncClient, valkey_url: str) -> httpx2.AsyncClient:
    """A client of an API without a token, its store empty."""
    assert valkey_url
    return open_api


@pytest.fixture
def guarded(guarded_api: httpx2.AsyncClient, valkey_url: str) -> httpx2.AsyncClient:
    """A client of an API with a token, which it doesn't show by itself."""
    assert valkey_url
    return guarded_api


@pytest_asyncio.fixture(loop_scope="session")
async def known(valkey_url: str) -> AsyncIterator[Store]:
    """The store behind the API."""
    store = Store(valkey_url)
    yield store
    await store.redis.aclose()
