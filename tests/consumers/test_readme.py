"""`consumers/README.md`: its lines run as they stand there, and its table is that of the records."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import sqlite3
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import pytest
from redis.asyncio import Redis

from bridge.records import (
    Event,
    Fill,
    Kline,
    MarginMode,
    Order,
    OrderEvent,
    OrderType,
    Position,
    PositionMode,
    PositionSide,
    Record,
    Side,
    Source,
    Status,
    field_names,
)
from bridge.store.desired import Desired
from bridge.timeframes import Timeframe
from tests.children import child
from tests.consumers.support import KEYS, SAMPLES, candle, environment, publish, publish_closed, sample
from tests.store.support import FILL, ORDER, POSITION, changed
from tests.support import wait_until

README: Final = (SAMPLES / "README.md").read_text(encoding="utf-8")
BLOCKS: Final = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
LINES: Final = [line for _, block in BLOCKS for line in block.splitlines()]
ADDRESS: Final = "redis://127.0.0.1:6390/0"
ORDER_ID: Final = "3179535528300032"
SHELLS: Final = [shell for shell in ("sh", "bash", "zsh") if shutil.which(shell)]


def starting_with(program: str) -> list[str]:
    return [line for line in LINES if shlex.split(line)[0] == program]


@pytest.fixture
async def filled_url(valkey_url: str, store: Redis) -> str:
    """A store that holds something of all that the README asks for."""
    await Desired(store, KEYS).change("shared", add=["futures/order"])
    await store.xgroup_create(KEYS.orders, "journal", id="0", mkstream=True)
    five_minutes = changed(candle(0), timeframe="5m")
    await publish(valkey_url, candle(0), five_minutes, changed(ORDER, order_id=ORDER_ID), FILL, POSITION)
    await publish_closed(valkey_url, candle(0, closed=1))
    return valkey_url


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """A directory with a `redis-cli` that only says which words the shell has given to it."""
    program = tmp_path / "redis-cli"
    program.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\n", encoding="utf-8")
    program.chmod(0o755)
    return tmp_path


async def words_from(shell: str, line: str, url: str, stand_in: Path) -> list[str]:
    """Return the words that `redis-cli` gets when a shell runs `line`."""
    path = f"{stand_in}{os.pathsep}{os.environ['PATH']}"
    surroundings = environment(url) | {"PATH": path}
    async with child([shell, "-c", line], env=surroundings, stdout=asyncio.subprocess.PIPE) as process:
        told, _ = await process.communicate()
    assert process.returncode == 0
    return told.decode().split("\0")[:-1]


def test_all_blocks_are_shell_lines_that_are_run_here() -> None:
    assert {language for language, _ in BLOCKS} == {"sh"}
    assert {shlex.split(line)[0] for line in LINES} == {*("export", "python", "sqlite3", "redis-cli", "npm", "node")}


@pytest.mark.parametrize("line", starting_with("redis-cli"))
async def test_a_redis_cli_line_reaches_redis(line: str, filled_url: str, store: Redis, stand_in: Path) -> None:
    expected = ["-u", filled_url, *shlex.split(line)[3:]]
    for shell in SHELLS:
        assert await words_from(shell, line, filled_url, stand_in) == expected
    reply = await answer(store, expected[2:], filled_url)
    assert reply or expected[2] == "PUBLISH"  # Nobody listens.


async def answer(store: Redis, words: list[str], url: str) -> Any:  # noqa: ANN401 - each command has its own
    """Return Redis' reply; while it waits for news, there is some."""
    if words[0] != "XREAD":
        return await store.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py's
    limited = words.copy()
    limited[words.index("BLOCK") + 1] = "4000"
    waiting = asyncio.create_task(store.execute_command(*limited))  # type: ignore[no-untyped-call]  # redis-py's

    async def waits() -> bool:
        return any(client["cmd"] == "xread" and "b" in client["flags"] for client in await store.client_list())

    await wait_until(waits, "a blocked reader")
    await publish(url, candle(1))
    return await waiting


