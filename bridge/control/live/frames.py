"""Server-sent events as bytes: made once, however many pages they go to."""

from __future__ import annotations

from typing import Final

import msgspec

from bridge.store.reader import Fields

# A comment: it says that the line is alive, to the page and to whatever stands between.
HEARTBEAT: Final = b":\n\n"

_encode: Final = msgspec.json.Encoder().encode


class Entry(msgspec.Struct, frozen=True):
    """An entry of a stream, as it stands there."""

    id: str
    fields: Fields


def frame(event: str, message: object) -> bytes:
    """Return one event; JSON has no line ends of its own, so that one line of data holds all."""
    return b"event: " + event.encode() + b"\ndata: " + _encode(message) + b"\n\n"
