"""Recorded frames, read back: JSON lines as `bitmart-bridge record` writes them, gzipped or not.

The first line names the format. Each further line is one received frame: `at` (Unix milliseconds of the recording
host), `side` ("public" or "private"), and the payload as `text` or, of a binary frame, `base64`.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import re
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

import msgspec

from bridge.simulator.topics import is_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bridge.simulator.sockets.sockets import Side

FORMAT, VERSION = "bitmart-bridge frames", 1

_SPEED = re.compile(r"@\d+ms$")
_LARGEST = 1 << 20


class RecordingError(ValueError):
    """A file that cannot be played; the message names it and says why."""


class _Head(msgspec.Struct):
    format: str = ""
    version: int = 0


class _Line(msgspec.Struct):
    at: int
    side: str
    text: str | None = None
    base64: str | None = None


class _Envelope(msgspec.Struct):
    action: str = ""
    group: str = ""
    data: msgspec.Raw = msgspec.Raw()


@dataclass(frozen=True, slots=True)
class Heard:
    """One recorded data frame.

    Attributes:
        at: When it was received, Unix milliseconds.
        side: The socket it came by.
        payload: As it came: text, or bytes if it was binary.
        topic: Whose data it brings, without a speed suffix; empty if it cannot be read.
        data: Its `data` member, still encoded; empty if it cannot be read.
    """

    at: int
    side: Side
    payload: str | bytes
    topic: str = ""
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Recording:
    """Files in the order in which they are played.

    Attributes:
        paths: The files.
        first: When the first frame was received, Unix milliseconds.
        last: The same of the last one.
        frames: How many data frames there are.
        symbols: Whose candles there are, sorted.
    """

    paths: tuple[Path, ...]
    first: int
    last: int
    frames: int
    symbols: tuple[str, ...]

    @classmethod
    def open(cls, paths: Sequence[Path]) -> Recording:
        """Read all files once, to know what is on them.

        Raises:
            RecordingError: A file is not there, is none of ours, or there is no frame on any.
        """
        first = last = count = 0
        symbols = set()
        for heard in _frames(paths):
            first, last, count = first or heard.at, max(last, heard.at), count + 1
            if heard.topic and not is_private(heard.topic):
                symbols.add(heard.topic.rpartition(":")[2])
        if not count:
            raise RecordingError(f"no frame of the exchange is recorded in {', '.join(map(str, paths))}")
        return cls(tuple(paths), first, last, count, tuple(sorted(symbols)))

    def __iter__(self) -> Iterator[Heard]:
        """The data frames, as they were received; answers to the recorder's own requests are left out."""
        return _frames(self.paths)


def _frames(paths: Sequence[Path]) -> Iterator[Heard]:
    for path in paths:
        lines = _lines(path)
        _check(path, next(lines, b""))
        for number, line in enumerate(lines, start=2):
            try:
                heard = _heard(msgspec.json.decode(line, type=_Line))
            except (msgspec.MsgspecError, ValueError) as wrong:
                raise RecordingError(f"{path}, line {number}: {wrong}") from None
            if heard is not None:
                yield heard


def _check(path: Path, line: bytes) -> None:
    try:
        head = msgspec.json.decode(line, type=_Head)
    except msgspec.MsgspecError:
        head = _Head()
    if (head.format, head.version) != (FORMAT, VERSION):
        raise RecordingError(f"{path} is no recording of version {VERSION}: its first line must name the format")


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
            plain.seek(0)
            yield from _whole(cast("IO[bytes]", gzip.GzipFile(fileobj=plain)) if packed else plain)
    except OSError as trouble:
        raise RecordingError(f"{path} cannot be read: {trouble.strerror or trouble}") from None


def _whole(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file up to its last whole one: a recorder that was killed leaves a torn end."""
    try:
        for line in file:
            if line.endswith(b"\n"):
                yield line
    except (EOFError, zlib.error):
        return


def _heard(line: _Line) -> Heard | None:
    """The frame of a line; None if it answers a request, which a replay answers anew."""
    if line.side not in ("public", "private"):
        raise ValueError(f"side must be public or private, not {line.side!r}")
    side = cast("Side", line.side)
    try:
        payload = line.text if line.text is not None else base64.b64decode(line.base64 or "", validate=True)
    except binascii.Error as wrong:
        raise ValueError(f"base64: {wrong}") from None
    try:
        said = msgspec.json.decode(_plain(payload), type=_Envelope)
    except msgspec.MsgspecError:
        return Heard(line.at, side, payload)
    if said.action or said.group == "System":
        return None
    return Heard(line.at, side, payload, _SPEED.sub("", said.group), bytes(said.data))


def _plain(payload: str | bytes) -> str | bytes:
    if isinstance(payload, str):
        return payload
    try:
        return zlib.decompressobj(wbits=-zlib.MAX_WBITS).decompress(payload, _LARGEST)
    except zlib.error:
        return payload
