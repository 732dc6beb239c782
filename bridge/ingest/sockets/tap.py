"""An exchange whose conversations are overheard: each received frame is shown to somebody else first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, cast

from bridge.exchanges.base import Action, Exchange, Notice, Request, Session
from bridge.records import Record

Hear = Callable[[bytes | str, int], None]

# The answer to a login may repeat a part of the key.
_OF_A_LOGIN: Final = ('"access"', b'"access"')
_LOOKED_AT: Final = 200


def tapped(exchange: Exchange, hear: Hear) -> Exchange:
    """Return `exchange` with sessions that show every received frame and its time to `hear`, logins' answers not."""
    return cast("Exchange", _Tapped(exchange, hear))


class _Tapped:
    """All of an exchange, with other sessions."""

    def __init__(self, exchange: Exchange, hear: Hear) -> None:
        self._exchange = exchange
        self._hear = hear

    def __getattr__(self, name: str) -> object:
        return getattr(self._exchange, name)

    def session(self) -> Session:
        """Begin a conversation that is overheard."""
        return _Overheard(self._exchange.session(), self._hear)


class _Overheard:
    """A session that shows what it receives."""

    def __init__(self, session: Session, hear: Hear) -> None:
        self._session = session
        self._hear = hear

    def login(self, now_ms: int) -> str:
        """Return the frame that logs in."""
        return self._session.login(now_ms)

    def requests(self, action: Action, topics: Iterable[str]) -> list[Request]:
        """Return the frames that ask for `action` on all `topics`."""
        return self._session.requests(action, topics)

    def ping(self) -> str:
        """Return the frame that pings."""
        return self._session.ping()

    def receive(self, frame: str | bytes, received_at: int) -> tuple[str, Sequence[Record | Notice]]:
        """Show a frame, then take it."""
        head = frame[:_LOOKED_AT]
        if not (_OF_A_LOGIN[0] in head if isinstance(head, str) else _OF_A_LOGIN[1] in head):
            self._hear(frame, received_at)
        return self._session.receive(frame, received_at)
