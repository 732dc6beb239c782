"""Which event loop a user's bridge runs on."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from bridge.store import client
from bridge.store.keys import Keys
from bridge.store.members import Members
from bridge.values import Secret
from tests.scenarios.stage import Program
from tests.support import wait_until

_LIFETIME_S = 5.0


async def test_an_ingester_runs_on_the_fastest_loop_there_is_and_says_so(tmp_path: Path, valkey_url: str) -> None:
    """An ingester runs on the fastest event loop there is.

    That is uvloop where it is installed, as it is wherever it can be; its name stands in the ingester's state.
    """
    store = client.commands(Secret(valkey_url))
    ingester = Program("ingester", tmp_path, {"REDIS_URL": valkey_url}, "ingest")
    members = Members(store, Keys(), _LIFETIME_S)
    loops: list[str] = []

    async def told() -> bool:
        loops[:] = [state.get("loop", "") for state in (await members.alive()).values()]
        return any(loops)

    ingester.start()
    try:
        await wait_until(told, f"the ingester tells its loop; it said:\n{ingester.text}", 20)
    finally:
        ingester.kill()
        await store.aclose()
    assert loops == ["uvloop" if find_spec("uvloop") else "asyncio"]
