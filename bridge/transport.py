"""Which ways to the exchange are neither encrypted nor proven to lead to it: allowed, and never silently."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from bridge.settings import Settings


def unprotected(settings: Settings) -> list[str]:
    """Return a line for each URI of the exchange whose data anybody on the way could read and change."""
    return [
        f"{name.upper()} is not encrypted, and nothing proves who answers: anybody on the way can change prices"
        for name in ("bitmart_public_ws_uri", "bitmart_private_ws_uri", "bitmart_rest_uri")
        if _open_to_others(getattr(settings, name))
    ]


def _open_to_others(uri: str) -> bool:
    parts = urlsplit(uri)
    if parts.scheme in ("wss", "https"):
        return False
    try:
        return not ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname != "localhost"
