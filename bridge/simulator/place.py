"""Where an exchange on loopback is, as a client has to be told."""

from __future__ import annotations


class Place:
    """An address, and what is found there.

    Attributes:
        host: The address to listen on.
        port: The port; 0 before the start unless one was asked for.
    """

    def __init__(self, host: str, port: int) -> None:
        """Name the place; nothing listens there yet."""
        self.host = host
        self.port = port

    @property
    def public_ws_uri(self) -> str:
        """Where public topics are."""
        return f"ws://{self.host}:{self.port}/api?protocol=1.1"

    @property
    def private_ws_uri(self) -> str:
        """Where the account's topics are."""
        return f"ws://{self.host}:{self.port}/user?protocol=1.1"

    @property
    def rest_uri(self) -> str:
        """The REST base, without a slash at its end."""
        return f"http://{self.host}:{self.port}"
