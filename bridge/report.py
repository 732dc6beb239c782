"""The state of the bridge as text: who is alive, and how far each topic has come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from bridge.clock import host_ms
from bridge.errors import StoreError
from bridge.log import shown
from bridge.store import client
from bridge.store.desired import Desired, Wishes
from bridge.store.keys import Keys
from bridge.store.members import Members, State, TopicState

if TYPE_CHECKING:
    from bridge.settings import Settings

_LISTED: Final = 40


async def report(settings: Settings, *, as_json: bool) -> str:
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
    return _json(wishes, alive, topics) if as_json else _text(wishes, alive, topics)


def _json(wishes: Wishes, alive: Mapping[str, Mapping[str, str]], topics: Mapping[str, TopicState]) -> str:
    whole = {"revision": wishes.revision, "paused": wishes.paused, "ingesters": alive, "topics": topics}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()


def _text(wishes: Wishes, alive: Mapping[str, Mapping[str, str]], topics: Mapping[str, TopicState]) -> str:
    lines = [f"{len(wishes.topics)} wishes (revision {wishes.revision}{', paused' if wishes.paused else ''})"]
    for name, state in alive.items():
        lines.append(
            f"ingester {name}: public {state.get('public')}, private {state.get('private')},"
            f" {state.get('entries')} entries, {state.get('depth')} waiting"
        )
        if state.get("last_error"):
            lines.append(f"  last error: {shown(state['last_error'])}")
    if not alive:
        lines.append("no live ingester")
    counted = Counter(state.state.value for state in topics.values())
    lines.append("topics: " + (", ".join(f"{count} {state}" for state, count in sorted(counted.items())) or "none"))
    lines += [_topic(name, state) for name, state in sorted(topics.items(), key=_troubled_first)[:_LISTED]]
    if len(topics) > _LISTED:
        lines.append(f"  ... and {len(topics) - _LISTED} more; --json lists all")
    return "\n".join(lines)


def _topic(name: str, state: TopicState) -> str:
    age = f"data {max(0, host_ms() - state.data_at) / 1000:.0f} s ago" if state.data_at else "no data yet"
    return shown(f"  {state.state.value:<8}  {name:<40}  {state.reason or age}")


def _troubled_first(pair: tuple[str, TopicState]) -> tuple[bool, str]:
    return (pair[1].state is State.ACTIVE, pair[0])
