"""Received frames into files, as they came: gzipped JSON lines, a new file now and then.

The first line of a file names the format. Each further line is a frame: `at` (host time, UTC milliseconds), `side`
(`public` or `private`), and the payload as `text` or, of a binary frame, as `base64`. `simulate --replay` plays them.
"""

from __future__ import annotations

import base64
import gzip
import logging
import os
import threading
import time
import zlib
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from bridge.errors import RecordError

log = logging.getLogger(__name__)

FORMAT: Final = "bitmart-bridge frames"
VERSION: Final = 1

_TURN_S: Final = 1.0
# Frames wait here while the disk is slow. A bound, because memory is worth more than a recording.
_MOST_WAITING_BYTES: Final = 64 * 1024 * 1024
_MIB: Final = 1024 * 1024

Frame = tuple[str, bytes | str, int]


class FrameFiles:
    """Writes frames from a thread of its own, so that a slow disk holds up nobody.

    Attributes:
        frames: how many were taken.
        dropped: how many of these found no room, or no disk.
        files: the files begun, oldest first.
        trouble: why nothing can be written at present, if so.
    """

    def __init__(self, folder: Path, origin: Mapping[str, str], *, largest_mb: float, longest_s: float) -> None:
        """Prepare to write into `folder`.

        Args:
            folder: made if it isn't there.
            origin: what else the first line of each file says.
            largest_mb: a file of that many MiB (packed) is the last of its size: the next begins.
            longest_s: so does one that is this old.

        Raises:
            RecordError: the folder can't be made or written into.
        """
        self.frames = 0
        self.dropped = 0
        self.files: list[Path] = []
        self.trouble = ""
        self._folder = folder
        self._head = {"format": FORMAT, "version": VERSION, **origin}
        self._largest = int(largest_mb * _MIB)
        self._longest_s = longest_s
        self._waiting: deque[Frame] = deque()
        self._waiting_bytes = 0
        self._raw: BinaryIO | None = None
        self._file: gzip.GzipFile | None = None
        self._opened = 0.0
        self._ending = threading.Event()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._begin()
        except OSError as trouble:
            raise RecordError(f"cannot write into {folder}: {trouble.strerror or trouble}") from None
        self._thread = threading.Thread(target=self._run, name="frames", daemon=True)
        self._thread.start()

    def take(self, side: str, frame: bytes | str, at: int) -> None:
        """Take a frame; never waits."""
        self.frames += 1
        if self._waiting_bytes > _MOST_WAITING_BYTES:
            self.dropped += 1
            return
        self._waiting_bytes += len(frame)
        self._waiting.append((side, frame, at))

    def summary(self) -> str:
        """Return in a line what was recorded."""
        lost = f", {self.dropped} lost: {self.trouble or 'the disk was too slow'}" if self.dropped else ""
        files = "1 file" if len(self.files) == 1 else f"{len(self.files)} files"
        return f"{self.frames} frames in {files} in {self._folder}{lost}"

    def close(self) -> None:
        """Write what waits and end; may take as long as the disk does."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(_TURN_S):
            self._write_waiting()
        self._write_waiting()
        self._end()

    def _write_waiting(self) -> None:
        frames = [self._waiting.popleft() for _ in range(len(self._waiting))]
        self._waiting_bytes -= sum(len(frame) for _, frame, _ in frames)
        try:
            self._rotate()
            self._write(frames)
        except OSError as trouble:
            self._fail(str(trouble.strerror or trouble), len(frames))
        else:
            self.trouble = ""

    def _write(self, frames: Iterable[Frame]) -> None:
        if self._file is None:
            self._begin()
        if self._file is not None:
            self._file.writelines(map(_line, frames))
            # What is written can be read from now on, even if we are killed.
            self._file.flush(zlib.Z_SYNC_FLUSH)

    def _rotate(self) -> None:
        if self._file is None:
            return
        if self.files[-1].stat().st_size >= self._largest or time.monotonic() - self._opened >= self._longest_s:
            self._end()

    def _begin(self) -> None:
        path = _free_name(self._folder)
        # Frames of an account are nobody else's business.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._raw = os.fdopen(descriptor, "wb")
        self._file = gzip.GzipFile(fileobj=self._raw, mode="wb")
        self._file.write(msgspec.json.encode(self._head) + b"\n")
        self._opened = time.monotonic()
        self.files.append(path)

    def _end(self) -> None:
        for part in (self._file, self._raw):
            try:
                if part is not None:
                    part.close()
            except OSError as trouble:
                log.error("%s has no proper end: %s", self.files[-1], trouble.strerror or trouble)  # noqa: TRY400
        self._file = self._raw = None

    def _fail(self, trouble: str, lost: int) -> None:
        self.dropped += lost
        if trouble != self.trouble:
            log.error("frames cannot be written into %s: %s", self._folder, trouble)
        self.trouble = trouble
        self._end()


def _line(frame: Frame) -> bytes:
    side, payload, at = frame
    # A session gives text frames as their bytes: what is no UTF-8 was binary on the wire.
    try:
        text = payload if isinstance(payload, str) else payload.decode()
    except UnicodeDecodeError:
        packed = base64.b64encode(payload if isinstance(payload, bytes) else payload.encode()).decode()
        return msgspec.json.encode({"at": at, "side": side, "base64": packed}) + b"\n"
    return msgspec.json.encode({"at": at, "side": side, "text": text}) + b"\n"


def _free_name(folder: Path) -> Path:
    stem = f"frames-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    path, number = folder / f"{stem}.jsonl.gz", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.jsonl.gz"
    return path
