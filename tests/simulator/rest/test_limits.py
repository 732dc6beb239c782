"""Request limits over HTTP."""

from bridge.simulator import Simulator
from tests.simulator.clients import get, quiet


async def test_headers_count_up_and_too_many_requests_are_refused() -> None:
    async with Simulator(quiet()) as simulator:
        replies = [await get(simulator, "/contract/private/get-position-mode") for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    counts = [
        {name: reply.headers[f"X-BM-RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset", "Mode")}
        for reply in replies[:2]
    ]
    assert counts == [
        {"Limit": "2", "Remaining": "1", "Reset": "2", "Mode": "KEY"},
        {"Limit": "2", "Remaining": "2", "Reset": "2", "Mode": "KEY"},
    ]
    body = replies[2].json()
    assert body == {"trace": body["trace"], "msg": "Request too many requests", "code": 30013}


async def test_each_endpoint_is_counted_for_itself() -> None:
    async with Simulator(quiet()) as simulator:
        paths = ["/contract/public/details", "/system/time", "/contract/private/trades"]
        used = [(await get(simulator, path)).headers["X-BM-RateLimit-Remaining"] for path in paths]
    assert used == ["1", "1", "1"]


async def test_going_on_is_answered_with_a_ban_for_a_while() -> None:
    async with Simulator(quiet(ban_after=2, ban_s=60.0)) as simulator:
        mode = "/contract/private/get-position-mode"
        statuses = [(await get(simulator, mode)).status_code for _ in range(5)]
        other = await get(simulator, "/system/time")
    assert statuses == [200, 200, 429, 429, 418]
    assert (other.status_code, other.json()["code"]) == (418, 30017)


async def test_limits_can_be_left_out() -> None:
    async with Simulator(quiet(limits=False)) as simulator:
        replies = [await get(simulator, "/contract/private/get-position-mode") for _ in range(5)]
    assert {reply.status_code for reply in replies} == {200}
