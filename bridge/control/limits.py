"""How often a caller may try a token, change something, and ask for something."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

# Callers remembered at once. A bucket that is forgotten was full again long ago, or is one of a flood of addresses.
_REMEMBERED: Final = 10_000
_NETWORK_BITS: Final = 64


class Allowance:
    """A bucket of tokens for each caller: it holds so many at most, and gains so many in a second."""

    def __init__(self, per_s: float, burst: float, now: Callable[[], float] = time.monotonic) -> None:
        """Let each caller do `burst` things at once, and `per_s` in a second from then on."""
        self._per_s = per_s
        self._burst = burst
        self._now = now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, caller: str) -> int:
        """Return in how many whole seconds the caller may again, or 0 if it may now; takes nothing."""
        missing = 1 - self._left(caller)
        # A hair's breadth is the arithmetic's own.
        return math.ceil(missing / self._per_s - 1e-6) if missing > 0 else 0

    def take(self, caller: str) -> None:
        """Take note that the caller has done it once more."""
        self._buckets[caller] = (self._left(caller) - 1, self._now())
        self._buckets.move_to_end(caller)
        if len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)

    def _left(self, caller: str) -> float:
        left, at = self._buckets.get(caller, (self._burst, 0.0))
        return min(self._burst, left + (self._now() - at) * self._per_s)


def caller_of(host: str) -> str:
    """Return what counts as one caller: an address of IPv4, or a network of IPv6, whose addresses cost nothing."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and not address.ipv4_mapped:
        return str(ip_network((address, _NETWORK_BITS), strict=False))
    return str(address.ipv4_mapped or address) if isinstance(address, IPv6Address) else str(address)
