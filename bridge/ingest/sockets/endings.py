"""Why a life of a connection ends, and what that means for the next."""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed, InvalidStatus


class Cause(StrEnum):
    """Why a life of a connection ends, in one word."""

    CLOSED = "closed"
    CUT = "cut"
    REFUSED = "refused"
    LOGIN = "login"
    TIMEOUT = "timeout"
    NETWORK = "network"


class Ended(Exception):  # noqa: N818 - it is no error: a life's end has a reason
    """A life of the connection is over, for a reason of our own."""

    def __init__(self, reason: str, cause: Cause = Cause.TIMEOUT) -> None:
        """Say why, in words and in one."""
        super().__init__(reason)
        self.cause = cause


class LoginRefusedError(Ended):
    """The exchange refused our credentials: trying again soon is no use."""


def reason_of(trouble: BaseException, uri: str) -> str:
    """Say in words why a life of the connection to `uri` ended.

    | trouble | words |
    |---|---|
    | the exchange closed the socket | with its code and reason |
    | it answered the handshake with an HTTP status | that status |
    | no answer at all within the time allowed | a time-out |
    | our own decision (no pong, no answer to the login) | why |
    | name, network or TLS trouble | which host cannot be reached, and the system's words |
    """
    match trouble:
        case ConnectionClosed():
            frame = trouble.rcvd
            return f"closed by the exchange with code {frame.code} {frame.reason}".rstrip() if frame else "cut off"
        case InvalidStatus():
            return f"refused with HTTP {trouble.response.status_code}"
        case TimeoutError():
            return "no answer within the time allowed"
        case OSError():
            return f"{urlsplit(uri).hostname} cannot be reached: {trouble.strerror or trouble}"
        case _:
            return str(trouble) or type(trouble).__name__


def cause_of(trouble: BaseException) -> Cause:
    """Say in one word why a life of the connection ended: the rows of `reason_of`'s table, to be counted by."""
    match trouble:
        case Ended():
            return trouble.cause
        case ConnectionClosed():
            return Cause.CLOSED if trouble.rcvd else Cause.CUT
        case InvalidStatus():
            return Cause.REFUSED
        case TimeoutError():
            return Cause.TIMEOUT
        case _:
            return Cause.NETWORK
