"""`docs/reading.md`: every piece of it runs as it stands. Those for Node.js: see `tests/consumers/test_node.py`."""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

import bridge.consumer
from bridge.consumer import GroupReader, HashPositions, Reader, Rules, connect, history
from tests.consumer.support import ROOT, candle, connected, orders, put_marker, taken
from tests.consumers.support import KEYS, program, publish, publish_closed
from tests.store.support import FILL, POSITION
from tests.support import wait_until

PATH: Final = ROOT / "docs" / "reading.md"
GUIDE: Final = PATH.read_text(encoding="utf-8")
ADDRESS: Final = "redis://127.0.0.1:6390/0"
PYTHON: Final = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
LINES: Final = "".join(re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)).splitlines()
FORBIDDEN: Final = (
    f"XADD {KEYS.orders} * a b",
    f"XTRIM {KEYS.orders} MAXLEN 0",
    f"DEL {KEYS.fills}",
    f"HSET {KEYS.order('1')} status open",
    f"SADD {KEYS.desired} x",
    "FLUSHALL",
)


@pytest.fixture
async def filled_url(valkey_url: str) -> str:
    """A store with everything in it that the guide reads."""
    await publish_closed(valkey_url, candle(0, closed=1), candle(1, closed=1))
    await publish(valkey_url, candle(0), *orders(2), FILL, POSITION)
    with connected(valkey_url) as client:
        client.xgroup_create(KEYS.orders, "my-group", id="0")
        client.xreadgroup("my-group", "one", {KEYS.orders: ">"}, count=1)
        client.xadd(KEYS.dead_letters(KEYS.orders, "my-group"), {"dead_reason": "for a look"})
        client.hset(KEYS.reader("my-bot"), KEYS.orders, "0-0")
    return valkey_url


@pytest.mark.parametrize("block", PYTHON, ids=range(len(PYTHON)))
async def test_a_piece_of_python_runs(block: str, filled_url: str) -> None:
    assert ADDRESS in block
    async with program(sys.executable, "-c", block.replace(ADDRESS, filled_url), url=filled_url) as running:
        ended = asyncio.create_task(running.ended())
        minute = 2
        with connected(filled_url) as client:

            async def goes_on() -> bool:
                nonlocal minute
                # The market goes on meanwhile, for the pieces that wait for news.
                await publish_closed(filled_url, candle(minute, closed=1))
                put_marker(client, KEYS.orders)
                minute += 1
                return ended.done()

            await wait_until(goes_on, "its end", 20)
        assert (await ended, running.errors) == (0, [])
        assert running.lines


@pytest.mark.parametrize("line", [line for line in LINES if " ACL " not in line])
async def test_a_line_for_redis_cli_finds_something(line: str, filled_url: str, store: Redis) -> None:
    program, option, address, *words = shlex.split(line)
    assert (program, option, address) == ("redis-cli", "-u", ADDRESS)
    assert filled_url
    assert await store.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py's


@pytest.fixture
async def bots_url(filled_url: str, store: Redis) -> AsyncIterator[str]:
    """The store's address for the user that the guide makes for a bot."""
    (line,) = (line for line in LINES if " ACL " in line)
    await store.execute_command(*shlex.split(line)[3:])  # type: ignore[no-untyped-call]  # redis-py's
    yield filled_url.replace("redis://", "redis://bot:choose-a-password@")
    await store.acl_deluser("bot")


def test_the_user_for_a_bot_may_read_in_every_way_and_write_nothing_of_the_bridge(bots_url: str) -> None:
    with connect(bots_url) as client:
        with Reader(client, [KEYS.orders, KEYS.events], positions=HashPositions("my-bot")) as reader:
            taken(reader, 2)
            reader.save()
        rules = Rules(tries=2, idle_s=0.01)
        for consumer in ("one", "two", "three"):
            with GroupReader(client, KEYS.orders, "my-group", consumer=consumer, rules=rules) as group:
                taken(group, 1)
                group.remove_idle(0)
        assert len(history(client, "BTCUSDT", "1m", 5)) == 2
        assert client.xlen(KEYS.dead_letters(KEYS.orders, "my-group")) == 2
        for line in FORBIDDEN:
            with pytest.raises(NoPermissionError):
                client.execute_command(*line.split())


def test_all_blocks_are_run_somewhere() -> None:
    languages = re.findall(r"^```(\w+)$", GUIDE, re.MULTILINE)
    assert set(languages) == {"python", "js", "sh"}
    assert len(PYTHON) == languages.count("python")


def test_it_names_only_what_the_kit_has_and_every_reader() -> None:
    named = set(re.findall(r"\b([A-Z]\w+)\(", "\n".join(PYTHON))) - {"Keys"}
    assert named <= set(bridge.consumer.__all__)
    for name in ("Reader", "GroupReader", "AsyncReader", "AsyncGroupReader", "HashPositions", "FilePositions"):
        assert name in GUIDE


def test_its_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", GUIDE) if not urlsplit(link).scheme]
    assert [link for link in links if not (PATH.parent / link.partition("#")[0]).exists()] == []
    assert Path(PATH).parent.name == "docs"
