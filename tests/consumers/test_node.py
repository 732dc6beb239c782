"""`consumers/node/`, as a process against a real server; left out where node, npm or npm's registry is missing."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from pathlib import Path

import pytest

from bridge.store.embedded.server import EmbeddedServer
from tests.children import finished
from tests.consumers.support import SAMPLES, candle, program, publish_closed
from tests.store.processes import own_port
from tests.store.support import changed

GUIDE = SAMPLES.parent / "docs" / "reading.md"
BLOCKS = re.findall(r"^```js\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
ADDRESS = "redis://127.0.0.1:6390/0"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sample, installed once for all processes of the run."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node or npm is missing: the Node.js sample is left out")
    is_alone = "PYTEST_XDIST_WORKER" not in os.environ
    shared = tmp_path_factory.getbasetemp() if is_alone else tmp_path_factory.getbasetemp().parent
    copy = shared / "node"
    with (shared / "node.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (copy / "node_modules").exists():
            install(npm, copy)
    return copy


def install(npm: str, copy: Path) -> None:
    """Bring what the sample needs into a copy of it."""
    shutil.copytree(SAMPLES / "node", copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    words = ("install", "--no-package-lock", "--no-audit", "--no-fund", "--fetch-retries=0")
    done = finished([npm, *words], timeout=100, cwd=copy, start_new_session=True)
    if done.returncode:
        pytest.skip(f"npm cannot install: the Node.js sample is left out ({done.stderr.strip()[-200:]})")


def test_no_registry_is_named() -> None:
    assert not (SAMPLES / "node" / "package-lock.json").exists()
    assert "http" not in (SAMPLES / "node" / "package.json").read_text(encoding="utf-8")


async def test_it_prints_closed_candles_and_goes_on_after_a_restart_of_redis(folder: Path, tmp_path: Path) -> None:
    lost = changed(candle(1, closed=1), source="lost", open="", high="", low="", close="", volume="")
    words = ("node", folder / "candles.js", "BTCUSDT", "1m")
    async with EmbeddedServer(tmp_path, port=own_port()) as server:
        await publish_closed(server.url, candle(0, closed=1), lost)
        async with program(*words, url=server.url) as candles:
            await candles.says(2)
            await server.stop()
            await candles.complains("waiting: ")
            await server.start()
            await publish_closed(server.url, candle(2, close="12", closed=1))
            assert await candles.says(3) == [
                "2026-08-03 03:22 11 100",
                "2026-08-03 03:23 lost -",
                "2026-08-03 03:24 12 100",
            ]


async def test_without_a_symbol_it_says_how_it_is_used(folder: Path, valkey_url: str) -> None:
    async with program("node", folder / "candles.js", url=valkey_url) as candles:
        assert await candles.ended() == 1
        assert candles.errors == ["usage: node candles.js SYMBOL TIMEFRAME, such as BTCUSDT 1m"]


@pytest.mark.parametrize("block", BLOCKS)
async def test_a_block_of_the_guide_runs(folder: Path, valkey_url: str, block: str) -> None:
    await publish_closed(valkey_url, candle(0, closed=1), candle(1, closed=1))
    assert ADDRESS in block
    (folder / "block.js").write_text(block.replace(ADDRESS, valkey_url), encoding="utf-8")
    async with program("node", folder / "block.js", url=valkey_url) as running:
        assert await running.ended() == 0
        assert running.errors == []
        assert running.lines
