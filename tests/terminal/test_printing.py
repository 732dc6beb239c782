"""Entries on a terminal: lines, and a printer that nobody waits for."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
import threading
import time

import pytest

from bridge.terminal.printing import Printer, as_json, as_text
from tests.support import wait_until

AT = "1790158800000"  # 2026-09-23 10:20:00 UTC
KLINE = {
    "type": "kline",
    "v": "1",
    "symbol": "BTCUSDT",
    "timeframe": "1m",
    "open_time": AT,
    "close_time": "1790158859999",
    "open": "1.0",
    "high": "1.2",
    "low": "0.9",
    "close": "1.1",
    "volume": "55",
    "closed": "0",
    "source": "ws",
    "received_at": AT,
}
ORDER = {
    "type": "order",
    "symbol": "BTCUSDT",
    "order_id": "77",
    "side": "buy",
    "position_side": "short",
    "reduce_only": "1",
    "size": "10",
    "order_type": "limit",
    "price": "1.5",
    "status": "open",
    "filled_size": "4",
    "received_at": AT,
}
FILL = {
    "type": "fill",
    "symbol": "BTCUSDT",
    "side": "sell",
    "size": "4",
    "price": "1.5",
    "fee": "0.1",
    "fee_currency": "USDT",
    "order_id": "77",
    "trade_id": "9",
    "received_at": AT,
}
POSITION = {
    "type": "position",
    "symbol": "BTCUSDT",
    "side": "long",
    "size": "4",
    "average_price": "1.5",
    "received_at": AT,
}
EVENT = {"type": "event", "event": "lost", "subject": "public", "text": "cut off", "received_at": AT}


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (KLINE, "kline     BTCUSDT     1m  2026-09-23 10:20  live    o 1.0  h 1.2  l 0.9  c 1.1  v 55"),
        (
            KLINE | {"closed": "1"},
            "kline     BTCUSDT     1m  2026-09-23 10:20  CLOSED  o 1.0  h 1.2  l 0.9  c 1.1  v 55",
        ),
        (ORDER, "order     BTCUSDT    buy short reduce-only 10 limit at 1.5  open (filled 4)  order 77"),
        (FILL, "fill      BTCUSDT    sell 4 at 1.5  fee 0.1 USDT  order 77  trade 9"),
        (POSITION, "position  BTCUSDT    long 4 at 1.5"),
        (POSITION | {"size": "0"}, "position  BTCUSDT    long flat"),
        (EVENT, "event     lost  public  cut off"),
        ({"type": "resync", "v": "1", "reason": "login", "received_at": AT}, "resync    complete again (login)"),
    ],
)
def test_an_entry_is_a_line_that_begins_with_when_it_was_received(entry: dict[str, str], line: str) -> None:
    assert as_text("stream", "1-0", entry) == f"10:20:00  {line}"


@pytest.mark.parametrize("received_at", [{}, {"received_at": ""}, {"received_at": "soon"}])
def test_an_entry_without_a_time_has_none(received_at: dict[str, str]) -> None:
    assert as_text(
        "stream", "1-0", {"type": "event", "event": "e", "subject": "s", "text": "t"} | received_at
    ).startswith("--:--:--  event")


def test_an_entry_of_nothing_names_its_stream() -> None:
    assert as_text("bitmart:odd", "1-0", {}) == "--:--:--  ?         bitmart:odd"


def test_what_came_from_outside_stays_on_its_line_and_is_not_obeyed() -> None:
    line = as_text("stream", "1-0", EVENT | {"text": "no\n\x1b[2Jsuch\ttopic"})
    assert line.endswith("no\\n\\x1b[2Jsuch\\ttopic")


def test_json_holds_the_stream_the_id_and_every_field_as_it_is() -> None:
    told = json.loads(as_json("bitmart:events", "5-1", EVENT | {"text": 'a "b"\n龙'}))
    assert told == {"stream": "bitmart:events", "id": "5-1"} | EVENT | {"text": 'a "b"\n龙'}


class Gate(io.StringIO):
    """An output that is stuck until it is opened."""

    def __init__(self) -> None:
        """Begin stuck."""
        super().__init__()
        self.opened = threading.Event()

    def write(self, text: str) -> int:
        """Write once it is open."""
        self.opened.wait()
        return super().write(text)


async def test_lines_are_written_in_order_and_finish_waits_for_the_last() -> None:
    out = io.StringIO()
    printer = Printer(out)
    for number in range(3_000):  # more than the printer holds
        await printer.line(f"line {number}")
    await printer.finish(10)
    assert out.getvalue() == "".join(f"line {number}\n" for number in range(3_000))


async def test_a_slow_reader_holds_up_the_printing_alone() -> None:
    out = Gate()
    printer = Printer(out)
    printed = 0

    async def print_much() -> None:
        nonlocal printed
        for number in range(2_000):
            await printer.line(str(number))
            printed += 1

    printing = asyncio.create_task(print_much())
    await wait_until(lambda: printed >= 1_000, "the printer is full")
    turns = itertools.count()
    await wait_until(lambda: next(turns) > 20, "the loop turns on")
    assert printed < 1_010
    assert not printing.done()
    out.opened.set()
    await printing
    await printer.finish(10)
    assert out.getvalue().splitlines() == [str(number) for number in range(2_000)]


async def test_finish_gives_up_on_a_reader_that_is_stuck() -> None:
    out = Gate()
    printer = Printer(out)
    await printer.line("never read")
    began = time.monotonic()
    await printer.finish(0.1)
    assert time.monotonic() - began >= 0.1
    assert out.getvalue() == ""
    out.opened.set()


async def test_a_reader_that_has_gone_ends_the_printing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as out:  # noqa: PTH123, ASYNC230 - a pipe has no path
        printer = Printer(out)
        await printer.line("into nothing")
        await wait_until(lambda: printer.closed, "it noticed")
        for _ in range(2_000):  # more than it holds: nobody waits any more
            await printer.line("into nothing")
        await printer.finish(10)
        with pytest.raises(BrokenPipeError):
            out.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), writing)


async def test_an_output_that_was_closed_ends_the_printing() -> None:
    out = io.StringIO()
    out.close()
    printer = Printer(out)
    await printer.line("into nothing")
    await wait_until(lambda: printer.closed, "it noticed")


async def test_what_the_outputs_encoding_lacks_is_shown_by_its_number() -> None:
    raw = io.BytesIO()
    printer = Printer(io.TextIOWrapper(raw, encoding="latin-1"))
    await printer.line("é 龙虾USDT \ud800")
    await printer.finish(10)
    assert raw.getvalue().decode("latin-1") == "é \\u9f99\\u867eUSDT \\ud800\n"
    assert not printer.closed


async def test_standard_output_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer()
    await printer.line("here")
    await printer.finish(10)
    assert capsys.readouterr().out == "here\n"
