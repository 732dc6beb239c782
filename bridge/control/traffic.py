"""What the API is asked and how it answers, counted before anybody decides who may."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.buckets import Buckets


@dataclass(slots=True)
class Traffic:
    """Answers by HTTP status, and how long they took, in seconds."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: Buckets = field(default_factory=Buckets)

    def count(self, status: int, began: float) -> None:
        """Count an answer to a request that came at `began`, by the performance counter."""
        self.statuses[status] += 1
        self.seconds.observe(time.perf_counter() - began)


class Counted:
    """ASGI middleware that counts answers by their heads: a stream that lasts is counted when it begins."""

    def __init__(self, app: ASGIApp, *, traffic: Traffic) -> None:
        """Count what `app` answers into `traffic`."""
        self._app = app
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and look at the answer's head."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, traffic = time.perf_counter(), self._traffic

        async def count(message: Message) -> None:
            if message["type"] == "http.response.start":
                traffic.count(message["status"], began)
            await send(message)

        try:
            await self._app(scope, receive, count)
        except Exception:
            # What fails inside is answered behind us.
            traffic.count(500, began)
            raise
