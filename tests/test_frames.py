"""Received frames into files."""

from __future__ import annotations

import gzip
import stat
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from bridge.errors import RecordError
from bridge.frames import FORMAT, VERSION, FrameFiles
from bridge.simulator.recorded.recording import Recording
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable

ORIGIN = {"exchange": "bitmart", "environment": "simulator"}
DATA = '{"group":"futures/klineBin1m:BTCUSDT","data":{"number":%d}}'


def files(folder: Path, *, largest_mb: float = 64.0, longest_s: float = 3_600.0) -> FrameFiles:
    return FrameFiles(folder, ORIGIN, largest_mb=largest_mb, longest_s=longest_s)


def rows(paths: Iterable[Path]) -> list[dict[str, object]]:
    lines = [line for path in paths for line in gzip.decompress(path.read_bytes()).splitlines()]
    return [msgspec.json.decode(line) for line in lines]


def test_what_was_taken_is_read_back_as_it_came(tmp_path: Path) -> None:
    written = files(tmp_path / "made")
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    binary = deflater.compress(b"\x00\xff" * 9) + deflater.flush()
    written.take("public", DATA % 1, 5)
    written.take("private", (DATA % 2).encode(), 6)
    written.take("public", binary, 7)
    written.close()
    head, *frames = rows(written.files)
    assert head == {"format": FORMAT, "version": VERSION, **ORIGIN}
    assert [frame["at"] for frame in frames] == [5, 6, 7]
    heard = list(Recording.open(written.files))
    assert [(one.side, one.payload) for one in heard] == [
        ("public", DATA % 1),
        ("private", DATA % 2),
        ("public", binary),
    ]
    assert (written.frames, written.dropped) == (3, 0)
    assert written.summary() == f"3 frames in 1 file in {tmp_path / 'made'}"


def test_only_their_owner_may_read_the_files(tmp_path: Path) -> None:
    written = files(tmp_path)
    written.close()
    assert stat.S_IMODE(written.files[0].stat().st_mode) == 0o600


async def test_a_new_file_begins_when_one_is_large_or_old(tmp_path: Path) -> None:
    written = files(tmp_path, longest_s=0.0)
    written.take("public", DATA % 1, 1)
    await wait_until(lambda: len(written.files) > 1, "a second file was begun")
    written.take("public", DATA % 2, 2)
    written.close()
    assert [heard.at for heard in Recording.open(written.files)] == [1, 2]


async def test_what_was_flushed_survives_a_kill(tmp_path: Path) -> None:
    written = files(tmp_path)
    written.take("public", DATA % 1, 1)
    torn = tmp_path / "torn.gz"

    def readable() -> bool:
        torn.write_bytes(written.files[0].read_bytes())
        try:
            return Recording.open([torn]).frames == 1
        except ValueError:
            return False

    await wait_until(readable, "the frame can be read from the unfinished file")
    written.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="cannot write into"):
        files(tmp_path / "file" / "frames")


async def test_a_disk_that_fails_is_told_and_what_it_cost_is_counted(tmp_path: Path) -> None:
    folder, away = tmp_path / "frames", tmp_path / "away"
    written = files(folder, longest_s=0.0)
    move(folder, away)
    await wait_until(lambda: written.trouble != "", "the trouble is told")
    written.take("public", DATA % 1, 1)
    await wait_until(lambda: written.dropped == 1, "what could not be written is counted")
    move(away, folder)
    await wait_until(lambda: written.trouble == "", "it writes again")
    written.take("public", DATA % 2, 2)
    written.close()
    assert [heard.at for heard in Recording.open(written.files)] == [2]
    assert "1 lost" in written.summary()


def move(here: Path, there: Path) -> None:
    here.rename(there)
