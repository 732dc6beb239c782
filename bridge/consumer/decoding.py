"""From an entry's fields to a typed record. Nothing an entry can hold raises: what can't be read is `Unknown`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

import msgspec

from bridge.consumer.records import Event, Fill, Kline, Order, Position, Record, Resync, Unknown
from bridge.records import SCHEMA_VERSION

_TYPES: Final[dict[str, type[Record]]] = {
    "kline": Kline,
    "order": Order,
    "fill": Fill,
    "position": Position,
    "resync": Resync,
    "event": Event,
}
_LONGEST_WORD: Final = 40


def decode(fields: Mapping[str, str]) -> Record:
    """Return the record that an entry's fields hold.

    Fields that this version doesn't know are ignored, words of an enumeration that it doesn't know become `unknown`.
    """
    kind, version = fields.get("type", ""), fields.get("v", "")
    cls = _TYPES.get(kind)
    if version != SCHEMA_VERSION:
        return Unknown(kind, version, f"schema version {_shown(version)}, this kit reads {SCHEMA_VERSION}")
    if cls is None:
        return Unknown(kind, version, f"unknown type {_shown(kind)}")
    try:
        if cls is Kline:
            return msgspec.convert(fields, Kline, strict=False)
        return cls(**{name: read(fields[name]) for name, read in _READERS[cls]})
    except KeyError as missing:
        return Unknown(kind, version, f"{kind} without {missing}")
    except (ValueError, msgspec.ValidationError) as wrong:
        return Unknown(kind, version, f"{kind} is not as promised: {wrong}")


def _shown(word: str) -> str:
    return repr(word[:_LONGEST_WORD])


def _readers(cls: type[Record]) -> tuple[tuple[str, Callable[[str], Any]], ...]:
    return tuple((field.name, _reader(field.type)) for field in msgspec.structs.fields(cls))


def _reader(kind: Any) -> Callable[[str], Any]:  # noqa: ANN401 - an annotation
    if kind is int:
        return _time
    if issubclass(kind, Enum):
        return _word(kind)
    return str


def _time(text: str) -> int:
    return int(text) if text else 0


def _word(kind: type[Enum]) -> Callable[[str], Enum]:
    words: dict[str, Enum] = {member.value: member for member in kind}
    unknown = words["unknown"]
    return lambda text: words.get(text, unknown)


_READERS: Final = {cls: _readers(cls) for cls in _TYPES.values() if cls is not Kline}
