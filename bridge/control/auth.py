"""Who may call: decided by a request's head, before any of its body is read.

| path | with `CTRL_TOKEN` | without |
|---|---|---|
| `/health/...` | anybody | anybody |
| `/`, `/assets/...` | anybody: the bare page, which asks for the token | this machine |
| all else | who shows the token | this machine |

"This machine" is a loopback peer whose request carries no forwarding header (a proxy beside us would make everybody
local) and whose `Host` is this machine's (a foreign name that resolves to a loopback address is DNS rebinding).
Whichever it is, a request from another origin's page is refused, so that no web page drives a bridge on localhost.

Who tries wrong tokens, changes things or asks too often is told to wait (429): each address by itself, so that callers
who share one, as behind a proxy, share its allowance as well. Who has tried too many wrong tokens is not even compared
with the right one, for else trying on would pay.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.control import address
from bridge.control.answers import RefusedError, refusal
from bridge.control.limits import Allowance, caller_of
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
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# Enough for a person who mistypes and for a fleet that starts with yesterday's token; a guesser gets nowhere.
_WRONG_TOKENS: Final = 20
_WRONG_TOKENS_PER_S: Final = 0.2
_BURST_S: Final = 10


class Gate:
    """ASGI middleware that lets through whoever may call and answers the others."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: Secret,
        own_host: str,
        changes_per_s: float = 50,
        reads_per_s: float = 200,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Stand before `app`.

        Args:
            app: what is guarded.
            token: what callers must show; empty means that only this machine may call.
            own_host: a name under which this machine may be called besides `localhost` and loopback addresses.
            changes_per_s: how many changes a second each caller may make, and ten times as many at once.
            reads_per_s: the same of requests that change nothing; health is nobody's allowance.
            now: a clock that only goes forward, in seconds.
        """
        self._app = app
        self._token = token
        self._hosts = {"localhost", own_host} - {""}
        self._wrong_tokens = Allowance(_WRONG_TOKENS_PER_S, _WRONG_TOKENS, now)
        self._changes = Allowance(changes_per_s, changes_per_s * _BURST_S, now)
        self._reads = Allowance(reads_per_s, reads_per_s * _BURST_S, now)

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
        caller = caller_of((scope.get("client") or ("",))[0])
        if not self._token:
            refused = self._local(scope, headers)
        elif needs_token(path):
            refused = self._bearer(headers.getlist("authorization"), caller)
        else:
            refused = None
        if refused is not None:
            return refused
        if scope["method"] in _SAFE:
            return _taken(self._reads, caller, "too many requests: CTRL_READS_PER_S says how many")
        return _taken(self._changes, caller, "too many changes: CTRL_CHANGES_PER_S says how many")

    def _bearer(self, shown: list[str], caller: str) -> RefusedError | None:
        scheme, _, token = shown[0].partition(" ") if len(shown) == 1 else ("", "", "")
        if scheme.lower() != "bearer" or not token.strip():
            return RefusedError(
                401,
                "show the token of CTRL_TOKEN: Authorization: Bearer <token>",
                headers={"WWW-Authenticate": "Bearer"},
            )
        wait_s = self._wrong_tokens.wait_s(caller)
        if wait_s:
            return _too_many("too many wrong tokens from this address", wait_s)
        # Headers come as Latin-1; what a client sent in UTF-8 has the same bytes as the setting then.
        given = token.strip().encode("latin-1")
        if not hmac.compare_digest(given, self._token.reveal().encode()):
            self._wrong_tokens.take(caller)
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


def _taken(allowance: Allowance, caller: str, otherwise: str) -> RefusedError | None:
    """Take one of what the caller may still do, or say why not."""
    wait_s = allowance.wait_s(caller)
    if wait_s:
        return _too_many(otherwise, wait_s)
    allowance.take(caller)
    return None


def _too_many(what: str, wait_s: int) -> RefusedError:
    return RefusedError(429, f"{what}; try again in {wait_s} s", headers={"Retry-After": str(wait_s)})


def needs_token(path: str) -> bool:
    """Tell whether a path asks for the token when there is one."""
    return path != _PAGE and not path.startswith((_HEALTH, ASSETS_PATH))


def _same_origin(origin: str, host: str) -> bool:
    scheme, _, authority = origin.partition("://")
    page = address.of_header(authority, scheme)
    return page is not None and page == address.of_header(host, scheme)
