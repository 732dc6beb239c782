"""Signatures: how BitMart knows that it is us."""

from __future__ import annotations

import hashlib
import hmac

from bridge.exchanges.base import Credentials


def login_signature(credentials: Credentials, timestamp_ms: int) -> str:
    """Sign a socket login: lowercase hex HMAC-SHA256 of `<timestamp>#<memo>#bitmart.WebSocket` (docs)."""
    return _sign(credentials, f"{timestamp_ms}#{credentials.memo.reveal()}#bitmart.WebSocket")


def request_signature(credentials: Credentials, timestamp_ms: int, body: str) -> str:
    """Sign a REST request: the same over `<timestamp>#<memo>#<body>`, the body exactly as sent (docs)."""
    return _sign(credentials, f"{timestamp_ms}#{credentials.memo.reveal()}#{body}")


def _sign(credentials: Credentials, text: str) -> str:
    return hmac.new(credentials.secret.reveal().encode(), text.encode(), hashlib.sha256).hexdigest()
