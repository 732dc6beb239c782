"""Stopping, pausing and resuming, and how all of it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.responses import Response

from bridge.control import readings, status
from bridge.control.answers import Asked, Paused, Plain, Ready, RefusedError, Reply, text
from bridge.control.backend import Backend
from bridge.control.bodies import Nothing, Stop
from bridge.control.endpoints.endpoint import Question
from bridge.control.waiting import Hope, replied
from bridge.errors import StoreError
from bridge.exposition import exposition
from bridge.store.client import Unreachable

_NOTE: Final = (
    "a supervisor that restarts after every exit (Kubernetes, restart: always) brings it back at once: "
    "there, POST /pause is the way"
)
Run = Callable[[Backend, Question[Nothing]], Awaitable[Reply | Response]]


async def show_status(backend: Backend, _asked: Question[Nothing]) -> Reply:
    """Return how everything is."""
    return Reply(await status.current(backend))


async def stop(backend: Backend, asked: Question[Stop]) -> Reply:
    """Ask one ingester, or all, to drain and exit."""
    alive = sorted(await backend.members.alive())
    wanted = asked.body.ingester
    if wanted is not None and wanted not in alive:
        raise RefusedError(404, "no live ingester has this id: GET /status lists them", "ingester")
    names = alive if wanted is None else [wanted]
    if names:
        await backend.members.ask_to_stop(names)
    message = f"Asked to stop: {', '.join(names)}" if names else "No ingester is running"
    return Reply(Asked(message=message, ingesters=names, note=_NOTE))


async def pause(backend: Backend, asked: Question[Nothing]) -> Reply:
    """Let all ingesters serve nothing, for as long as it takes, over any restart."""
    return await _pause(backend, asked, "Paused: ingesters stay and serve nothing until POST /resume", paused=True)


async def resume(backend: Backend, asked: Question[Nothing]) -> Reply:
    """Let all ingesters serve what is wanted again."""
    return await _pause(backend, asked, "Resumed", paused=False)


async def live(_backend: Backend, _asked: Question[Nothing]) -> Reply:
    """Say that this process answers."""
    return Reply(Plain(message="alive"))


async def ready(backend: Backend, _asked: Question[Nothing]) -> Reply:
    """Tell whether wishes can be stored and somebody is there to serve them; a pause is no reason against it."""
    try:
        reasons = [] if (await backend.snapshot()).members else ["no live ingester"]
    except (*Unreachable, StoreError):
        reasons = ["Redis is out of reach"]
    if reasons:
        return Reply(Ready(ok=False, reasons=reasons, error="; ".join(reasons)), 503)
    return Reply(Ready(ok=True, reasons=[]))


async def metrics(backend: Backend, asked: Question[Nothing]) -> Response:
    """Return the figures of this process, and what the members publish of themselves."""
    return text(*exposition(await readings.current(backend), asked.accept))


async def _pause(backend: Backend, asked: Question[Nothing], message: str, *, paused: bool) -> Reply:
    revision = await backend.desired.pause(paused=paused)
    answer = Paused(message=message, revision=revision, paused=paused)
    return await replied(backend, answer, Hope(revision), asked.patience_s)
