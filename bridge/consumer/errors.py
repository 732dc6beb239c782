"""What the kit raises on purpose."""

from __future__ import annotations

from bridge.errors import BridgeError


class ConsumerError(BridgeError):
    """Base of the kit's errors: something in the way of reading that waiting does not mend."""


class AbsentError(ConsumerError, ValueError):
    """A figure was asked for that the exchange left out."""


class StaleDataError(ConsumerError):
    """A record is older than its reader accepts.

    Attributes:
        age_ms: how old it is.
    """

    def __init__(self, message: str, age_ms: int) -> None:
        """Keep the age beside the text."""
        super().__init__(message)
        self.age_ms = age_ms


class MissingPackageError(ConsumerError):
    """A frame was asked for, and the package that makes it is not installed."""
