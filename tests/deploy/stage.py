"""A deployment as its guide describes it: every part a program of its own, its secrets in files, Redis with users."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from bridge.simulator import Scenario, Simulator
from tests.deploy.redis_users import RedisWithUsers, redis_with_users
from tests.scenarios.stage import Program
from tests.store.processes import own_port
from tests.support import wait_until

ACCOUNT = {"BITMART_API_KEY": "key-4d1f", "BITMART_API_SECRET": "secret-77ab", "BITMART_API_MEMO": "memo-90ce"}


@dataclass
class Deployment:
    """What runs, and how it is reached."""

    store: RedisWithUsers
    exchange: Simulator
    ingester: Program
    control: Program
    api: httpx2.AsyncClient
    ledger: Path

    async def wait_for(self, *topics: str) -> None:
        """Wait until these topics are active."""

        async def active() -> bool:
            states: dict[str, Any] = (await self.api.get("/status")).json()["topics"]
            return all(states.get(topic, {}).get("state") == "active" for topic in topics)

        await wait_until(active, f"{topics} active; the ingester said:\n{self.ingester.text}", 30)


def handed_over(folder: Path, secrets: dict[str, str]) -> dict[str, str]:
    """Write secrets into files; return the variables that name them."""
    for name, text in secrets.items():
        (folder / name).write_text(f"{text}\n", encoding="utf-8")
    return {f"{name}_FILE": str(folder / name) for name in secrets}


@asynccontextmanager
async def deployed(folder: Path) -> AsyncIterator[Deployment]:
    """Start everything, each part as its own user of Redis, and stop it."""
    ledger = folder / "ledger"
    scenario = Scenario(
        rate=60, api_key=ACCOUNT["BITMART_API_KEY"], api_secret=ACCOUNT["BITMART_API_SECRET"],
        api_memo=ACCOUNT["BITMART_API_MEMO"], order_interval_s=60,
    )  # fmt: skip
    with redis_with_users(folder) as store:
        async with Simulator(scenario, ledger_path=ledger) as exchange:
            control_port = own_port()
            common = {
                **handed_over(folder, ACCOUNT),
                "BITMART_PUBLIC_WS_URI": exchange.public_ws_uri,
                "BITMART_PRIVATE_WS_URI": exchange.private_ws_uri,
                "BITMART_REST_URI": exchange.rest_uri,
                "CTRL_TOKEN_FILE": str(store.secrets / "ctrl-token"),
                "CTRL_ADDR": f"127.0.0.1:{control_port}",
                "SUBSCRIBE_DELAY_MS": "0",
                "LOG_LEVEL": "debug",
            }
            ingester, control = (
                Program(name, folder, {**common, "REDIS_URL_FILE": str(store.secrets / f"redis-url-{user}")}, name)
                for name, user in (("ingest", "ingester"), ("control", "control"))
            )
            token = (store.secrets / "ctrl-token").read_text(encoding="utf-8")
            api = httpx2.AsyncClient(
                base_url=f"http://127.0.0.1:{control_port}", headers={"Authorization": f"Bearer {token}"}, timeout=20
            )
            try:
                ingester.start()
                control.start()
                yield Deployment(store, exchange, ingester, control, api, ledger)
            finally:
                await api.aclose()
                ingester.kill()
                control.kill()
