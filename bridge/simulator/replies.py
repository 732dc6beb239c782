"""REST replies: bodies, errors and headers."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from uuid import uuid4

import msgspec

_OK = 1000
# Codes 30xxx come from the gateway, which says `msg` where the rest says `message` (observed on the wire 2026-09 for
# 30000 and 30030; that it holds for all of them is our reading).
_GATEWAY = range(30_000, 40_000)

HTML_403 = (
    "<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head>"
    "<body><h1>Sorry, you have been blocked</h1></body></html>"
)

# Gateway errors that a fault can bring up: HTTP status and text (documented; 30000 and 30030 observed).
GATEWAY_ERRORS = {
    30000: (404, "Not found"),
    30014: (503, "Service unavailable"),
    30016: (200, "Service maintenance, the function is temporarily unavailable"),
    30030: (200, "Futures V1 API has been deprecated. Please use the V2 API"),
}


@dataclass(slots=True)
class Reply:
    """An HTTP reply."""

    status: int
    body: bytes
    kind: str = "application/json; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def phrase(self) -> str:
        """The text after the status, such as "OK"."""
        return HTTPStatus(self.status).phrase


class RefusalError(Exception):
    """A request that is answered with an error code.

    Attributes:
        status: HTTP status.
        code: The exchange's code.
        text: Its text.
    """

    def __init__(self, status: int, code: int, text: str) -> None:
        """Keep what the reply will say."""
        super().__init__(text)
        self.status, self.code, self.text = status, code, text


def ok(data: object, message: str = "Ok") -> Reply:
    """A success: code 1000, with `message` "Ok" or "OK" (both documented)."""
    return json(200, {"code": _OK, "message": message, "data": data, "trace": trace()})


def error(refusal: RefusalError, *, gateway_message: bool) -> Reply:
    """An error; one of the gateway has `msg` for `message`, unless told otherwise."""
    if refusal.code in _GATEWAY and not gateway_message:
        return json(refusal.status, {"trace": trace(), "msg": refusal.text, "code": refusal.code})
    return json(refusal.status, {"code": refusal.code, "message": refusal.text, "trace": trace()})


def json(status: int, body: object) -> Reply:
    """Any JSON body."""
    return Reply(status, msgspec.json.encode(body))


def html(status: int, text: str) -> Reply:
    """A page, as the CDN in front of the exchange sends it."""
    return Reply(status, text.encode(), "text/html; charset=UTF-8")


def trace() -> str:
    """A fresh trace id."""
    return str(uuid4())
