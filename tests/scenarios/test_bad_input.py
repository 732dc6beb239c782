"""Bad input, given to the real programs: the rows of the table in BEHAVIOR.md that stand for the others.

One stage for all of it: a bridge with a server of its own, a simulated exchange, and a client of each.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import Final

import pytest
import pytest_asyncio

from tests.scenarios.programs import BTC, ETH, ORDER, Stage, staged
from tests.scenarios.stage import NOWHERE, Program
from tests.support import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with staged(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


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


# Signals.


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
            assert await second.ended(timeout_s=2) == 128 + signal.SIGTERM
        assert "forced" in second.text
        assert "did not answer our unsubscriptions" not in second.text, "it did not wait for what held it up"
    finally:
        second.kill()
