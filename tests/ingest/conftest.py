"""Servers that a test may stop and start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.store.embedded.server import EmbeddedServer
from tests.store.processes import own_port


@pytest.fixture
async def lasting(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """A server of the test's own, which comes back with its data."""
    async with EmbeddedServer(tmp_path / "lasting", port=own_port()) as server:
        yield server


@pytest.fixture
async def forgetful(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """A server of the test's own, which comes back empty."""
    async with EmbeddedServer(tmp_path / "forgetful", port=own_port(), persistent=False) as server:
        yield server
