"""What messages are answered with, over real sockets."""

import json
import re

import pytest

from bridge.simulator import Faults, Simulator, login_signature
from tests.simulator.clients import Talk, credentials, private, public, quiet

KLINE = "futures/klineBin1m:BTCUSDT"


def ack(topic: str, *args: str, action: str = "subscribe") -> dict[str, object]:
    request = {"action": action, "args": list(args or [topic])}
    return {"action": action, "group": topic, "success": True, "request": request}


@pytest.mark.parametrize(
    ("secret", "memo", "timestamp", "sign"),
    [
        (
            "6c6c98544461bbe71db2bca4c6d7fd0021e0ba9efc215f9c6ad41852df9d9df9",
            "test001",
            "1589267764859",
            "3ceeb7e1b8cb165a975e28a2e2dfaca4d30b358873c0351c1a071d8c83314556",
        ),
        (
            "TEST_SECRET_KEY",
            "TEST_MEMO",
            "1640001112223",
            "3718d08b91b979cf8b0e4b300734f4edbe42fd91dbca8db2c8f1639a546c37b2",
        ),
    ],
)
def test_the_login_signature_matches_the_published_vectors(secret: str, memo: str, timestamp: str, sign: str) -> None:
    assert login_signature(secret, memo, timestamp) == sign


async def test_each_topic_is_acknowledged_in_order_with_the_whole_request() -> None:
    topics = ["futures/klineBin1H:ETHUSDT", KLINE, "futures/ticker:BTCUSDT", "futures/depth50:BTCUSDT@100ms"]
    async with Simulator(quiet()) as simulator, public(simulator) as talk:
        await talk.send(action="subscribe", args=topics)
        assert [await talk.next() for _ in topics] == [ack(topic, *topics) for topic in topics]
        assert simulator.stats.topics == {"public-1": topics}


async def test_subscribing_twice_is_acknowledged_twice() -> None:
    async with Simulator(quiet(), faults=Faults(stall=True)) as simulator, public(simulator) as talk:
        assert await talk.subscribe(KLINE) == await talk.subscribe(KLINE) == [ack(KLINE)]
        assert simulator.stats.topics == {"public-1": [KLINE]}


async def test_keys_are_read_whatever_their_case() -> None:
    async with Simulator(quiet()) as simulator, public(simulator) as talk:
        await talk.send(Action="subscribe", ARGS=[KLINE])
        assert await talk.next() == ack(KLINE)


async def test_unsubscribing_is_acknowledged_held_or_not() -> None:
    async with Simulator(quiet(), faults=Faults(stall=True)) as simulator, public(simulator) as talk:
        await talk.subscribe(KLINE)
        for _ in range(2):
            await talk.send(action="unsubscribe", args=[KLINE])
            assert await talk.next() == ack(KLINE, action="unsubscribe")
        assert simulator.stats.topics == {"public-1": []}


@pytest.mark.parametrize(
    "topic",
    [
        "futures/klineBin1m:NOPEUSDT",
        "futures/klineBin1m:DEL001USDT",
        "futures/klineBin3m:BTCUSDT",
        "futures/klineBin1h:BTCUSDT",
        "futures/depthIncrease30:BTCUSDT",
        "futures/depthIncrease50:BTCUSDT@50ms",
        "spot/ticker:BTCUSDT",
        "futures/nonsense",
        "",
    ],
)
async def test_what_does_not_exist_is_refused_and_the_others_are_not(topic: str) -> None:
    async with Simulator(quiet(), faults=Faults(stall=True)) as simulator, public(simulator) as talk:
        refusal, success = await talk.subscribe(topic, KLINE)
        assert refusal == {
            "action": "subscribe",
            "group": topic,
            "success": False,
            "error": f"Invalid channel: not found {topic}",
            "request": {"action": "subscribe", "args": [topic, KLINE]},
        }
        assert success == ack(KLINE, topic, KLINE)


async def test_faults_change_acknowledgements() -> None:
    async with Simulator(quiet(), faults=Faults(stall=True)) as simulator, public(simulator) as talk:
        simulator.faults.ack_own_request = simulator.faults.docs_error_text = True
        simulator.faults.refuse_topics = ["futures/klineBin5m:BTCUSDT"]
        first, second = await talk.subscribe("futures/klineBin5m:BTCUSDT", KLINE)
        assert first["error"] == "group [futures/klineBin5m:BTCUSDT] not exist"
        assert second == ack(KLINE)
        simulator.faults.ack_silent = True
        await talk.send(action="subscribe", args=["futures/klineBin1D:BTCUSDT"])
        assert (await talk.pong())["group"] == "System"
        assert simulator.stats.topics == {"public-1": [KLINE, "futures/klineBin1D:BTCUSDT"]}


async def test_unknown_actions_are_named() -> None:
    async with Simulator(quiet()) as simulator, public(simulator) as talk:
        await talk.send(action="", args=["futures/trade:BTCUSDT"])
        assert await talk.next() == {
            "action": "",
            "group": "futures/trade:BTCUSDT",
            "success": False,
            "error": "Invalid action [] for group [futures/trade:BTCUSDT]",
            "request": {"action": "", "args": ["futures/trade:BTCUSDT"]},
        }


