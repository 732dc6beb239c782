"""Wrong commands and settings, given to the real programs: each row is a process of its own.

They are the rows of the first table in BEHAVIOR.md that stand for the others.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import STDOUT, CompletedProcess
from typing import Final

import pytest

from tests.children import finished
from tests.scenarios.stage import NOWHERE, ROOT, Program
from tests.store.processes import own_port

SECRETS: Final = ("key-of-mine", "secret-of-mine", "memo-of-mine", "password-of-mine")


@dataclass(frozen=True)
class Command:
    """A command with something wrong in it, and what is to come of it."""

    arguments: str
    code: int
    says: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    dotenv: bytes = b""


COMMANDS: Final = {
    "every wrong setting is named at once": Command(
        "up",
        2,
        (
            "CTRL_ADDR: expected",
            "SUBSCRIBE_BATCH: expected a whole number from 1 to 100, not '0'",
            "PING_INTERVAL_S: expected seconds from 0.1 to 60, not 'often'",
            "BITMART_PUBLIC_WS_URI: expected a URI that begins with ws:// or wss://",
            "BITMART_API_KEY, BITMART_API_SECRET, BITMART_API_MEMO: expected all three or none",
            "REDIS_URL: expected",
            "LOG_LEVEL: expected one of debug info warning error, not 'loud'",
            "nothing was started",
        ),
        {
            "CTRL_ADDR": "nowhere",
            "SUBSCRIBE_BATCH": "0",
            "PING_INTERVAL_S": "often",
            "BITMART_PUBLIC_WS_URI": "http://127.0.0.1",
            "BITMART_API_KEY": "key-of-mine",
            "REDIS_URL": "memcached://:password-of-mine@127.0.0.1",
            "LOG_LEVEL": "loud",
        },
    ),
    "nan is no number of seconds": Command("check --offline", 2, ("PONG_TIMEOUT_S",), {"PONG_TIMEOUT_S": "nan"}),
    "an empty value counts as unset": Command("check --offline", 0, ("SUBSCRIBE_BATCH=20",), {"SUBSCRIBE_BATCH": ""}),
    "credentials are masked": Command(
        "check --offline",
        0,
        ("BITMART_API_SECRET=********",),
        dict(zip(("BITMART_API_KEY", "BITMART_API_SECRET", "BITMART_API_MEMO"), SECRETS, strict=False)),
    ),
    "a file .env that is no text": Command("check --offline", 2, (".env: expected a readable text",), dotenv=b"\xff\0"),
    "a data directory that is a file": Command(
        "up", 2, ("cannot hold the embedded server's data",), {"DATA_DIR": str(ROOT / "LICENSE")}
    ),
    "an address that is not ours": Command(
        "control",
        2,
        ("cannot listen on 192.0.2.1",),
        {"CTRL_ADDR": "192.0.2.1:8089", "REDIS_URL": f"redis://{NOWHERE}"},
    ),
    "an address that is taken": Command(
        "control", 2, ("is taken: stop what listens there",), {"CTRL_ADDR": "taken", "REDIS_URL": f"redis://{NOWHERE}"}
    ),
    "a part without any Redis": Command("ingest", 2, ("no Redis: set REDIS_URL, or start",)),
    "a question without any Redis": Command("status", 2, ("no Redis: set REDIS_URL, or start",)),
    "a Redis that isn't there": Command(f"status --redis-url redis://{NOWHERE}", 2, ("error: Redis",)),
    "a cluster none of whose nodes answers": Command(
        f"status --redis-url redis+cluster://{NOWHERE}", 2, ("error: Redis: no node of the cluster answers",)
    ),
    "sentinels none of whom answers": Command(
        f"status --redis-url redis+sentinel://{NOWHERE}/name", 2, ("error: Redis: no sentinel names the primary",)
    ),
    "sentinels without the service's name": Command(
        f"tail --redis-url redis+sentinel://{NOWHERE}", 2, ("REDIS_URL: expected the service's name",)
    ),
    "a file of certificates that isn't there": Command(
        "check --offline",
        2,
        ("REDIS_CA_FILE: expected a readable file",),
        {"REDIS_URL": f"rediss://:password-of-mine@{NOWHERE}", "REDIS_CA_FILE": "/nowhere/ca.pem"},
    ),
    "a Redis whose URL is none": Command("tail --redis-url nonsense", 2, ("REDIS_URL",)),
    "nothing answers the check": Command(
        "check",
        1,
        ("Redis: FAILED", "REST: FAILED", "public socket: FAILED", "login: not tried"),
        {
            "REDIS_URL": f"redis://:password-of-mine@{NOWHERE}",
            "BITMART_REST_URI": f"http://{NOWHERE}",
            "BITMART_PUBLIC_WS_URI": f"ws://{NOWHERE}",
        },
    ),
    "an unknown command": Command("ingets", 2, ("No such command",)),
    "an unknown timeframe": Command(
        f"tail --timeframe 3m --redis-url redis://{NOWHERE}", 2, ("expected one of 1m 5m 15m 30m 1h 2h 4h 1d 1w",)
    ),
    "a ledger without the demonstration": Command("up --ledger x", 2, ("--ledger goes with --demo",)),
    "an unknown fault": Command("simulate --port 0 --fault nonsense", 2, ("there is no fault named 'nonsense'",)),
    "a market that stands still": Command("simulate --port 0 --rate 0", 2, ("rate must be above zero",)),
}


def carried_out(command: Command, folder: Path, taken: str) -> CompletedProcess[str]:
    if command.dotenv:
        (folder / ".env").write_bytes(command.dotenv)
    settings = {name: taken if value == "taken" else value for name, value in command.settings.items()}
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT), **settings}
    words = [sys.executable, "-m", "bridge", *command.arguments.split()]
    return finished(words, cwd=folder, env=environment, stderr=STDOUT)


@pytest.fixture(scope="module")
def taken() -> Iterator[str]:
    """An address at which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_wrong_command_or_setting_is_told_in_words_and_by_its_code(
    name: str, taken: str, tmp_path: Path
) -> None:
    command = COMMANDS[name]
    result = await asyncio.to_thread(carried_out, command, tmp_path, taken)
    assert result.returncode == command.code, result.stdout
    assert not [words for words in command.says if words not in result.stdout], result.stdout
    assert not [secret for secret in SECRETS if secret in result.stdout]
    assert "Traceback" not in result.stdout


async def test_the_demonstration_heeds_no_real_store_and_no_credentials(tmp_path: Path) -> None:
    """The demonstration touches nothing of yours."""
    (tmp_path / ".env").write_text("SUBSCRIBE_BATCH=many\n", encoding="utf-8")
    real = {
        "REDIS_URL": "nonsense",
        "BITMART_API_KEY": "key-of-mine",
        "BITMART_REST_URI": "nonsense",
        "BRIDGE_PREFIX": "{x}",
        "DATA_DIR": str(tmp_path / "data"),
        "CTRL_ADDR": "127.0.0.1:0",
        "EMBEDDED_PORT": str(own_port()),
    }
    demo = Program("demo", tmp_path, real, "up", "--demo")
    demo.start()
    try:
        await demo.says("(simulator) into Redis Streams")
        await demo.says("kline ")
        assert await demo.stop() == 0
        assert not (tmp_path / "data").exists()
    finally:
        demo.kill()
