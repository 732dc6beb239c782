"""What is measured: sections of rows, each row beside the peers of its section.

A count of frames is what takes a row about a fifth of a second, in whole turns of all topics.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from tests.benchmarks import consumers, extras, inside, limits, peers, stages, whole, window
from tests.benchmarks.stand import Cost, Stand

QUIET_PER_S: Final = 1_000.0


@dataclass(frozen=True, slots=True)
class Row:
    """One way of doing a section's work, measured with so many frames, or with fewer in a hurry.

    An `extra` one needs libraries that may not be installed.
    """

    name: str
    run: Callable[[Stand, int], Awaitable[Cost]]
    frames: int
    hurried: int
    peer: str = ""
    extra: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Ways of doing the same work; those with a `peer` name are what the others are compared with."""

    title: str
    rows: tuple[Row, ...]


def outsider(which: str) -> Callable[[Stand, int], Awaitable[Cost]]:
    """Return the measurement of one of the others' libraries."""
    return partial(extras.outsider, which=which)


WHOLE_WAY: Final = "ingester, each frame an entry"
FEW: Final = "a hundred topics"
MANY: Final = "a thousand topics"
BARE: Final = "bare XADD, a hundred at once"
GUARDED: Final = "the bridge's guarded append, a flush at once"

SECTIONS: Final = (
    Section(
        "receive: from the socket to a frame",
        (
            Row("recv(), texts", peers.receive, 20_000, 5_000, peer="peer"),
            Row("the connection's socket, recv(decode=False)", stages.bare_socket, 20_000, 5_000),
            Row("Connection with a deaf session", stages.connection, 20_000, 5_000),
        ),
    ),
    Section(
        "decode: from a frame to a record",
        (
            Row("json and a dict of fields", peers.decode, 20_000, 5_000, peer="peer"),
            Row("BitMartSession.receive", stages.session, 20_000, 5_000),
        ),
    ),
    Section(
        "candles: what to publish, what to remember until it is proven",
        (
            Row("Newest.grown", stages.candles, 20_000, 5_000),
            Row("Shown.grown", stages.series, 20_000, 5_000),
        ),
    ),
    Section(
        "append: from a record to bytes",
        (
            Row("redis-py's packing of an XADD", peers.pack, 20_000, 5_000, peer="peer"),
            Row("KlineAppends.of", stages.appends, 20_000, 5_000),
            Row("hiredis.pack_command of it", stages.packing, 20_000, 5_000),
        ),
    ),
    Section(
        "commit: from appends to acknowledged entries",
        (
            Row("redis-py, XADD awaited", peers.commit_awaited, 1_500, 500, peer="awaited"),
            Row("redis-py, pipelines of 100", peers.commit_pipelined, 10_000, 2_500, peer="pipelined"),
            Row("Writer, bare XADD, 500 at once", stages.unguarded, 20_000, 5_000),
            Row("Writer, guarded, 500 at once", stages.guarded, 20_000, 5_000),
            Row("Writer, bare XADD, 10 at once", stages.unguarded_few, 10_000, 2_500),
            Row("Writer, guarded, 10 at once", stages.guarded_few, 10_000, 2_500),
        ),
    ),
    Section(
        "all of these but sockets and server, joined: from frames to a packed flush",
        (
            Row(FEW, inside.few, 20_000, 5_000),
            Row(MANY, inside.wide, 20_000, 5_000),
        ),
    ),
    Section(
        "what the server can take, from bytes packed beforehand",
        (
            Row(BARE, limits.bare, 20_000, 5_000, peer="bare"),
            Row(GUARDED, limits.guarded, 20_000, 5_000),
        ),
    ),
    Section(
        "the whole way, as fast as it goes",
        (
            Row("(a) websockets, json, XADD awaited", peers.awaited, 1_500, 500, peer="a"),
            Row("(b) websockets, json, pipelines of 100", peers.pipelined, 10_000, 2_500, peer="b"),
            Row("(c) cryptofeed's Redis stream backend", outsider("cryptofeed"), 10_000, 2_500, peer="c", extra=True),
            Row("(d) ccxt.pro's handler, XADD awaited", outsider("ccxt"), 1_500, 500, peer="d", extra=True),
            Row("(e) BitMart's SDK, XADD", outsider("sdk"), 1_500, 500, peer="e", extra=True),
            Row(WHOLE_WAY, window.sustained, 60_000, 20_000),
            Row("ingester, flooded: unsent states give way", whole.at_once, 30_000, 10_000),
        ),
    ),
    Section(
        f"the whole way, {QUIET_PER_S:,.0f} frames a second, one at a time",
        (
            Row(
                "websockets, json, XADD awaited", partial(peers.awaited, per_second=QUIET_PER_S), 1_000, 500, "awaited"
            ),
            Row(
                "websockets, json, pipelines of 100",
                partial(peers.pipelined, per_second=QUIET_PER_S),
                *(1_000, 500, "pipelined"),
            ),
            Row("ingester", partial(whole.evenly, per_second=QUIET_PER_S), 1_000, 500),
        ),
    ),
    Section(
        "read: from the stream to a figure, an entry for each frame",
        (
            Row("redis-py and hiredis, XREAD, texts", consumers.plain, 15_000, 5_000, peer="read"),
            Row("redis-py and hiredis, XREADGROUP, texts", consumers.plain_group, 15_000, 5_000, peer="group"),
            Row("Reader, typed", consumers.reader, 15_000, 5_000),
            Row("AsyncReader, typed", consumers.async_reader, 15_000, 5_000),
            Row("GroupReader, typed, acknowledged", consumers.group_reader, 15_000, 5_000),
        ),
    ),
)

# The bridge's parts whose costs add up to its way, as far as it is spent in them.
WAY: Final = (
    "Connection with a deaf session",
    "BitMartSession.receive",
    "Newest.grown",
    "Shown.grown",
    "KlineAppends.of",
    "Writer, guarded, 500 at once",
)
MOST_FRAMES: Final = max(row.frames for section in SECTIONS for row in section.rows)
