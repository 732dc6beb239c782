"""How often a caller may try a token, change something and ask for something."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from bridge.control import limits
from bridge.control.auth import Gate
from bridge.control.limits import Allowance, caller_of
from bridge.values import Secret

TOKEN = "the-token"


class Clock:
    """A clock that moves when told."""

    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_burst_is_allowed_then_as_much_as_time_gives(clock: Clock) -> None:
    allowance = Allowance(per_s=0.5, burst=3, now=clock)
    for _ in range(3):
        assert allowance.wait_s("a") == 0
        allowance.take("a")
    assert allowance.wait_s("a") == 2
    clock.now_s += 1.5
    assert allowance.wait_s("a") == 1
    clock.now_s += 0.5
    assert allowance.wait_s("a") == 0


def test_time_gives_no_more_than_a_burst(clock: Clock) -> None:
    allowance = Allowance(per_s=1, burst=2, now=clock)
    allowance.take("a")
    clock.now_s += 1_000
    for _ in range(2):
        allowance.take("a")
    assert allowance.wait_s("a") == 1


def test_one_caller_uses_up_nobody_elses_allowance(clock: Clock) -> None:
    allowance = Allowance(per_s=1, burst=1, now=clock)
    allowance.take("a")
    assert allowance.wait_s("a") == 1
    assert allowance.wait_s("b") == 0


@given(st.floats(0.01, 1_000), st.integers(1, 1_000), st.lists(st.floats(0, 100), max_size=20))
def test_after_the_wait_that_was_told_one_may(per_s: float, burst: int, pauses: list[float]) -> None:
    clock = Clock()
    allowance = Allowance(per_s=per_s, burst=burst, now=clock)
    for pause in pauses:
        clock.now_s += pause
        if allowance.wait_s("a"):
            clock.now_s += allowance.wait_s("a")
            assert allowance.wait_s("a") == 0
        allowance.take("a")


def test_a_flood_of_addresses_takes_a_bounded_memory(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(limits, "_REMEMBERED", 10)
    allowance = Allowance(per_s=1, burst=1, now=clock)
    for number in range(100):
        allowance.take(str(number))
    assert len(allowance._buckets) == 10  # noqa: SLF001 - what it keeps is what is tested
    assert allowance.wait_s("99") == 1


@pytest.mark.parametrize(
    ("host", "caller"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_one_network_of_ipv6_is_one_caller(host: str, caller: str) -> None:
    assert caller_of(host) == caller


class Callers:
    """Callers of a gate with a token, each from an address of its own."""

    def __init__(self, clock: Clock, token: str = TOKEN) -> None:
        """Stand before a gate that allows two changes a second and twenty requests besides."""

        async def inside(scope: Scope, receive: Receive, send: Send) -> None:
            await PlainTextResponse("let in")(scope, receive, send)

        self._gate = Gate(inside, token=Secret(token), own_host="", changes_per_s=2, reads_per_s=20, now=clock)

    async def call(
        self, shown: str = TOKEN, method: str = "GET", peer: str = "127.0.0.1", path: str = "/status"
    ) -> tuple[int, str]:
        """Return the answer's status and when to come again."""
        said: list[Message] = []

        async def send(message: Message) -> None:
            said.append(message)

        async def receive() -> Message:
            raise AssertionError("the body was asked for")

        headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {shown}".encode())]
        scope = {"type": "http", "method": method, "path": path, "headers": headers, "client": (peer, 1)}
        await self._gate(scope, receive, send)
        found = {name.decode(): value.decode() for name, value in said[0]["headers"]}
        return said[0]["status"], found.get("retry-after", "")


async def test_who_tries_wrong_tokens_has_to_wait_and_then_even_the_right_one_is_not_compared(clock: Clock) -> None:
    callers = Callers(clock)
    assert {await callers.call("wrong", peer="10.0.0.1") for _ in range(20)} == {(403, "")}
    assert await callers.call("wrong", peer="10.0.0.1") == (429, "5")
    assert await callers.call(TOKEN, peer="10.0.0.1") == (429, "5")
    assert await callers.call(TOKEN, peer="10.0.0.2") == (200, "")
    clock.now_s += 5
    assert await callers.call(TOKEN, peer="10.0.0.1") == (200, "")


async def test_the_right_token_uses_up_nothing(clock: Clock) -> None:
    callers = Callers(clock)
    assert {await callers.call() for _ in range(100)} == {(200, "")}


@pytest.mark.parametrize("token", [TOKEN, ""])
async def test_who_changes_too_much_has_to_wait_and_may_go_on_reading(token: str, clock: Clock) -> None:
    callers = Callers(clock, token)
    assert {await callers.call(method="POST") for _ in range(20)} == {(200, "")}
    assert await callers.call(method="POST") == (429, "1")
    assert await callers.call(method="PUT") == (429, "1")
    assert await callers.call(method="GET") == (200, "")
    clock.now_s += 0.5
    assert await callers.call(method="POST") == (200, "")


async def test_a_refused_change_uses_up_nothing(clock: Clock) -> None:
    callers = Callers(clock, "")
    for _ in range(100):
        assert (await callers.call(method="POST", peer="10.0.0.1"))[0] == 403
    assert (await callers.call(method="POST"))[0] == 200


@pytest.mark.parametrize("token", [TOKEN, ""])
async def test_who_asks_too_often_has_to_wait_and_may_go_on_changing(token: str, clock: Clock) -> None:
    callers = Callers(clock, token)
    assert {await callers.call(path=path) for path in ("/status", "/metrics") for _ in range(100)} == {(200, "")}
    assert await callers.call() == (429, "1")
    assert await callers.call(method="HEAD", path="/") == (429, "1")
    assert await callers.call(method="POST") == (200, "")
    clock.now_s += 0.05
    assert await callers.call() == (200, "")


async def test_health_is_told_to_whoever_has_asked_too_often(clock: Clock) -> None:
    callers = Callers(clock)
    while await callers.call() == (200, ""):
        pass
    assert {await callers.call(path="/health/live") for _ in range(1_000)} == {(200, "")}


async def test_one_address_asking_too_often_keeps_nobody_else_waiting(clock: Clock) -> None:
    callers = Callers(clock)
    while await callers.call(peer="10.0.0.1") == (200, ""):
        pass
    assert await callers.call(peer="10.0.0.2") == (200, "")
