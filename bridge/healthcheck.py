"""The question that containers ask again and again: does a part of the bridge on this machine answer, and what?

It needs no client library, so that asking every few seconds costs next to nothing.
"""

from __future__ import annotations

import http.client
import json
from typing import Final

from bridge.log import shown

_PATIENCE_S: Final = 5.0
_LONGEST: Final = 64 * 1024
_EVERYWHERE: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to be called, not bound


def ask(addr: str, *, ready: bool) -> tuple[bool, str]:
    """Ask the part that listens on `addr` how it is.

    Args:
        addr: `host:port`, as a setting has it.
        ready: whether it is to be ready for its work, and not only alive.

    Returns:
        Whether it is, and a line that says so or why not.
    """
    host, _, port = addr.rpartition(":")
    host = host.strip("[]")
    asking = http.client.HTTPConnection(_EVERYWHERE.get(host, host), int(port), timeout=_PATIENCE_S)
    try:
        asking.request("GET", "/health/ready" if ready else "/health/live")
        answer = asking.getresponse()
        return answer.status == http.HTTPStatus.OK, _line(answer.status, answer.read(_LONGEST))
    except (OSError, http.client.HTTPException) as trouble:
        return False, f"no answer from {addr}: {getattr(trouble, 'strerror', None) or type(trouble).__name__}"
    finally:
        asking.close()


def _line(status: int, body: bytes) -> str:
    try:
        said = json.loads(body)
        reasons = "; ".join(said.get("reasons", ()))
        return shown(str(reasons or said.get("message", "ready")))
    except (ValueError, AttributeError, TypeError):
        return f"answered with status {status}"
