"""What the exchange allows us, shared by Redis with all who are counted together: connections, calls, bans."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from bridge.ingest.rest.pace import Pace, Quiet
from bridge.ingest.sockets.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.exchanges.base import Call
    from bridge.settings import Settings
    from bridge.store.budget import Ban, Budget


class Allowance:
    """Paces whatever goes to the exchange.

    Attributes:
        gate: when the next connection may be opened.
    """

    def __init__(self, settings: Settings, budget: Callable[[str], Budget], ban: Callable[[str], Ban]) -> None:
        """Share with all who are counted together; `budget` and `ban` are what those of one name share."""
        self._settings = settings
        self._budget = budget
        # What the exchange's limits are counted by, as far as they are not the account's.
        self._address = settings.rest_address or socket.gethostname()
        self._quiet = Quiet(ban(self._address))
        self.gate = Gate(settings.connect_delay_ms / 1000, budget(f"{self._address}:connects"))

    def pace(self, call: Call[Any]) -> Pace:
        """Return the pace of all calls of that path: the exchange's numbers hold for each path alone.

        Private paths are counted by account, public ones by address.
        """
        settings, private = self._settings, bool(call.headers)
        who = f"account-{settings.bitmart_account}" if private else self._address
        calls = call.per_2s if private else settings.rest_calls_per_2s
        return Pace(calls, self._budget(f"{who}:{call.path.rpartition('/')[2]}"), self._quiet)
