"""Bad input, given to the real programs: the rows of the table in BEHAVIOR.md that stand for the others.

One stage for all of it: a bridge with a server of its own, a simulated exchange, and a client of each.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE, STDOUT, CompletedProcess, run
from typing import Any, Final, cast

import httpx2
import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from tests.scenarios.stage import ROOT, Program
from tests.store.processes import own_port
from tests.support import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOWHERE: Final = "127.0.0.1:1"
SECRETS: Final = ("key-of-mine", "secret-of-mine", "memo-of-mine", "password-of-mine")
QUICK: Final = {
    "RECONNECT_DELAY_S": "0.05",
    "RECONNECT_MAX_S": "0.1",
    "LOGIN_RETRY_S": "0.2",
    "REJECTED_RETRY_S": "0.5",
    "ACK_TIMEOUT_S": "0.5",
    "PING_INTERVAL_S": "0.3",
    "PONG_TIMEOUT_S": "3",
    "SUBSCRIBE_DELAY_MS": "0",
    "RECONCILE_INTERVAL_S": "0.2",
    "HEARTBEAT_INTERVAL_S": "0.1",
}
BTC: Final = "futures/klineBin1m:BTCUSDT"
ETH: Final = "futures/klineBin1m:ETHUSDT"
ORDER: Final = "futures/order"


# The command line and the settings: each row is a process of its own.


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
    return run(  # noqa: S603 - our own program
        [sys.executable, "-m", "bridge", *command.arguments.split()],
        cwd=folder,
        env=environment,
        stdout=PIPE,
        stderr=STDOUT,
        text=True,
        timeout=60,
        check=False,
    )


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


# A whole bridge, and everything that reaches it while it runs.


@dataclass
class Stage:
    """A bridge at work, its exchange, and clients of its three doors."""

    folder: Path
    environment: Mapping[str, str]
    api: httpx2.AsyncClient
    simulator: httpx2.AsyncClient
    redis: Redis

    async def get(self, path: str) -> dict[str, Any]:
        """Return the JSON answer of the control API."""
        return cast("dict[str, Any]", (await self.api.get(path)).json())

    async def ingester(self) -> dict[str, Any]:
        """Return what the one ingester tells of itself."""
        return cast("dict[str, Any]", (await self.get("/status"))["ingesters"][0])

    async def topic(self, name: str) -> dict[str, Any]:
        """Return the state of a topic."""
        return cast("dict[str, Any]", (await self.get("/subscriptions")).get("states", {}).get(name, {}))

    async def is_active(self, name: str) -> bool:
        """Tell whether a topic is active."""
        return (await self.topic(name)).get("state") == "active"

    async def length(self, symbol: str = "BTCUSDT") -> int:
        """Return how many entries have ever been added to a symbol's stream."""
        return int((await self.redis.xinfo_stream(f"bitmart:klines:{{{symbol}}}:1m"))["entries-added"])

    async def grows(self, description: str) -> None:
        """Wait until an entry has come that wasn't there at the call."""
        before = await self.length()

        async def grown() -> bool:
            return await self.length() > before

        await wait_until(grown, f"entries come {description}")

    async def told(self, event: str) -> int:
        """Return how often an event has been told."""
        entries = cast("list[tuple[str, dict[str, str]]]", await self.redis.xrange("bitmart:events"))
        return sum(fields["event"] == event for _, fields in entries)

    @asynccontextmanager
    async def fault(self, **faults: str | int) -> AsyncIterator[None]:
        """Switch faults of the exchange on for a while."""
        off = {name: "" if isinstance(value, str) and not value.isdecimal() else 0 for name, value in faults.items()}
        (await self.simulator.get("/simulator/faults", params=faults)).raise_for_status()
        try:
            yield
        finally:
            (await self.simulator.get("/simulator/faults", params=off)).raise_for_status()

    async def cut(self, which: str) -> None:
        """Cut the exchange's sockets."""
        (await self.simulator.get("/simulator/cut", params={"which": which})).raise_for_status()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    exchange = Program("exchange", folder, {}, "simulate", "--port", "0", "--rate", "20")
    exchange.start()
    try:
        await exchange.says("Faults:")
        environment = dict(re.findall(r"^(BITMART_\w+)=(\S+)$", exchange.text, re.MULTILINE))
        environment |= {**QUICK, "CTRL_ADDR": "127.0.0.1:0", "EMBEDDED_PORT": str(own_port()), "DATA_DIR": str(folder)}
        bridge = Program("bridge", folder, environment, "up")
        bridge.start()
        try:
            await bridge.says("Stop       Ctrl-C")
            async with (
                httpx2.AsyncClient(base_url=found(r"Control +(\S+)", bridge.text), timeout=20) as api,
                httpx2.AsyncClient(base_url=environment["BITMART_REST_URI"], timeout=20) as simulator,
                Redis.from_url(
                    found(r"Redis +(redis\S+)", bridge.text), decode_responses=True, retry=Retry(NoBackoff(), 1)
                ) as redis,
            ):
                wishes = {"klines": [{"symbols": ["BTCUSDT", "ETHUSDT"], "tfs": "1m"}], "orders": True}
                answer = await api.put("/subscriptions?wait=active&timeout=20", json=wishes)
                assert answer.status_code == 200, answer.text
                await wait_until(lambda: exists(redis), "the first entries")
                yield Stage(folder, environment, api, simulator, redis)
            assert await bridge.stop() == 0
            assert "Traceback" not in bridge.text
        finally:
            bridge.kill()
    finally:
        exchange.kill()


