"""The state of the bridge as text: who is alive, and how far each topic has come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from bridge.clock import host_ms
from bridge.errors import StoreError
from bridge.exchanges.base import EVERY_SYMBOL
from bridge.log import shown
from bridge.store import client
from bridge.store.desired import Desired, Wishes
from bridge.store.keys import Keys
from bridge.store.members import Members, State, TopicState

if TYPE_CHECKING:
    from bridge.settings import Settings

_LISTED: Final = 40


@dataclass(frozen=True, slots=True)
class Seen:
    """The bridge at one moment: what is wanted, each live ingester's own words, each topic's state."""

    wishes: Wishes
    alive: Mapping[str, Mapping[str, str]]
    topics: Mapping[str, TopicState]

    def counted(self) -> str:
        """Return in a line how many topics are in which state."""
        counts = Counter(state.state.value for state in self.topics.values())
        return ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "none"

    @property
    def heading(self) -> str:
        """How much is wished for."""
        count = len(self.wishes.topics)
        paused = ", paused" if self.wishes.paused else ""
        return f"{count} {'wish' if count == 1 else 'wishes'} (revision {self.wishes.revision}{paused})"

    def troubled_first(self) -> list[tuple[str, TopicState]]:
        """Return all topics, those before the others that are not active."""
        return sorted(self.topics.items(), key=lambda pair: (pair[1].state is State.ACTIVE, pair[0]))


async def look(settings: Settings) -> Seen:
    """Ask Redis and return what it knows.

    Raises:
        StoreError: Redis is out of reach.
    """
    redis = client.commands(settings.redis_url)
    keys = Keys(settings.bridge_prefix, settings.bitmart_account)
    members = Members(redis, keys, settings.member_lifetime_s)
    try:
        wishes = await Desired(redis, keys).read()
        alive = await members.alive()
        topics = await members.topics(alive)
    except client.Unreachable as trouble:
        raise StoreError(client.described(trouble)) from None
    finally:
        await redis.aclose()
    for topic in wishes.topics - topics.keys():
        topics[topic] = TopicState(State.PENDING, 0, "no live ingester serves it yet")
    return Seen(wishes, alive, topics)


async def report(settings: Settings, *, as_json: bool) -> str:
    """Ask Redis and return what it knows, as text; raises as `look` does."""
    seen = await look(settings)
    return _json(seen) if as_json else _text(seen)


def _json(seen: Seen) -> str:
    wishes = seen.wishes
    whole = {"revision": wishes.revision, "paused": wishes.paused, "ingesters": seen.alive, "topics": seen.topics}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()


def _text(seen: Seen) -> str:
    lines = [seen.heading]
    for name, state in seen.alive.items():
        lines.append(
            f"ingester {name}: public {state.get('public')}, private {state.get('private')},"
            f" {state.get('entries')} entries, {state.get('depth')} waiting"
        )
        if "serving" in state:
            lines.append(_share(state))
        if state.get("last_error"):
            lines.append(f"  last error: {shown(state['last_error'])}")
    if not seen.alive:
        lines.append("no live ingester")
    lines.append(f"topics: {seen.counted()}")
    lines += [_topic(name, state) for name, state in seen.troubled_first()[:_LISTED]]
    if len(seen.topics) > _LISTED:
        lines.append(f"  ... and {len(seen.topics) - _LISTED} more; --json lists all")
    return "\n".join(lines)


def _share(state: Mapping[str, str]) -> str:
    """Return what an ingester says of its part: how much, on which connections, and how much has moved."""
    sizes = state.get("topics_per_connection", "")
    on = f" on {state.get('connections')} connections" + (f" ({sizes})" if sizes else "")
    moves = (
        f"{state.get('taken_over')} taken over, {state.get('handed_over')} handed over, {state.get('let_go')} let go"
    )
    unplaced = f", {state['unplaced']} without room" if state.get("unplaced", "0") != "0" else ""
    return shown(f"  serves {state['serving']} topics, its share is {state.get('target')},{on}; {moves}{unplaced}")


def _topic(name: str, state: TopicState) -> str:
    return shown(f"  {state.state.value:<8}  {name:<40}  {said_of(name, state)}")


def said_of(name: str, state: TopicState) -> str:
    """Return what there is to say of a topic: why it is not active, or how old its last data is."""
    if state.reason:
        return shown(state.reason)
    if name.endswith(f":{EVERY_SYMBOL}"):
        return "stands for each contract that trades"
    return f"data {max(0, host_ms() - state.data_at) / 1000:.0f} s ago" if state.data_at else "no data yet"
