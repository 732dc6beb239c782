"""Logging: what a line says, and that nothing waits for it."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import log
from bridge.log import Sampled, configure, shown
from tests.children import finished

ours = logging.getLogger("ours")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Leave logging as it was found."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def lines(capfd: pytest.CaptureFixture[str]) -> list[str]:
    return capfd.readouterr().err.splitlines()


def test_a_line_for_people_says_when_how_bad_where_and_what(capfd: pytest.CaptureFixture[str]) -> None:
    end = configure("info", "text")
    ours.warning("%d of %s", 3, "things")
    end()
    (line,) = lines(capfd)
    assert line.endswith(" WARNING ours: 3 of things")
    assert line[:4].isdecimal()


@pytest.mark.parametrize(
    ("level", "heard"),
    [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)],
)
def test_what_is_less_important_than_set_is_not_shown(
    level: str, heard: int, capfd: pytest.CaptureFixture[str]
) -> None:
    end = configure(level, "text")
    for say in (ours.debug, ours.info, ours.warning, ours.error):
        say("said")
    end()
    assert len(lines(capfd)) == heard


@pytest.mark.parametrize("name", ["httpx2", "httpcore2", "websockets", "uvicorn", "websockets.client"])
def test_libraries_whose_details_can_hold_secrets_are_quiet_at_any_level(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    end = configure("debug", "text")
    logging.getLogger(name).info("GET https://host/?secret=1")
    logging.getLogger(name).warning("trouble")
    end()
    assert [line.rpartition(": ")[2] for line in lines(capfd)] == ["trouble"]


def test_everything_said_before_the_end_is_written(capfd: pytest.CaptureFixture[str]) -> None:
    end = configure("info", "text")
    for number in range(5_000):
        ours.info("line %d", number)
    end()
    assert [line.rpartition(" ")[2] for line in lines(capfd)] == [str(number) for number in range(5_000)]


def test_what_is_said_later_about_an_argument_does_not_change_the_line(capfd: pytest.CaptureFixture[str]) -> None:
    end = configure("info", "text")
    growing = [1]
    ours.info("%s", growing)
    growing.append(2)
    end()
    assert lines(capfd)[0].endswith("ours: [1]")


def test_control_characters_are_shown_and_not_obeyed(capfd: pytest.CaptureFixture[str]) -> None:
    end = configure("info", "text")
    ours.info("a\x1b[31mb\rc\x07d\u202ee\x9bf\ud800 龙虾")
    end()
    assert lines(capfd)[0].endswith("ours: a\\x1b[31mb\\rc\\x07d\\u202ee\\x9bf\\ud800 龙虾")


def test_a_message_cannot_pass_itself_off_as_another_line(capfd: pytest.CaptureFixture[str]) -> None:
    end = configure("info", "text")
    ours.info("first\n2026-01-01 00:00:00,000 ERROR   ours: second\r\n\x0bthird")
    end()
    first, *others = lines(capfd)
    assert first.endswith("ours: first")
    assert others == ["    2026-01-01 00:00:00,000 ERROR   ours: second\\r", "    \\x0bthird"]


def test_a_traceback_follows_its_line_with_an_indent(capfd: pytest.CaptureFixture[str]) -> None:
    end = configure("info", "text")
    say_what_failed()
    end()
    first, *others = lines(capfd)
    assert first.endswith("ERROR   ours: it failed")
    assert others[0] == "    Traceback (most recent call last):"
    assert others[-1] == "    KeyError: 'NOT HERE'"
    assert all(line.startswith("    ") for line in others)


def say_what_failed() -> None:
    try:
        os.environ["NOT HERE"]
    except KeyError:
        ours.exception("it %s", "failed")


def test_json_is_one_object_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    end = configure("info", "json")
    ours.info("two\nlines and a \x1b%s", "[0m")
    say_what_failed()
    ours.info("odd \ud800")
    end()
    plain, failed, odd = map(json.loads, lines(capfd))
    assert (plain["level"], plain["logger"], plain["message"]) == ("info", "ours", "two\nlines and a \x1b[0m")
    assert set(plain) == {"time", "level", "logger", "message"}
    assert (failed["level"], failed["message"]) == ("error", "it failed")
    assert failed["traceback"].startswith("Traceback (most recent call last):\n")
    assert failed["traceback"].endswith("KeyError: 'NOT HERE'")
    assert odd["message"] == "odd \\ud800"


@given(st.text(st.characters()))
def test_whatever_is_shown_can_be_printed_on_one_line(text: str) -> None:
    safe = shown(text)
    assert safe.isprintable()
    assert safe == text or not text.isprintable()


# Says many lines into whatever standard error is, and tells how long the saying and the end took.
LOUD = """
import logging, sys, time
from bridge.log import configure
end = configure("info", "text")
began = time.monotonic()
for number in range(30_000):
    logging.getLogger("ours").info("line %d", number)
said = time.monotonic()
end()
print(said - began, time.monotonic() - said, logging.getLogger().handlers[0].dropped)
"""


def test_an_output_that_is_stuck_holds_up_neither_the_program_nor_its_end() -> None:
    reading, writing = os.pipe()
    try:
        began = time.monotonic()
        done = finished([sys.executable, "-c", LOUD], stderr=writing)
        saying_s, ending_s, dropped = map(float, done.stdout.split())
    finally:
        os.close(reading)
        os.close(writing)
    assert done.returncode == 0
    assert dropped >= 15_000  # what the queue and the pipe hold is all that is left
    assert saying_s < 20
    assert ending_s < 2 * log._END_S + 5  # noqa: SLF001 - how long it says that it takes at most
    assert time.monotonic() - began < 50


def test_an_output_whose_reader_has_gone_is_no_failure() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = finished([sys.executable, "-c", LOUD], stderr=writing)
    finally:
        os.close(writing)
    assert (done.returncode, len(done.stdout.split())) == (0, 3)


class Clock:
    """A clock that moves when told."""

    now_s = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s


def test_a_sampled_line_is_said_at_once_and_then_counted_until_the_next(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    odd = Sampled(ours, every_s=10, now=clock)
    for now_s in (0, 1, 9.9, 10, 10.1, 50):
        clock.now_s = now_s
        odd.warning("at %g", now_s)
    assert [record.getMessage() for record in caplog.records] == [
        "at 0",
        "at 10 (and 2 more since the last such line)",
        "at 50 (and 1 more since the last such line)",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
