"""The table that stays up to date."""

from __future__ import annotations

import asyncio
import io

from redis.asyncio import Redis
from rich.console import Console

from bridge.settings import Settings
from bridge.store.desired import Desired, Wishes
from bridge.store.keys import Keys
from bridge.store.members import State, TopicState
from bridge.terminal.report import Seen
from bridge.terminal.watching import screen, watch
from bridge.values import Secret
from tests.support import wait_until

TOPIC = "futures/klineBin1m:BTCUSDT"


def rendered(seen: Seen, height: int = 30) -> str:
    console = Console(file=io.StringIO(), width=140, height=height)
    with console.capture() as captured:
        console.print(screen(seen, height))
    return captured.get()


def seen(topics: dict[str, TopicState]) -> Seen:
    return Seen(Wishes(frozenset(topics), 7, paused=False), {"one": {"public": "open", "entries": "12"}}, topics)


def test_it_shows_ingesters_and_topics() -> None:
    text = rendered(seen({TOPIC: TopicState(State.REJECTED, 0, "Invalid channel")}))
    assert "1 wish (revision 7), topics: 1 rejected" in text
    assert all(word in text for word in ("one", "open", "12", TOPIC, "Invalid channel"))


def test_what_does_not_fit_is_counted_and_what_is_in_trouble_comes_first() -> None:
    topics = {f"topic-{number:03}": TopicState(State.ACTIVE, 0) for number in range(100)}
    text = rendered(seen({**topics, "zzz": TopicState(State.PENDING, 0)}), height=20)
    assert "zzz" in text
    assert "topic-099" not in text
    assert "more; --json lists all" in text


def test_hostile_texts_stay_text() -> None:
    text = rendered(seen({TOPIC: TopicState(State.REJECTED, 0, "\x1b[31m[red]not a colour[/red]")}))
    assert "\x1b[31m" not in text
    assert "[red]not a colour[/red]" in text


async def test_it_follows_what_changes_and_ends_when_told(store: Redis, valkey_url: str) -> None:
    out, stop = io.StringIO(), asyncio.Event()
    console = Console(file=out, width=140, height=30, force_terminal=True)
    watching = asyncio.create_task(watch(Settings(redis_url=Secret(valkey_url)), stop, 0.05, console))
    await wait_until(lambda: "0 wishes" in out.getvalue(), "it shows that nothing is wanted")
    await Desired(store, Keys()).change("shared", add=[TOPIC])
    await wait_until(lambda: "1 wish" in out.getvalue(), "it shows the wish")
    stop.set()
    await watching


async def test_a_redis_that_is_away_is_said_and_waited_for() -> None:
    out, stop = io.StringIO(), asyncio.Event()
    console = Console(file=out, width=140, force_terminal=True)
    settings = Settings(redis_url=Secret("redis://127.0.0.1:1/0"))
    watching = asyncio.create_task(watch(settings, stop, 0.05, console))
    await wait_until(lambda: "waiting: Redis" in out.getvalue(), "it says that it waits")
    stop.set()
    await watching
