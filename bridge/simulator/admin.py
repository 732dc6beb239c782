"""The simulator's own HTTP surface, for tests in another process and for people with curl."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from bridge.simulator.replies import json

if TYPE_CHECKING:
    from bridge.simulator.faults import Faults
    from bridge.simulator.replies import Reply
    from bridge.simulator.sockets.sockets import Sockets
    from bridge.simulator.stats import Stats

PREFIX = "/simulator/"


@dataclass(frozen=True, slots=True)
class Admin:
    """Answers below /simulator/. Neither faults nor limits apply to it."""

    faults: Faults
    sockets: Sockets
    stats: Stats

    def answer(self, target: str) -> Reply:
        """The reply to a request: `faults`, `faults?name=value&...`, `stats` and `cut?which=public|private|all`.

        A mistake is answered with status 400 and its explanation in `error`.
        """
        url = urlsplit(target)
        query = parse_qsl(url.query, keep_blank_values=True)
        try:
            match url.path.removeprefix(PREFIX):
                case "faults":
                    return self._faults(query)
                case "stats":
                    return json(200, self.stats.as_dict())
                case "cut":
                    return json(200, {"cut": self.sockets.cut(dict(query).get("which", "all"))})
                case name:
                    return json(404, {"error": f"there is no {name!r} here; try faults, stats or cut"})
        except ValueError as mistake:
            return json(400, {"error": str(mistake)})

    def _faults(self, query: list[tuple[str, str]]) -> Reply:
        for name, value in query:
            self.faults.set(name, value)
        return json(200, self.faults.as_dict())
