"""The end of a bridge with a server of its own, even one that nobody announced."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from bridge.simulator import Simulator
from tests.ingest.rig import market
from tests.scenarios.stage import Api, Program
from tests.scenarios.whole import BTC
from tests.support import wait_until


def started(folder: Path, exchange: Simulator) -> Program:
    """Start a bridge with a server of its own, its data in `folder`."""
    environment = {
        "BITMART_PUBLIC_WS_URI": exchange.public_ws_uri,
        "BITMART_PRIVATE_WS_URI": exchange.private_ws_uri,
        "BITMART_REST_URI": exchange.rest_uri,
        "DATA_DIR": str(folder),
        "CTRL_ADDR": "127.0.0.1:0",
        "EMBEDDED_PORT": "1",
    }
    bridge = Program("bridge", folder, environment, "up")
    bridge.start()
    return bridge


def shown(bridge: Program, pattern: str) -> str:
    """Return what the newest banner shows."""
    return str(re.findall(pattern, bridge.text)[-1])


def listens(port: int) -> bool:
    """Tell whether anybody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_our_own_server_never_outlives_us_and_a_stop_loses_nothing(tmp_path: Path) -> None:
    """Our own server never outlives us, and a stop loses nothing."""
    async with market() as exchange:
        bridge = started(tmp_path, exchange)
        try:
            await bridge.says("Stop       Ctrl-C")
            port = int(shown(bridge, r"Redis +redis://127\.0\.0\.1:(\d+)"))
            api = Api(shown(bridge, r"Control +(http\S+)"))
            assert (await api.post("/klines/subscribe?wait=active", {"symbol": "BTCUSDT", "tfs": "1m"}))["ok"]
            await api.close()

            # The bridge is killed: its server ends with it.
            bridge.kill()
            await wait_until(lambda: not listens(port), "its server has ended", 20)

            # The next one finds what was acknowledged, and stops in good order.
            bridge.output.unlink()
            bridge.start()
            await bridge.says("Stop       Ctrl-C")
            port = int(shown(bridge, r"Redis +redis://127\.0\.0\.1:(\d+)"))
            api = Api(shown(bridge, r"Control +(http\S+)"))
            await wait_until(lambda: api.active({BTC}), "the wish is served again", 20)
            await api.close()
            assert await bridge.stop() == 0
            assert not listens(port)
        finally:
            bridge.kill()
