"""Which topics exist."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.simulator.timeframes import BY_WIRE

if TYPE_CHECKING:
    from collections.abc import Container

    from bridge.simulator.timeframes import Timeframe

ORDER = "futures/order"
POSITION = "futures/position"
ASSET = "futures/asset:"

# Documented: USDT, BTC and ETH; one client also subscribes to USDC.
CURRENCIES = ("USDT", "BTC", "ETH", "USDC")

_KLINE = re.compile(r"futures/klineBin(?P<interval>\w+):(?P<symbol>\w+)")

# Public channels that exist and are acknowledged but, here, never push: nothing in this project listens to them.
# A colon in front of the speed was accepted on the wire in 2025-01, the at sign ever since.
_SPEED = r"(?:[@:](?:100|200)ms)?"
_SILENT = (
    re.compile(rf"futures/(?:v2/)?(?:depth|depthAll|depthIncrease)(?:5|20|50):(?P<symbol>\w+){_SPEED}"),
    re.compile(rf"futures/(?:ticker|bookticker|trade|fundingRate):(?P<symbol>\w+){_SPEED}"),
    re.compile(rf"futures/markPriceKlineBin(?:{'|'.join(BY_WIRE)}):(?P<symbol>\w+)"),
)


@dataclass(frozen=True, slots=True)
class KlineTopic:
    """A kline channel taken apart."""

    name: str
    symbol: str
    timeframe: Timeframe


def is_private(topic: str) -> bool:
    """Whether this is a topic of an account."""
    return topic in (ORDER, POSITION) or topic.removeprefix(ASSET) in CURRENCIES


def kline(topic: str) -> KlineTopic | None:
    """The parts of a kline topic with an interval that exists, whatever its symbol; None for any other topic."""
    match = _KLINE.fullmatch(topic)
    if match is None or match["interval"] not in BY_WIRE:
        return None
    return KlineTopic(topic, match["symbol"], BY_WIRE[match["interval"]])


def is_public(topic: str, symbols: Container[str]) -> bool:
    """Whether a public channel of this name exists, for one of these symbols."""
    parts = kline(topic)
    if parts is not None:
        return parts.symbol in symbols
    if topic == "futures/ticker":
        return True
    matches = (pattern.fullmatch(topic) for pattern in _SILENT)
    return any(match["symbol"] in symbols for match in matches if match)
