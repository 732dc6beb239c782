"""How the tests of the simulator talk to it: over real sockets, each wait with a deadline."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
from websockets.asyncio.client import connect

from bridge.simulator import Scenario, Simulator, login_signature
from bridge.simulator.recorded.replay import Replay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from websockets.asyncio.client import ClientConnection

# 2026-09-23 10:20:00 UTC, a Wednesday.
START = 1_790_158_800_000
DEADLINE_S = 20
# So slow that nothing happens by itself during a test: what a frame says is known to the last digit.
STANDSTILL = 0.0001

Frame = dict[str, Any]


def quiet(**fields: Any) -> Scenario:  # noqa: ANN401 - the fields of a scenario
    """A scenario whose account does nothing by itself."""
    return Scenario(**({"start": START, "rate": 60.0, "trading": False} | fields))


class Talk:
    """One WebSocket, with waiting under a deadline."""

    def __init__(self, socket: ClientConnection) -> None:
        """Talk over an open socket."""
        self.socket = socket

    async def send(self, **message: object) -> None:
        await self.socket.send(json.dumps(message))

    async def raw(self) -> str | bytes:
        async with asyncio.timeout(DEADLINE_S):
            return await self.socket.recv()

    async def next(self) -> Frame:
        frame: Frame = json.loads(await self.raw())
        return frame

    async def until(self, wanted: Callable[[Frame], object]) -> Frame:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                frame = await self.next()
                if wanted(frame):
                    return frame

    async def data(self, group: str) -> Any:  # noqa: ANN401 - JSON
        return (await self.until(lambda frame: frame.get("group") == group and "data" in frame))["data"]

    async def subscribe(self, *topics: str) -> list[Frame]:
        await self.send(action="subscribe", args=topics)
        return [await self.until(lambda frame: frame.get("action") == "subscribe") for _ in topics]

    async def pong(self) -> Frame:
        """The answer to a ping: everything sent before has been handled when it is there."""
        await self.send(action="ping")
        return await self.until(lambda frame: frame.get("group") == "System")

    async def closed(self) -> None:
        async with asyncio.timeout(DEADLINE_S):
            await self.socket.wait_closed()


@asynccontextmanager
async def public(simulator: Simulator | Replay, *, compression: str | None = "deflate") -> AsyncIterator[Talk]:
    """A public socket."""
    async with connect(simulator.public_ws_uri, compression=compression) as socket:
        yield Talk(socket)


@asynccontextmanager
async def private(simulator: Simulator, *topics: str, login: bool = True) -> AsyncIterator[Talk]:
    """A private socket, logged in unless told otherwise, holding some topics."""
    async with connect(simulator.private_ws_uri) as socket:
        talk = Talk(socket)
        if login:
            await talk.send(action="access", args=credentials(simulator))
            assert await talk.next() == {"action": "access", "success": True}
        if topics:
            assert all(ack["success"] for ack in await talk.subscribe(*topics))
        yield talk


def credentials(simulator: Simulator, *, at: int | None = None, secret: str = "") -> list[str]:
    """The arguments of a login."""
    scenario = simulator.scenario
    timestamp = str(simulator.now if at is None else at)
    sign = login_signature(secret or scenario.api_secret, scenario.api_memo, timestamp)
    return [scenario.api_key, timestamp, sign, "web"]


async def get(
    simulator: Simulator | Replay, path: str, *, key: str | None = None, **query: str | int
) -> httpx2.Response:
    """A REST reply; private paths get the right key unless another is given."""
    if key is None and "/private/" in path:
        key = simulator.scenario.api_key
    headers = {"X-BM-KEY": key} if key else {}
    params = {name: str(value) for name, value in query.items()}
    async with httpx2.AsyncClient(base_url=simulator.rest_uri, headers=headers, timeout=DEADLINE_S) as client:
        return await client.get(path, params=params)


async def data(simulator: Simulator, path: str, **query: str | int) -> Any:  # noqa: ANN401 - JSON
    """The data of a successful REST reply."""
    reply = await get(simulator, path, key=None, **query)
    body = reply.json()
    assert (reply.status_code, body["code"]) == (200, 1000), body
    return body["data"]
