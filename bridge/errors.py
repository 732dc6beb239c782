"""Every error the bridge raises on purpose. Each message says what was wrong and, where there is one, the next step."""

from __future__ import annotations


class BridgeError(Exception):
    """Base of all errors of the bridge."""


class SettingsError(BridgeError):
    """One or more settings are wrong.

    Attributes:
        problems: one line a setting: its variable's name, what was expected, what was found (secrets masked).
    """

    def __init__(self, problems: list[str]) -> None:
        """Keep all the problems, so that one start names them all."""
        self.problems = problems
        super().__init__("; ".join(problems))


class UnknownTimeframeError(BridgeError):
    """A timeframe that is none of the nine."""


class InvalidTopicError(BridgeError):
    """A member of the desired set that is no topic of the exchange."""


class ProtocolError(BridgeError):
    """A reply of the exchange that is not what its protocol promises."""


class RestError(BridgeError):
    """The exchange answered a REST call with an error.

    Attributes:
        status: the HTTP status, or 0 when no answer came at all.
        code: the exchange's own code, or 0 when it gave none.
    """

    def __init__(self, message: str, *, status: int = 0, code: int = 0) -> None:
        """Keep the codes beside the text."""
        super().__init__(message)
        self.status = status
        self.code = code


class UnknownSymbolError(RestError):
    """The exchange answered that it has no contract of that name."""


class StoreError(BridgeError):
    """Redis cannot be reached, refuses us, or holds something that is not ours."""


class NamesakeError(StoreError):
    """Another ingester of the same name is alive.

    Attributes:
        last_beat: that one's last heartbeat, as the store tells it; it changes while that one lives.
    """

    def __init__(self, name: str, where: str, *, last_beat: str) -> None:
        """Say who, and `where` it runs: host and process id."""
        super().__init__(
            f"an ingester named {name!r} is alive already ({where or 'nobody knows where'}): "
            "give each ingester an INGESTER_ID of its own, or none"
        )
        self.last_beat = last_beat


class AddressInUseError(BridgeError):
    """An address we were told to listen on is taken."""


class BackfillError(BridgeError):
    """The history that was asked for cannot be had, or not be put where it should go."""


class StoppedError(BackfillError):
    """Somebody asked to stop; the message says how far it had come."""


class RecordError(BridgeError):
    """Frames cannot be recorded where they should go."""
