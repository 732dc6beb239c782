"""As fast as it goes, without a stop and with nothing conflated: a window of frames on their way slides along.

A frame is sent once its topic's frame before is known to be an entry, and not before: so no unsent state ever gives way
to a newer one, and every frame counts. Waiting for a whole turn of all topics each time would measure waiting instead.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import hiredis

from tests.benchmarks.program import ingesting
from tests.benchmarks.stand import STREAMS

if TYPE_CHECKING:
    from tests.benchmarks.source import Source
    from tests.benchmarks.stand import Cost, Stand

# So many frames are sent at once; the entry of the last of them stands behind those of all.
CHUNK: Final = 250
_READ_MS: Final = 10_000
_READ: Final = 1 << 18


async def sustained(stand: Stand, frames: int) -> Cost:
    """Every frame an entry, as many on their way as there are topics."""
    source = stand.wide
    marks = [STREAMS[number] for number in range(CHUNK - 1, source.turn, CHUNK)]
    where = urlsplit(stand.settings.redis_url.reveal())
    async with ingesting(stand, source) as program:
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        try:
            work = _slide(source, Marks(reader, writer, marks), frames)
            return await stand.measure_store(frames, work, entries=frames, cpu_s=program.cpu_s)
        finally:
            writer.close()


async def _slide(source: Source, marks: Marks, frames: int) -> None:
    source.send(min(frames, source.turn))
    sent, written = min(frames, source.turn), 0
    while written < frames:
        came = CHUNK * await marks.come()
        written += came
        if more := min(came, frames - sent):
            source.send(more)
            sent += more


class Marks:
    """Some streams, read by hiredis alone: what reading takes is not what is measured."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, streams: list[str]) -> None:
        """Read `streams` from their beginning."""
        self._reader = reader
        self._writer = writer
        self._answers = hiredis.Reader()
        self._seen = dict.fromkeys((stream.encode() for stream in streams), b"0")

    async def come(self) -> int:
        """Wait for entries that were not seen yet; return how many there are."""
        words = ("XREAD", "BLOCK", _READ_MS, "STREAMS", *self._seen, *self._seen.values())
        self._writer.write(hiredis.pack_command(words))  # type: ignore[arg-type]  # its stub says one word
        while (answer := self._answers.gets()) is False:
            self._answers.feed(await self._reader.read(_READ))
        if not answer:
            raise TimeoutError("no entry came any more")
        return sum(self._taken(stream, entries) for stream, entries in answer)

    def _taken(self, stream: bytes, entries: list[Any]) -> int:
        self._seen[stream] = entries[-1][0]
        return len(entries)
