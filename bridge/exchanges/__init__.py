"""What exchanges say and want to hear. RULE: pure. No I/O, no asyncio, no clock, no Redis.

`base` is all that the rest of the house knows of an exchange; each exchange is a folder beside it and a line here.
"""

from __future__ import annotations

from bridge.exchanges.base import Credentials, Exchange
from bridge.exchanges.bitmart import BitMart
from bridge.settings import Settings


def chosen(settings: Settings) -> Exchange:
    """Return the exchange that the settings speak of."""
    credentials = Credentials(settings.bitmart_api_key, settings.bitmart_api_secret, settings.bitmart_api_memo)
    return BitMart(
        public_uri=settings.bitmart_public_ws_uri,
        private_uri=settings.bitmart_private_ws_uri,
        rest_uri=settings.bitmart_rest_uri,
        credentials=credentials if settings.has_credentials else None,
        batch=settings.subscribe_batch,
    )
