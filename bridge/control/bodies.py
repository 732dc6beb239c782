"""What callers send: each body's members, and how a body is read."""

from __future__ import annotations

import re
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct
from starlette.requests import ClientDisconnect, Request

from bridge.control.answers import RefusedError

LIMIT_BYTES: Final = 64 * 1024
SHARED: Final = "shared"
_OWNER: Final = r"[A-Za-z0-9_.-]{1,64}"
_MISSING: Final = re.compile(r"missing required field `(?P<name>\w+)`")

Owner = Annotated[
    str, Meta(description="whose wish it is", extra_json_schema={"pattern": f"^{_OWNER}$", "default": SHARED})
]
Names = str | list[str]
B = TypeVar("B", bound=Struct)


class Nothing(Struct, forbid_unknown_fields=True):
    """A body that says nothing."""


class Selection(Struct, kw_only=True, forbid_unknown_fields=True):
    """Candles of each of the symbols in each of the timeframes; `*` stands for every contract that trades."""

    symbol: Names | None = None
    symbols: Names | None = None
    tfs: Names


class Owned(Struct, kw_only=True, forbid_unknown_fields=True):
    """Whose wish it is."""

    owner: Owner | None = None


class Klines(Selection, kw_only=True, forbid_unknown_fields=True):
    """Candles, and whose wish they are."""

    owner: Owner | None = None


class Replacement(Struct, kw_only=True, forbid_unknown_fields=True):
    """The whole of one owner's wishes: the exchange's own topics, or candles, orders and positions, or both."""

    owner: Owner | None = None
    topics: list[str] | None = None
    klines: list[Selection] | None = None
    orders: bool | None = None
    positions: bool | None = None


class Stop(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which ingester is to stop; without one, all."""

    ingester: str | None = None


async def read(request: Request, kind: type[B], *, optional: bool) -> B:
    """Read a request's body as JSON, whatever its content type says.

    Args:
        request: whose body it is.
        kind: what is expected.
        optional: whether an empty body counts as an empty object.

    Raises:
        RefusedError: it is too long, no JSON, no object, or not what is expected.
    """
    text = await _bounded(request)
    found = {} if optional and not text.strip() else _object(text)
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as wrong:
        raise _misfit(str(wrong)) from None


def owner_of(name: str | None) -> str:
    """Return the owner that a body names, or the shared one.

    Raises:
        RefusedError: it can't be an owner's name.
    """
    if name is None:
        return SHARED
    if not re.fullmatch(_OWNER, name):
        raise RefusedError(422, f"an owner's name must match {_OWNER}", "owner")
    return name


async def _bounded(request: Request) -> bytes:
    # What follows of a body that is too long is thrown away by uvicorn as it comes; ending the connection would take
    # the answer away from those who still send.
    too_long = RefusedError(413, f"a body may have {LIMIT_BYTES} bytes")
    if int(request.headers.get("content-length", "0")) > LIMIT_BYTES:
        raise too_long
    text = bytearray()
    try:
        async for part in request.stream():
            text += part
            if len(text) > LIMIT_BYTES:
                raise too_long
    except ClientDisconnect:
        raise RefusedError(400, "the body ended early") from None
    return bytes(text)


def _object(text: bytes) -> dict[str, object]:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        raise RefusedError(
            400, 'the body is no JSON that can be read: expected an object, such as {"tfs":"1m"}'
        ) from None
    if not isinstance(found, dict):
        raise RefusedError(400, "the body is no JSON object")
    return found


def _misfit(text: str) -> RefusedError:
    said, _, place = text.partition(" - at `$")
    path = place.rstrip("`").removeprefix(".")
    missing = _MISSING.search(said)
    if missing:
        return RefusedError(422, f"{missing['name']} is missing", f"{path}.{missing['name']}".lstrip("."))
    # The place within a list is left out: the member that holds the list is what the caller knows by name.
    return RefusedError(422, said[:1].lower() + said[1:], re.sub(r"\[\d+\]$", "", path))