async def exists(redis: Redis) -> bool:
    return await redis.exists("bitmart:klines:{BTCUSDT}:1m", "bitmart:klines:{ETHUSDT}:1m") == 2


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, f"{pattern} in:\n{text}"
    return match.group(1)


# HTTP.

KLINES: Final = "POST /klines/subscribe"
REQUESTS: Final = {
    "no body": (KLINES, b"", {}, 400, "no JSON", ""),
    "no JSON": (KLINES, b"symbol=BTCUSDT", {}, 400, "no JSON", ""),
    "no object": (KLINES, b"[]", {}, 400, "no JSON object", ""),
    "a body too long": (KLINES, b" " * 70_000, {}, 413, "65536 bytes", ""),
    "no symbol": (KLINES, b'{"tfs":"1m"}', {}, 422, "symbol is missing", "symbol"),
    "an empty symbol": (KLINES, b'{"symbol":"","tfs":"1m"}', {}, 422, "at least one", "symbol"),
    "a symbol that cannot be": (KLINES, b'{"symbol":"BTC/USDT","tfs":"1m"}', {}, 422, "BTC/USDT", "symbol"),
    "a symbol that is a number": (KLINES, b'{"symbol":7,"tfs":"1m"}', {}, 422, "got `int`", "symbol"),
    "no timeframe": (KLINES, b'{"symbol":"SOLUSDT"}', {}, 422, "tfs is missing", "tfs"),
    "one wrong timeframe of two": (KLINES, b'{"symbol":"SOLUSDT","tfs":["1m","3m"]}', {}, 422, "'3m'", "tfs"),
    "an owner with a space": (KLINES, b'{"symbol":"SOLUSDT","tfs":"1m","owner":"a b"}', {}, 422, "owner", "owner"),
    "an unknown way to wait": ("POST /orders/subscribe?wait=long", b"", {}, 422, "wait=active", "wait"),
    "an endless wait": ("POST /orders/subscribe?wait=active&timeout=inf", b"", {}, 422, "0 to 60", "timeout"),
    "a replacement by nothing": ("PUT /subscriptions", b"{}", {}, 422, "say what is wanted", "topics"),
    "a topic that is none": ("PUT /subscriptions", b'{"topics":["x"]}', {}, 422, "no BitMart futures topic", "topics"),
    "an unknown ingester": ("POST /stop", b'{"ingester":"nobody"}', {}, 404, "GET /status lists", "ingester"),
    "an unknown path": ("GET /nothing", b"", {}, 404, "GET /help", ""),
    "a wrong method": ("DELETE /subscriptions", b"", {}, 405, "GET /help", ""),
    "another origin's page": ("POST /pause", b"", {"Origin": "http://evil.example"}, 403, "other origins", ""),
    "a proxy": ("POST /pause", b"", {"X-Forwarded-For": "192.0.2.1"}, 403, "forwarded", ""),
    "a foreign name": ("POST /pause", b"", {"Host": "evil.example"}, 403, "Host header", ""),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_bad_request_is_answered_with_what_is_wrong_and_changes_nothing(name: str, stage: Stage) -> None:
    request, body, headers, status, error, wrong = REQUESTS[name]
    method, path = request.split()
    before = await stage.get("/subscriptions")
    answer = await stage.api.request(method, path, content=body, headers=headers)
    assert answer.status_code == status
    said = answer.json()
    assert said["ok"] is False
    assert error in said["error"]
    assert said.get("field", "") == wrong
    after = await stage.get("/subscriptions")
    assert (after["revision"], after["topics"], after["paused"]) == (before["revision"], before["topics"], False)


async def test_a_symbol_that_bitmart_lacks_is_stored_and_answered_with_bitmarts_words(stage: Stage) -> None:
    body = {"symbol": "NOSUCHUSDT", "tfs": "1m", "owner": "curious"}
    answer = await stage.api.post("/klines/subscribe?wait=active", json=body)
    assert answer.status_code == 202
    assert "Invalid channel: not found futures/klineBin1m:NOSUCHUSDT" in answer.json()["reasons"][0]
    assert (await stage.api.post("/klines/unsubscribe?wait=active", json=body)).status_code == 200


# The set of wishes, filled by hand.

MEMBERS: Final = {
    b"nonsense": "no BitMart futures topic",
    b"": "no BitMart futures topic",
    b"\xff\xfe": "no BitMart futures topic",
    b"futures/klineBin3m:BTCUSDT": "interval '3m' is none of BitMart's",
    b"futures/klineBin1h:BTCUSDT": "interval '1h' is none of BitMart's",
    b"futures/klineBin1m:btcusdt": "symbol 'btcusdt' is not one",
    b"futures/klineBin1m:BTC{X}": "symbol 'BTC{X}' is not one",
    b"futures/klineBin1m:BTCUSDT\n": r"symbol 'BTCUSDT\n' is not one",
    b"futures/klineBin1m:NOSUCHUSDT": "Invalid channel: not found",
}


@pytest.mark.parametrize("member", MEMBERS)
async def test_an_odd_member_of_the_set_is_rejected_and_its_neighbours_are_served(member: bytes, stage: Stage) -> None:
    name = member.decode(errors="backslashreplace")
    await stage.redis.sadd("bitmart:desired", member, "futures/klineBin1m:SOLUSDT")
    await stage.redis.publish("{bitmart:desired}:wake", "now")

    async def rejected() -> bool:
        state = await stage.topic(name)
        return state.get("state") == "rejected" and MEMBERS[member] in state["reason"]

    await wait_until(rejected, f"{name!r} is rejected")
    await wait_until(lambda: stage.is_active("futures/klineBin1m:SOLUSDT"), "its neighbour is active")
    await stage.redis.srem("bitmart:desired", member, "futures/klineBin1m:SOLUSDT")


# Frames.

FRAMES: Final[dict[str, dict[str, str | int]]] = {
    "broken ones between the good ones": {"malformed_frames": 1},
    "each one twice": {"duplicate_frames": 1},
    "the documented shape": {"flat_klines": 1},
    "two candles in one": {"two_items": 1, "late_updates": 1},
    "stamps one second late": {"ts_plus_1s": 1},
    "a speed that was not asked for": {"group_suffix": "@100ms"},
    "deflated": {"deflate": 1},
    "a newline at the end": {"newline": 1},
}
COUNTED: Final = {"malformed_frames": "malformed"}


@pytest.mark.parametrize("name", FRAMES)
async def test_an_odd_frame_ends_no_connection_and_its_neighbours_arrive(name: str, stage: Stage) -> None:
    """A bad frame ends no connection and takes no neighbour along."""
    lost = await stage.told("lost")
    before = await stage.ingester()
    async with stage.fault(**FRAMES[name]):
        await stage.grows(name)
        for fault, counter in COUNTED.items():

            async def counted(counter: str = counter) -> bool:
                return bool((await stage.ingester())[counter] > before[counter])

            if fault in FRAMES[name]:
                await wait_until(counted, f"{counter} counts")
    assert await stage.told("lost") == lost


TROUBLES: Final[dict[str, tuple[dict[str, str | int], str, str, str]]] = {
    "a page in place of a socket": ({"http_403_on_connect": 1}, "public", BTC, "refused with HTTP 403"),
    "refused credentials": ({"refuse_login": 1}, "private", ORDER, "login refused"),
    "a topic refused": ({"refuse_topics": ETH}, "public", ETH, "Invalid channel: not found"),
}


@pytest.mark.parametrize("name", TROUBLES)
async def test_what_the_exchange_refuses_is_a_topics_reason_until_it_is_granted(name: str, stage: Stage) -> None:
    faults, which, topic, reason = TROUBLES[name]

    async def explained() -> bool:
        return reason in (await stage.topic(topic)).get("reason", "")

    async with stage.fault(**faults):
        await stage.cut(which)
        await wait_until(explained, f"{topic}: {reason}")
    await wait_until(lambda: stage.is_active(topic), f"{topic} is active again")


@pytest.mark.parametrize("fault", ["freeze", "no_pong"])
async def test_a_ping_without_an_answer_replaces_the_connection(fault: str, stage: Stage) -> None:
    lost = await stage.told("lost")

    async def noticed() -> bool:
        return await stage.told("lost") > lost

    async with stage.fault(**{fault: 1}):
        await wait_until(noticed, "the connection is given up")
    await wait_until(lambda: stage.is_active(BTC), "it is replaced")
    await stage.grows("again")


# Redis.


async def full(stage: Stage) -> AsyncIterator[str]:
    await stage.redis.config_set("maxmemory", "1")
    yield "OutOfMemoryError"
    await stage.redis.config_set("maxmemory", "100mb")


async def guarded(stage: Stage) -> AsyncIterator[str]:
    await stage.redis.config_set("requirepass", "password-of-mine")
    await stage.redis.client_kill_filter(_type="normal", skipme=True)
    yield "AuthenticationError"
    await stage.redis.config_set("requirepass", "")


async def read_only(stage: Stage) -> AsyncIterator[str]:
    await stage.redis.replicaof(*NOWHERE.split(":"))
    yield "ReadOnlyError"
    await stage.redis.replicaof("NO", "ONE")


async def forgetful(stage: Stage) -> AsyncIterator[str]:
    await stage.redis.script_flush()
    yield ""


async def rude(stage: Stage) -> AsyncIterator[str]:
    await stage.redis.client_kill_filter(skipme=True)
    yield ""


@pytest.mark.parametrize("trouble", [full, guarded, read_only, forgetful, rude])
async def test_a_redis_in_trouble_is_waited_for(trouble: Callable[[Stage], AsyncIterator[str]], stage: Stage) -> None:
    async for answered in trouble(stage):
        if answered:
            answer = await stage.api.post("/resume")
            assert answer.status_code == 503
            assert answered in answer.json()["error"]
            assert "password-of-mine" not in answer.text
    await wait_until(lambda: stage.is_active(BTC), "the ingester is heard of again")
    await stage.grows("again")
    assert (await stage.api.post("/resume")).status_code == 200


async def test_our_own_server_is_started_again_when_it_is_killed(stage: Stage) -> None:
    os.kill(int((await stage.redis.info("server"))["process_id"]), signal.SIGKILL)

    async def back() -> bool:
        return (await stage.api.get("/health/ready")).status_code == 200

    await wait_until(back, "it is back")
    await wait_until(lambda: stage.is_active(BTC), "with its wishes")
    await stage.grows("again")


async def test_a_key_of_another_kind_refuses_its_own_entries_only(stage: Stage) -> None:
    """An entry's fault is its own, the server's condition is everybody's."""
    key = "bitmart:klines:{ETHUSDT}:1m"
    await stage.redis.rename(key, f"{key}:aside")
    await stage.redis.set(key, "not a stream")

    async def told() -> bool:
        return await stage.told("entry_refused") > 0

    await wait_until(told, "the refusal is told")
    await stage.grows("of another symbol")
    await stage.redis.rename(f"{key}:aside", key)


async def test_another_accounts_store_is_left_alone(stage: Stage) -> None:
    """A store belongs to one exchange, environment and account."""
    environment = {**stage.environment, "BITMART_API_KEY": "key-of-mine"}  # finds the server by its DATA_DIR
    stranger = Program("stranger", stage.folder, environment, "ingest")
    stranger.start()
    assert await stranger.ended() == 2
    assert "belong to account" in stranger.text
    assert "key-of-mine" not in stranger.text
    assert len((await stage.get("/status"))["ingesters"]) == 1


# Signals, and the demonstration.


async def test_a_second_signal_forces_the_end(stage: Stage) -> None:
    """A second signal forces the end."""
    # An exchange that is frozen holds up the draining for long enough.
    second = Program("second", stage.folder, {**stage.environment, "PING_INTERVAL_S": "60", "REPLICAS": "2"}, "ingest")
    second.start()
    try:
        await second.says("public connection open")
        async with stage.fault(freeze=1):
            second.process.send_signal(signal.SIGTERM)
            await second.says("draining")
            second.process.send_signal(signal.SIGTERM)
            assert await second.ended() == 128 + signal.SIGTERM
        assert "forced" in second.text
    finally:
        second.kill()


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
