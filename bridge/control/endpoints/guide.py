"""`GET /help`: the table in words, and lines to copy into a shell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bridge.control.answers import Help
from bridge.control.endpoints.endpoint import Endpoint
from bridge.timeframes import Timeframe


def guide(endpoints: Iterable[Endpoint[Any]], base_url: str, *, with_token: bool) -> Help:
    """Return the help for callers who reached us at `base_url`."""
    curl = 'curl -s -H "Authorization: Bearer $CTRL_TOKEN"' if with_token else "curl -s"
    post = f"{curl} -X POST"
    return Help(
        endpoints={f"{endpoint.method} {endpoint.path}": endpoint.text for endpoint in endpoints},
        supported_timeframes=list(Timeframe),
        example_requests=[
            f"{curl} {base_url}/status",
            _send(post, f"{base_url}/klines/subscribe", '{"symbol":"BTCUSDT","tfs":["1m","5m"]}'),
            _send(post, f"'{base_url}/klines/subscribe?wait=active&timeout=5'", '{"symbols":"*","tfs":"1m"}'),
            _send(post, f"{base_url}/klines/unsubscribe", '{"symbols":["BTCUSDT","ETHUSDT"],"tfs":"5m"}'),
            f"{post} {base_url}/orders/subscribe",
            _send(
                f"{curl} -X PUT",
                f"{base_url}/subscriptions",
                '{"owner":"my-bot","klines":[{"symbol":"BTCUSDT","tfs":"1m"}],"positions":true}',
            ),
            f"{post} {base_url}/pause",
        ],
    )


def _send(curl: str, url: str, body: str) -> str:
    return f"{curl} {url} -d '{body}'"
