"""Who may call: decided by a request's head, before any of its body is read.

| path | with `CTRL_TOKEN` | without |
|---|---|---|
| `/health/...` | anybody | anybody |
| `/`, `/assets/...` | anybody: the bare page, which asks for the token | this machine |
| all else | who shows the token | this machine |

"This machine" is a loopback peer whose request carries no forwarding header (a proxy beside us would make everybody
local) and whose `Host` is this machine's (a foreign name that resolves to a loopback address is DNS rebinding).
Whichever it is, a request from another origin's page is refused, so that no web page drives a bridge on localhost.
"""

from __future__ import annotations

import hmac
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.control import address
from bridge.control.answers import RefusedError, refusal
from bridge.values import Secret

_HEALTH: Final = "/health/"
_PAGE: Final = "/"
ASSETS_PATH: Final = "/assets/"
# What proxies leave behind. One that leaves nothing can't be told from a local caller: such a one needs a token.
_FORWARDING: Final = frozenset(
    {
        "cf-connecting-ip",
        "fastly-client-ip",
        "forwarded",
        "true-client-ip",
        "via",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-envoy-external-address",
        "x-original-forwarded-for",
        "x-original-host",
        "x-real-ip",
    }
)
_FORWARDING_PREFIX: Final = "x-forwarded"


class Gate:
    """ASGI middleware that lets through whoever may call and answers the others."""

    def __init__(self, app: ASGIApp, *, token: Secret, own_host: str) -> None:
        """Stand before `app`.

        Args:
            app: what is guarded.
            token: what callers must show; empty means that only this machine may call.
            own_host: a name under which this machine may be called besides `localhost` and loopback addresses.
        """
        self._app = app
        self._token = token
        self._hosts = {"localhost", own_host} - {""}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that may not pass; pass the others on."""
        refused = self._decide(scope) if scope["type"] == "http" else None
        if refused is None:
            await self._app(scope, receive, send)
        else:
            await refusal(refused)(scope, receive, send)

    def _decide(self, scope: Scope) -> RefusedError | None:
        path: str = scope["path"]
        headers = Headers(scope=scope)
        if path.startswith(_HEALTH):
            return None
        if not all(_same_origin(origin, headers.get("host", "")) for origin in headers.getlist("origin")):
            return RefusedError(403, "requests from the pages of other origins are refused")
        if not self._token:
            return self._local(scope, headers)
        return self._bearer(headers.getlist("authorization")) if needs_token(path) else None

    def _bearer(self, shown: list[str]) -> RefusedError | None:
        scheme, _, token = shown[0].partition(" ") if len(shown) == 1 else ("", "", "")
        if scheme.lower() != "bearer" or not token.strip():
            return RefusedError(
                401,
                "show the token of CTRL_TOKEN: Authorization: Bearer <token>",
                headers={"WWW-Authenticate": "Bearer"},
            )
        # Headers come as Latin-1; what a client sent in UTF-8 has the same bytes as the setting then.
        given = token.strip().encode("latin-1")
        if not hmac.compare_digest(given, self._token.reveal().encode()):
            return RefusedError(403, "the token is not the one of CTRL_TOKEN")
        return None

    def _local(self, scope: Scope, headers: Headers) -> RefusedError | None:
        peer = scope.get("client")
        if not peer or not address.is_loopback(peer[0]):
            return RefusedError(403, "without CTRL_TOKEN only this machine is answered: set it to call from elsewhere")
        if any(name in _FORWARDING or name.startswith(_FORWARDING_PREFIX) for name in headers):
            return RefusedError(403, "without CTRL_TOKEN no forwarded request is answered: set it to use a proxy")
        host = address.of_header(headers.get("host", ""))
        if host is None or not (host.host in self._hosts or address.is_loopback(host.host)):
            return RefusedError(403, "without CTRL_TOKEN only localhost is answered: the Host header names another")
        return None


def needs_token(path: str) -> bool:
    """Tell whether a path asks for the token when there is one."""
    return path != _PAGE and not path.startswith((_HEALTH, ASSETS_PATH))


def _same_origin(origin: str, host: str) -> bool:
    scheme, _, authority = origin.partition("://")
    page = address.of_header(authority, scheme)
    return page is not None and page == address.of_header(host, scheme)
