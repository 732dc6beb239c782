"""The two pools of an ingester: many connections for the public topics, one for the private ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.ingest.sockets.connection import Connection
from bridge.ingest.sockets.pool import Pool

if TYPE_CHECKING:
    from bridge.clock import ExchangeClock
    from bridge.exchanges.base import Exchange
    from bridge.ingest.sockets.gate import Gate
    from bridge.ingest.sockets.line import Line, PoolSink
    from bridge.settings import Settings

_PRIVATE_TOPICS: Final = 100


def pools(
    *, exchange: Exchange, clock: ExchangeClock, settings: Settings, sink: PoolSink, gate: Gate
) -> tuple[Pool, Pool]:
    """Return the public pool and the private one, nothing of them open yet; both connect through one `gate`."""

    def pool(name: str, most: int, per_connection: int) -> Pool:
        def connect(line: Line) -> Connection:
            private = name == "private"
            return Connection(
                private=private, exchange=exchange, clock=clock, settings=settings, sink=line, turn=gate.turn
            )

        return Pool(
            name=name,
            connect=connect,
            sink=sink,
            per_connection=per_connection,
            most=most,
            give_way_s=settings.give_way_s,
        )

    most = settings.max_connections - int(settings.has_credentials)
    # An account's few topics stay together behind one login, whatever a public connection may carry.
    return pool("public", most, settings.topics_per_connection), pool("private", 1, _PRIVATE_TOPICS)
