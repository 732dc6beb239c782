"""From what a reader is told to the rules it reads by; the same for those that block and those of asyncio."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Protocol

from bridge.consumer.connecting import block_ms, is_cluster
from bridge.consumer.errors import ConsumerError
from bridge.consumer.group import GroupReading, Rules
from bridge.consumer.membership import Membership
from bridge.consumer.positions import NoPositions, Positions
from bridge.consumer.reading import Reading
from bridge.consumer.records import Entry
from bridge.consumer.slots import together
from bridge.consumer.steps import Steps
from bridge.consumer.trimming import OnMissed
from bridge.store.keys import Keys

Streams = str | Iterable[str]


class Way(Protocol):
    """What a shell needs of the rules."""

    def is_ready(self) -> bool:
        """Tell whether an entry can be given at once; else take a turn first."""
        ...

    def give(self) -> Entry:
        """Hand out the next entry."""
        ...

    def processed(self) -> None:
        """Note that the entry handed out last is processed."""
        ...

    def put_back(self) -> None:
        """Note that its processing did not come to its end."""
        ...

    def turn(self) -> Steps[None]:
        """Bring on what is next."""
        ...

    def save(self) -> Steps[None]:
        """Let Redis know what is processed; one try."""
        ...


def plain(
    client: Any,  # noqa: ANN401 - any of redis-py's clients
    streams: Streams,
    positions: Positions | None,
    *,
    start: str,
    count: int,
    on_missed: OnMissed,
) -> Reading:
    """Return the way of a plain reader."""
    return Reading(
        _groups(client, streams),
        positions or NoPositions(),
        start=start,
        count=count,
        block_ms=block_ms(client),
        on_missed=on_missed,
        monotonic=time.monotonic,
    )


def grouped(
    client: Any,  # noqa: ANN401 - any of redis-py's clients
    streams: Streams,
    names: tuple[str, str],
    rules: Rules,
    *,
    keys: Keys | None,
    on_missed: OnMissed,
) -> GroupReading:
    """Return the way of a consumer; `names` are the group's and its own."""
    if rules.tries < 2:  # noqa: PLR2004 - see the message
        raise ConsumerError("tries: at least 2, for a crash gives up all that was read along with its cause")
    if rules.idle_s <= 0:
        raise ConsumerError("idle_s: more than 0, for nobody acknowledges in no time")
    groups = _groups(client, streams)
    member = Membership(*names, keys=keys or Keys(), on_missed=on_missed)
    return GroupReading(groups, member, rules, block_ms=block_ms(client), monotonic=time.monotonic)


def _groups(client: Any, streams: Streams) -> list[tuple[str, ...]]:  # noqa: ANN401 - any of redis-py's clients
    named = dict.fromkeys([streams] if isinstance(streams, str) else streams)
    if not named:
        raise ConsumerError("no streams to read")
    return together(named, cluster=is_cluster(client))
