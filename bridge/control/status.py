"""`GET /status`: what the wishes, the members and the positions say, in one answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final

from bridge import __version__
from bridge.clock import host_ms
from bridge.control.answers import Number, Status
from bridge.control.backend import Backend
from bridge.control.progress import Progress
from bridge.errors import InvalidTopicError
from bridge.exchanges.base import Channel, Exchange
from bridge.records import PositionSide
from bridge.store.members import STOP

_CONNECTED: Final = ("logging_in", "open")
_FLAGS: Final = ("authenticated", "draining")
_NUMBERS: Final = (
    "pid",
    "started",
    "applied_rev",
    "frames",
    "malformed",
    "records",
    "entries",
    "repeats",
    "conflated",
    "overflowed",
    "refused",
    "depth",
    "clock_ms",
    "members",
    "target",
    "serving",
    "taken_over",
    "handed_over",
    "let_go",
    "returns",
    "connections",
    "unplaced",
)
_SIDES: Final = {PositionSide.LONG.value: "1", PositionSide.SHORT.value: "2"}


async def current(backend: Backend) -> Status:
    """Return how everything is now."""
    seen = await backend.snapshot()
    positions = await backend.positions()
    members, wishes, exchange = seen.members.values(), seen.wishes, backend.exchange
    return Status(
        is_running=bool(seen.members),
        public_ws_connected=any(member.get("public") in _CONNECTED for member in members),
        private_ws_connected=any(member.get("private") in _CONNECTED for member in members),
        authenticated=any(member.get("authenticated") == "1" for member in members),
        kline_channels=_klines(exchange, wishes.topics),
        order_subscribed=exchange.order_topic in wishes.topics,
        position_subscribed=exchange.position_topic in wishes.topics,
        positions={_slot(position): position for position in positions},
        version=__version__,
        exchange=exchange.name,
        environment=exchange.environment,
        paused=wishes.paused,
        revision=wishes.revision,
        ingesters=[ingester(name, state) for name, state in sorted(seen.members.items())],
        topics=Progress(exchange, seen).all(host_ms()),
    )


def ingester(name: str, state: Mapping[str, str]) -> dict[str, str | Number | bool]:
    """Return one member's state with numbers as numbers; what it doesn't say, or says oddly, is left as it is."""
    shown: dict[str, str | Number | bool] = {"id": name, **state}
    for field in _NUMBERS:
        with suppress(KeyError, ValueError):
            shown[field] = _number(state[field])
    for field in _FLAGS:
        shown[field] = state.get(field) == "1"
    shown["stopping"] = shown.pop(STOP, None) is not None
    return shown


def _number(text: str) -> Number:
    return int(text) if text.lstrip("-").isdecimal() else float(text)


def _klines(exchange: Exchange, wanted: Iterable[str]) -> list[str]:
    found = []
    for name in sorted(wanted):
        # Anybody can put anything into the set by hand.
        with suppress(InvalidTopicError):
            if exchange.topic(name).channel is Channel.KLINE:
                found.append(name)
    return found


def _slot(position: Mapping[str, str]) -> str:
    """Return `BTCUSDT_1` for a long and `BTCUSDT_2` for a short position, also in one-way mode; 0 is unknown."""
    return f"{position.get('symbol', '')}_{_SIDES.get(position.get('side', ''), '0')}"
