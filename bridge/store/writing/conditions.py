"""Which replies are about the server's condition, and pass: what they refuse is sent again, in order."""

from __future__ import annotations

from typing import Final

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)

_PASSING_KINDS: Final = (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)
_PASSING: Final = (
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "BUSY",
    "MISCONF",
    "NOREPLICAS",
    "OOM",
    "LOADING",
    "READONLY",
)


def is_passing(answer: ResponseError) -> bool:
    """Tell whether a reply is about the server and not about the append that it refuses."""
    # redis-py has a class for some of them; the others are known by their first word.
    return isinstance(answer, _PASSING_KINDS) or str(answer).startswith(_PASSING)