@pytest.mark.parametrize("line", starting_with("python"))
async def test_a_python_line_runs(line: str, filled_url: str, tmp_path: Path) -> None:
    _, file, *words = shlex.split(line)
    words = [str(tmp_path / word) if word.endswith(".db") or word == "candles" else word for word in words]
    async with sample(file.removeprefix("consumers/"), *words, url=filled_url) as running:
        await running.says(1)
        if "--once" in words:
            assert await running.ended() == 0
        assert running.errors == []


@pytest.mark.parametrize("words", [("newest.py", "1m"), ("order_journal.py", "--db", "x")])
@pytest.mark.parametrize("scheme", ["redis+sentinel", "rediss+cluster"])
async def test_a_plain_sample_says_that_it_speaks_to_one_server(
    words: tuple[str, ...], scheme: str, tmp_path: Path
) -> None:
    name, *others = words
    others = [str(tmp_path / word) if word == "x" else word for word in others]
    async with sample(name, *others, url=f"{scheme}://127.0.0.1:6390/service") as running:
        assert await running.ended() == 1
        assert running.errors == [
            "this sample speaks to one server: behind sentinels and in a cluster take one with the kit"
        ]


@pytest.mark.parametrize("line", starting_with("sqlite3"))
async def test_a_sqlite_line_finds_the_order(line: str, filled_url: str, tmp_path: Path) -> None:
    _, name, query = shlex.split(line)
    async with sample("order_journal.py", "--db", tmp_path / name, "--once", url=filled_url) as journal:
        assert await journal.ended() == 0
    with closing(sqlite3.connect(tmp_path / name)) as db:
        assert ORDER_ID in db.execute(query).fetchone()


def test_the_address_is_the_one_that_the_samples_go_to_by_themselves() -> None:
    assert starting_with("export") == [f"export REDIS_URL={ADDRESS}"]
    for file in SAMPLES.glob("*.py"):
        assert f'"REDIS_URL", "{ADDRESS}"' in file.read_text(encoding="utf-8")
    assert f'REDIS_URL ?? "{ADDRESS}"' in (SAMPLES / "node" / "candles.js").read_text(encoding="utf-8")


def test_it_names_every_sample() -> None:
    files = {str(file.relative_to(SAMPLES)) for file in [*SAMPLES.glob("*.py"), *SAMPLES.glob("node/*.js")]}
    assert set(re.findall(r"^\| `([\w/]+\.\w+)` \|", README, re.MULTILINE)) == files


@pytest.mark.parametrize("line", [*starting_with("npm"), *starting_with("node")])
def test_a_line_for_node_names_what_is_there(line: str) -> None:
    # What it does is shown in test_node.py: installing would put files beside the sample.
    (place,) = (word for word in shlex.split(line) if word.startswith("consumers/"))
    assert (SAMPLES.parent / place).exists()


@pytest.mark.parametrize(
    ("kind", "record"),
    [("kline", Kline), ("order", Order), ("fill", Fill), ("position", Position), ("event", Event)],
)
def test_the_table_names_just_the_fields_of_a_record(kind: str, record: type[Record]) -> None:
    table = README.split("| field | in | meaning |")[1].split("\n\n")[0]
    rows = [row.split("|")[1:3] for row in table.splitlines()[2:]]
    named = [
        name for names, where in rows if kind in where or where == " all " for name in re.findall(r"`(\w+)`", names)
    ]
    assert sorted(named) == sorted(field_names(record))


@pytest.mark.parametrize(
    "words",
    [Timeframe, Status, OrderEvent, Side, PositionSide, OrderType, MarginMode, PositionMode, Source],
)
def test_it_names_every_value(words: type[StrEnum]) -> None:
    assert [word.value for word in words if word.value and f"`{word.value}`" not in README] == []