@pytest.mark.parametrize("text", ["ping", "{", "[1]", '{"action":3}', '{"action":"subscribe","args":"x"}'])
async def test_text_that_is_no_message_is_refused_and_the_socket_stays_open(text: str) -> None:
    async with Simulator(quiet()) as simulator, public(simulator) as talk:
        await talk.socket.send(text)
        assert await talk.next() == {"success": False, "error": f"Invalid message: message must be JSON: {text}"}
        assert (await talk.pong())["group"] == "System"


async def test_a_request_for_a_silent_channel_gets_nothing() -> None:
    async with Simulator(quiet()) as simulator, public(simulator) as talk:
        await talk.send(action="request", args=["futures/depthIncrease50:BTCUSDT"])
        assert (await talk.pong())["group"] == "System"
        assert simulator.stats.frames_out == 1


async def test_each_ping_is_answered_with_a_fresh_uuid() -> None:
    async with Simulator(quiet()) as simulator, public(simulator) as talk:
        pongs = [await talk.pong() for _ in range(2)]
    uuid4 = r"pong\+[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert all(set(pong) == {"group", "data"} and re.fullmatch(uuid4, pong["data"]) for pong in pongs)
    assert pongs[0] != pongs[1]


async def test_the_other_pongs() -> None:
    async with Simulator(quiet(), faults=Faults(pong_plain=True)) as simulator, public(simulator) as talk:
        assert await talk.pong() == {"group": "System", "data": "pong"}
        simulator.faults.set("pong_text", value=True)
        await talk.socket.send("ping")
        await talk.send(action="ping")
        assert [await talk.raw(), await talk.raw()] == ["pong", "pong"]
        simulator.faults.no_pong = True
        await talk.send(action="ping")
        assert await talk.subscribe(KLINE) == [ack(KLINE)]
        assert simulator.stats.pings == 3


async def test_long_messages_close_the_socket_with_1009() -> None:
    async with Simulator(quiet()) as simulator, public(simulator) as talk:
        await talk.socket.send(json.dumps({"action": "ping", "args": ["x" * 2011]}))
        assert (await talk.next())["group"] == "System"
        await talk.socket.send("x" * 2049)
        await talk.closed()
        assert talk.socket.close_code == 1009


async def test_private_topics_need_a_login() -> None:
    async with Simulator(quiet()) as simulator, private(simulator, login=False) as talk:
        assert await talk.subscribe("futures/order") == [
            {
                "action": "subscribe",
                "group": "futures/order",
                "success": False,
                "error": "futures/order need authenication",
                "request": {"action": "subscribe", "args": ["futures/order"]},
            }
        ]


async def test_after_the_login_the_private_topics_are_held() -> None:
    topics = ["futures/order", "futures/position", "futures/asset:USDT"]
    async with Simulator(quiet()) as simulator, private(simulator) as talk:
        assert await talk.subscribe(*topics) == [ack(topic, *topics) for topic in topics]
        assert simulator.stats.logins == 1
        simulator.faults.auth_unavailable = True
        refusal = (await talk.subscribe("futures/order"))[0]
        assert refusal["error"] == "authentication is temporarily unavailable"


async def test_each_socket_serves_its_own_topics_only() -> None:
    async with Simulator(quiet()) as simulator, private(simulator) as inner, public(simulator) as outer:
        errors = [(await inner.subscribe(KLINE))[0]["error"]]
        await outer.send(action="access", args=credentials(simulator))
        assert (await outer.next())["success"] is True
        errors.append((await outer.subscribe("futures/order"))[0]["error"])
    assert errors == [f"Invalid channel: not found {KLINE}", "Invalid channel: not found futures/order"]


async def refused(talk: Talk, args: list[str]) -> None:
    await talk.send(action="access", args=args)
    key = args[0][:10]
    error = f"access failed: openapi auth: apiKey {key}**** failed: openapi auth failed"
    assert await talk.next() == {"action": "access", "success": False, "error": error}
    await talk.closed()
    assert talk.socket.close_code == 1008


async def test_a_wrong_login_is_told_and_closed() -> None:
    async with Simulator(quiet()) as simulator:
        for args in (
            credentials(simulator, secret="wrong"),
            credentials(simulator, at=simulator.now - 70_000),
            credentials(simulator, at=simulator.now + 90_000),
            ["880d5edecs1234", *credentials(simulator)[1:]],
            ["short"],
        ):
            async with private(simulator, login=False) as talk:
                await refused(talk, args)
        assert (simulator.stats.logins, simulator.stats.logins_failed) == (0, 5)


async def test_a_login_signed_a_little_in_the_future_is_accepted() -> None:
    async with Simulator(quiet()) as simulator, private(simulator, login=False) as talk:
        await talk.send(action="access", args=credentials(simulator, at=simulator.now + 5000))
        assert await talk.next() == {"action": "access", "success": True}


async def test_logins_can_be_refused_or_left_unanswered() -> None:
    async with Simulator(quiet(), faults=Faults(refuse_login=True)) as simulator:
        async with private(simulator, login=False) as talk:
            await refused(talk, credentials(simulator))
        simulator.faults.login_silent = True
        async with private(simulator, login=False) as talk:
            await talk.send(action="access", args=credentials(simulator))
            assert (await talk.pong())["group"] == "System"
