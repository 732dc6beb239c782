"""Recorded frames read back."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import TYPE_CHECKING

import pytest

from bridge.simulator.recorded.recording import FORMAT, VERSION, Recording, RecordingError

if TYPE_CHECKING:
    from pathlib import Path

HEAD = json.dumps({"format": FORMAT, "version": VERSION})
KLINE = "futures/klineBin1m:BTCUSDT"


def line(at: int, text: str, side: str = "public") -> str:
    return json.dumps({"at": at, "side": side, "text": text})


def data(topic: str, **members: object) -> str:
    return json.dumps({"group": topic, "data": members})


def write(path: Path, *lines: str) -> Path:
    path.write_bytes(gzip.compress("".join(f"{text}\n" for text in lines).encode()))
    return path


def test_data_frames_come_back_as_they_were_received_and_answers_do_not(tmp_path: Path) -> None:
    frames = [data(KLINE, symbol="BTCUSDT"), data("futures/order"), "rubbish{"]
    path = write(
        tmp_path / "a.gz",
        HEAD,
        line(5, json.dumps({"action": "subscribe", "group": KLINE, "success": True})),
        line(6, frames[0]),
        line(7, json.dumps({"group": "System", "data": "pong"})),
        line(8, frames[1], "private"),
        line(9, frames[2]),
    )
    recording = Recording.open([path])
    assert (recording.first, recording.last, recording.frames, recording.symbols) == (6, 9, 3, ("BTCUSDT",))
    heard = list(recording)
    assert [one.payload for one in heard] == frames
    assert [(one.side, one.topic) for one in heard] == [("public", KLINE), ("private", "futures/order"), ("public", "")]


def test_a_binary_frame_stays_binary_and_its_topic_is_known(tmp_path: Path) -> None:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    payload = deflater.compress(data(f"{KLINE}@100ms").encode()) + deflater.flush()
    row = json.dumps({"at": 1, "side": "public", "base64": base64.b64encode(payload).decode()})
    (heard,) = Recording.open([write(tmp_path / "a.gz", HEAD, row)])
    assert (heard.payload, heard.topic) == (payload, KLINE)


def test_files_follow_each_other_and_may_be_unpacked(tmp_path: Path) -> None:
    first = write(tmp_path / "a.gz", HEAD, line(1, data(KLINE)))
    second = tmp_path / "b.jsonl"
    second.write_text(f"{HEAD}\n{line(2, data(KLINE))}\n")
    assert [heard.at for heard in Recording.open([first, second])] == [1, 2]


@pytest.mark.parametrize("kept", [0.4, 0.7, 0.95])
def test_a_torn_end_is_left_out(tmp_path: Path, kept: float) -> None:
    whole = write(tmp_path / "a.gz", HEAD, *(line(at, data(KLINE, number=at)) for at in range(1, 2001)))
    packed = whole.read_bytes()
    whole.write_bytes(packed[: int(len(packed) * kept)])
    times = [heard.at for heard in Recording.open([whole])]
    assert times == list(range(1, len(times) + 1))
    assert 0 < len(times) < 2000


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ((), "no recording"),
        (("{}",), "no recording"),
        (("rubbish",), "no recording"),
        ((json.dumps({"format": FORMAT, "version": 99}),), "no recording of version 1"),
        ((HEAD,), "no frame of the exchange"),
        ((HEAD, "{}"), "line 2"),
        ((HEAD, line(1, "x", "sideways")), "side must be public or private"),
        ((HEAD, json.dumps({"at": 1, "side": "public", "base64": "!"})), "line 2: base64"),
    ],
)
def test_what_cannot_be_played_is_named(tmp_path: Path, lines: tuple[str, ...], told: str) -> None:
    with pytest.raises(RecordingError, match=told):
        Recording.open([write(tmp_path / "a.gz", *lines)])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"missing\.gz cannot be read: No such file"):
        Recording.open([tmp_path / "missing.gz"])
