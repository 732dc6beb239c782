"""Which streams may be read by one command."""

from __future__ import annotations

from collections.abc import Iterable

from redis.crc import key_slot


def together(streams: Iterable[str], *, cluster: bool) -> list[tuple[str, ...]]:
    """Group streams by what one command may name: all of them, but in a cluster only those of one slot."""
    if not cluster:
        return [tuple(streams)]
    groups: dict[int, list[str]] = {}
    for stream in streams:
        groups.setdefault(key_slot(stream.encode()), []).append(stream)
    return [tuple(group) for group in groups.values()]
