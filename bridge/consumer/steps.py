"""What reading asks of the world, said without doing it.

The rules of reading are generators: they yield what they need (a command to Redis, a pause, a blocking function) and
are sent the outcome. So each rule is written once, and the shells that carry it out, one that blocks and one for
asyncio, are a few lines each.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeVar

import redis
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ClusterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    ResponseError,
    SlotNotCoveredError,
    TryAgainError,
)

from bridge.backoff import Backoff

log = logging.getLogger(__name__)

# Replies that are about the server's condition. redis-py has classes for most and takes their first word off; the
# others keep it, as do all that come out of a script.
_PASSING_REPLIES: Final = (ClusterDownError, OutOfMemoryError, ReadOnlyError, TryAgainError)
_PASSING_WORDS: Final = ("LOADING", "MISCONF", "NOREPLICAS", "OOM")
# Of a cluster all of whose nodes are away; the other words behind this class are of commands that can't be right.
_NOBODY_ANSWERS: Final = "Redis Cluster cannot be connected"
_PASSING: Final = (redis.ConnectionError, redis.TimeoutError, SlotNotCoveredError, OSError)
# Longer than the longest blocking read: an answer that takes longer never comes.
ANSWER_S: Final = 15.0
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Ask:
    """A call of redis-py's method of that name."""

    method: str
    words: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pause:
    """So many seconds in which nothing is done."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Call:
    """A function that may block, such as one that writes a file."""

    function: Callable[[], Any]


T = TypeVar("T")
Effect = Ask | Pause | Call
Steps: TypeAlias = Generator[Effect, Any, T]


def ask(method: str, *words: Any, **options: Any) -> Ask:  # noqa: ANN401 - each method of redis-py has its own
    """Return a call of redis-py's method of that name."""
    return Ask(method, words, options)


def carry_out(client: Any, steps: Steps[T]) -> T:  # noqa: ANN401 - any of redis-py's clients
    """Do what `steps` asks for, blocking, and return what it returns."""
    try:
        effect = next(steps)
        while True:
            try:
                outcome = _done(client, effect)
            except Exception as trouble:  # noqa: BLE001 - the steps decide what to do about it
                effect = steps.throw(trouble)
            else:
                effect = steps.send(outcome)
    except StopIteration as end:
        result: T = end.value
        return result


async def carry_out_async(client: Any, steps: Steps[T]) -> T:  # noqa: ANN401 - any of redis-py's asyncio clients
    """Do what `steps` asks for, awaiting it, and return what it returns."""
    try:
        effect = next(steps)
        while True:
            try:
                outcome = await _done_async(client, effect)
            except Exception as trouble:  # noqa: BLE001 - the steps decide what to do about it
                effect = steps.throw(trouble)
            else:
                effect = steps.send(outcome)
    except StopIteration as end:
        result: T = end.value
        return result


def is_passing(trouble: BaseException) -> bool:
    """Tell whether waiting mends it: a server that is away, starting, full or changing; not a refusal."""
    if isinstance(trouble, AuthenticationError | AuthorizationError):
        return False
    if isinstance(trouble, RedisClusterException):
        return str(trouble).startswith(_NOBODY_ANSWERS)
    if isinstance(trouble, ResponseError):
        return isinstance(trouble, _PASSING_REPLIES) or str(trouble).startswith(_PASSING_WORDS)
    return isinstance(trouble, _PASSING)


class Patience:
    """Takes steps again, after growing pauses, while what stops them may pass."""

    def __init__(self, on_trouble: Callable[[], None] | None = None) -> None:
        """Tell `on_trouble` of each failure: the outcome of what was asked for is unknown then."""
        self._backoff = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S, random.random)
        self._on_trouble = on_trouble
        self._said = ""

    def through(self, attempt: Callable[[], Steps[T]]) -> Steps[T]:
        """Take the steps until they succeed; raise what waiting does not mend."""
        while True:
            try:
                result = yield from attempt()
            except Exception as trouble:
                if not is_passing(trouble):
                    raise
                self._tell(trouble)
                yield Pause(_FIRST_PAUSE_S + self._backoff.next())
            else:
                self._over()
                return result

    def _tell(self, trouble: Exception) -> None:
        if self._said != (said := str(trouble) or type(trouble).__name__):
            log.warning("reading waits: %s", said)
        self._said = said
        if self._on_trouble is not None:
            self._on_trouble()

    def _over(self) -> None:
        if self._said:
            log.info("reading goes on")
            self._said = ""
            self._backoff.reset()


def _done(client: Any, effect: Effect) -> Any:  # noqa: ANN401 - what the effect gives
    match effect:
        case Ask(method, words, options):
            return getattr(client, method)(*words, **options)
        case Pause(seconds):
            return time.sleep(seconds)
        case Call(function):
            return function()


async def _done_async(client: Any, effect: Effect) -> Any:  # noqa: ANN401 - what the effect gives
    match effect:
        case Ask(method, words, options):
            async with asyncio.timeout(ANSWER_S):
                return await getattr(client, method)(*words, **options)
        case Pause(seconds):
            return await asyncio.sleep(seconds)
        case Call(function):
            return await asyncio.to_thread(function)
