"""Where a plain reader keeps how far it has come: in Redis, in a file, or nowhere."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from bridge.consumer.errors import ConsumerError
from bridge.consumer.steps import Call, Steps, ask
from bridge.store.keys import Keys

FIRST_ID = "0-0"


class Place(msgspec.Struct, frozen=True):
    """A position in a stream: the id read last, and how many entries the stream was ever given up to there.

    The count tells what was trimmed unread. It is `None` where nobody knows it, as of a position written by hand.
    """

    id: str = FIRST_ID
    count: int | None = None

    def __str__(self) -> str:
        """Return it as it is stored: the id, and the count if it is known."""
        return self.id if self.count is None else f"{self.id} {self.count}"

    def after(self, entry_id: str, entries: int) -> Place:
        """Return the position so many entries later, at an id."""
        return Place(entry_id, None if self.count is None else self.count + entries)

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read what `str` wrote, or a bare id.

        Raises:
            ConsumerError: it is neither.
        """
        entry_id, _, count = text.partition(" ")
        try:
            ms, _, seq = entry_id.partition("-")
            return cls(f"{int(ms)}-{int(seq or 0)}", int(count) if count else None)
        except ValueError:
            raise ConsumerError(f"a position is an entry's id, not {text[:60]!r}") from None


class Positions(Protocol):
    """Keeps positions. Saved after processing, so that a crash repeats entries and loses none."""

    def load(self) -> Steps[dict[str, Place]]:
        """Return all that is kept, by stream."""
        ...

    def save(self, places: Mapping[str, Place]) -> Steps[None]:
        """Keep these beside those of other streams."""
        ...


class HashPositions:
    """Keeps positions in a Redis hash, one field a stream: any machine can go on where another ended."""

    def __init__(self, name: str, *, keys: Keys | None = None) -> None:
        """Keep them under a reader's `name`; two readers of one name overwrite each other."""
        self._key = (keys or Keys()).reader(name)

    def load(self) -> Steps[dict[str, Place]]:
        """Return all that is kept, by stream."""
        kept: dict[str, str] = yield ask("hgetall", self._key)
        return {stream: Place.parse(text) for stream, text in kept.items()}

    def save(self, places: Mapping[str, Place]) -> Steps[None]:
        """Keep these beside those of other streams."""
        yield ask("hset", self._key, mapping={stream: str(place) for stream, place in places.items()})


class FilePositions:
    """Keeps positions in a JSON file, which is replaced as a whole: a crash leaves the old one or the new one."""

    def __init__(self, path: str | Path) -> None:
        """Keep them at `path`, which need not exist yet."""
        self._path = Path(path)

    def load(self) -> Steps[dict[str, Place]]:
        """Return all that is kept, by stream.

        Raises:
            ConsumerError: the file is none of ours.
        """
        kept: dict[str, str] = yield Call(self._read)
        return {stream: Place.parse(text) for stream, text in kept.items()}

    def save(self, places: Mapping[str, Place]) -> Steps[None]:
        """Keep these beside those of other streams."""
        texts = {stream: str(place) for stream, place in places.items()}
        yield Call(lambda: self._write(texts))

    def _read(self) -> dict[str, str]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, str])
        except FileNotFoundError:
            return {}
        except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
            raise ConsumerError(f"{self._path} holds no positions: {wrong}") from None

    def _write(self, texts: dict[str, str]) -> None:
        whole = json.dumps(self._read() | texts, indent=2) + "\n"
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        with beside.open("w", encoding="utf-8") as file:
            file.write(whole)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)


class NoPositions:
    """Keeps nothing: each start begins where the reader is told to."""

    def load(self) -> Steps[dict[str, Place]]:
        """Return nothing."""
        yield from ()
        return {}

    def save(self, places: Mapping[str, Place]) -> Steps[None]:
        """Forget them."""
        del places
        yield from ()
