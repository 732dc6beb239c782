"""Changes of what is wanted. Everything is validated before the one step that stores all of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from msgspec import UNSET, UnsetType

from bridge.clock import host_ms
from bridge.control import selection
from bridge.control.answers import Changed, Reply, Subscriptions
from bridge.control.backend import Backend
from bridge.control.bodies import Klines, Nothing, Owned, Replacement, owner_of
from bridge.control.endpoints.endpoint import Question
from bridge.control.progress import Progress, wildcard_of
from bridge.control.waiting import Hope, replied
from bridge.exchanges.base import Exchange

_NO_CREDENTIALS: Final = (
    "no API credentials are set here: the wish is stored, but no ingester without credentials can serve private topics"
)
KlinesRun = Callable[[Backend, Question[Klines]], Awaitable[Reply]]
OwnedRun = Callable[[Backend, Question[Owned]], Awaitable[Reply]]


async def subscribe_klines(backend: Backend, asked: Question[Klines]) -> Reply:
    """Add candles to an owner's wishes."""
    chosen = selection.candles(backend.exchange, asked.body)
    return await _add(backend, asked.body.owner, chosen.topics, chosen.words, asked.patience_s)


async def unsubscribe_klines(backend: Backend, asked: Question[Klines]) -> Reply:
    """Take candles from an owner's wishes."""
    chosen = selection.candles(backend.exchange, asked.body)
    return await _remove(backend, asked.body.owner, chosen.topics, chosen.words, asked.patience_s)


def subscribe(topic: Callable[[Exchange], str], words: str) -> OwnedRun:
    """Return what adds one private topic to an owner's wishes."""

    async def run(backend: Backend, asked: Question[Owned]) -> Reply:
        return await _add(backend, asked.body.owner, (topic(backend.exchange),), words, asked.patience_s)

    return run


def unsubscribe(topic: Callable[[Exchange], str], words: str) -> OwnedRun:
    """Return what takes one private topic from an owner's wishes."""

    async def run(backend: Backend, asked: Question[Owned]) -> Reply:
        return await _remove(backend, asked.body.owner, (topic(backend.exchange),), words, asked.patience_s)

    return run


async def replace(backend: Backend, asked: Question[Replacement]) -> Reply:
    """Make something the whole of one owner's wishes."""
    owner = owner_of(asked.body.owner)
    topics = selection.replacement(backend.exchange, asked.body)
    change = await backend.desired.replace(owner, topics)
    answer = Changed(
        message=f"{owner} wants {len(topics)} topic{'' if len(topics) == 1 else 's'} now",
        topics=topics,
        revision=change.revision,
        owner=owner,
        still_wanted_by=await _wanters(backend, change.removed),
        warning=_warning(backend.exchange, topics),
    )
    hope = Hope(change.revision, active=frozenset(topics), gone=frozenset(change.removed))
    return await replied(backend, answer, hope, asked.patience_s)


async def show(backend: Backend, _asked: Question[Nothing]) -> Reply:
    """Return what is wanted, by whom, and how it is."""
    seen = await backend.snapshot()
    progress = Progress(backend.exchange, seen)
    topics = sorted(seen.wishes.topics)
    now_ms = host_ms()
    return Reply(
        Subscriptions(
            revision=seen.wishes.revision,
            paused=seen.wishes.paused,
            topics=topics,
            owners=await backend.desired.by_owner(),
            states={name: progress.status(name, now_ms) for name in topics},
        )
    )


async def _add(
    backend: Backend, named: str | None, topics: tuple[str, ...], words: str, patience_s: float | None
) -> Reply:
    owner = owner_of(named)
    change = await backend.desired.change(owner, add=topics)
    answer = Changed(
        message=f"Subscribed to {words}",
        topics=list(topics),
        revision=change.revision,
        owner=owner,
        warning=_warning(backend.exchange, topics),
    )
    return await replied(backend, answer, Hope(change.revision, active=frozenset(topics)), patience_s)


async def _remove(
    backend: Backend, named: str | None, topics: tuple[str, ...], words: str, patience_s: float | None
) -> Reply:
    owner = owner_of(named)
    change = await backend.desired.change(owner, remove=topics)
    answer = Changed(
        message=f"Unsubscribed from {words}",
        topics=list(topics),
        revision=change.revision,
        owner=owner,
        still_wanted_by=await _wanters(backend, topics),
    )
    return await replied(backend, answer, Hope(change.revision, gone=frozenset(topics)), patience_s)


async def _wanters(backend: Backend, removed: Iterable[str]) -> dict[str, list[str]]:
    """Return those of the removed topics that go on being served, each with the owners that want it or its wildcard."""
    owners = {owner: set(topics) for owner, topics in (await backend.desired.by_owner()).items()}
    found = {}
    for topic in removed:
        names = {topic, wildcard_of(backend.exchange, topic)}
        wanters = [owner for owner, topics in owners.items() if names & topics]
        if wanters:
            found[topic] = wanters
    return found


def _warning(exchange: Exchange, topics: Iterable[str]) -> str | UnsetType:
    if exchange.has_credentials or not any(exchange.topic(name).private for name in topics):
        return UNSET
    return _NO_CREDENTIALS
