"""What a newcomer needs to see first: where everything is, and the two commands to try."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from bridge import __version__, redis_url
from bridge.exchanges.base import Exchange
from bridge.redis_url import Kind
from bridge.settings import Settings
from bridge.store.keys import Keys
from bridge.values import Secret


def banner(settings: Settings, exchange: Exchange, control_url: str, whose: str) -> str:
    """Return a screen of text; secrets, such as a password in the Redis URL, are left out."""
    where = redis_url.shown(settings.redis_url.reveal())
    stream = Keys(settings.bridge_prefix).klines("BTCUSDT", "1m")
    token = ' -H "Authorization: Bearer $CTRL_TOKEN"' if settings.ctrl_token else ""
    body = '{"symbol":"BTCUSDT","tfs":["1m","5m"]}'
    lines = [
        f"bitmart-bridge {__version__}: {exchange.name} ({exchange.environment}) into Redis Streams",
        f"  Redis      {where}  ({whose})",
        f"  Control    {control_url}",
        f"  Subscribe  curl -s -X POST {control_url}/klines/subscribe{token} -d '{body}'",
        f"  Read       redis-cli {_for_redis_cli(settings.redis_url)} XREAD BLOCK 0 STREAMS '{stream}' '$'",
        f"             {_command()} tail --redis-url {where}",
        "  Stop       Ctrl-C; a second one forces",
    ]
    if exchange.environment == "simulator":
        lines.append("  Note       the exchange is simulated, and its time may run faster than ours")
    if exchange.environment == "live":
        lines.append(
            "  Note       BitMart has announced that trading ended on 2026-08-26 and that it closes on 2027-01-31:"
            " its sockets may be silent or gone. `bitmart-bridge up --demo` shows the bridge at work."
        )
    return "\n".join(lines)


def _for_redis_cli(url: Secret) -> str:
    """Return how to tell redis-cli where Redis is; it knows no sentinels, so that their primary is named in words."""
    parsed = redis_url.parse(url.reveal())
    if parsed.path:
        return f"-s {parsed.path}"
    if parsed.kind is Kind.SENTINEL:
        return "-h PRIMARY"
    if parsed.kind is Kind.SINGLE:
        return f"-u {redis_url.shown(url.reveal())}"
    host, port = parsed.addresses[0]
    return f"-c -u {'rediss' if parsed.tls else 'redis'}://{f'[{host}]' if ':' in host else host}:{port}"


def _command() -> str:
    """Return what to type for this program: its path, where its name alone would not be found."""
    path = Path(sys.argv[0])
    return str(path) if path.name == "bitmart-bridge" and not shutil.which(path.name) else "bitmart-bridge"
