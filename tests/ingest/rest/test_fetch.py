"""REST calls, over real connections to the simulated exchange and to servers that misbehave."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from bridge.clock import ExchangeClock
from bridge.errors import RestError
from bridge.exchanges.base import Call
from bridge.exchanges.bitmart import rest
from bridge.ingest.rest import fetch
from bridge.ingest.rest.fetch import Rest
from bridge.ingest.sockets.frames import USER_AGENT
from tests.ingest.rig import START, hasty, market
from tests.support import wait_until

ECHO: Call[bytes] = Call(
    path="/path",
    per_2s=20,
    read=lambda status, _, body: b"%d " % status + body,
    params={"symbol": "A&B", "step": "1"},
    headers={"X-BM-KEY": "key"},
)


def clock_at(start_ms: int) -> ExchangeClock:
    """A clock that shows what it was told and does not move."""
    return ExchangeClock(lambda: 0.0, start_ms)


@asynccontextmanager
async def asking(uri: str, clock: ExchangeClock | None = None) -> AsyncIterator[Rest]:
    """Something to make calls with."""
    asker = hasty(uri, clock or clock_at(0))
    try:
        yield asker
    finally:
        await asker.aclose()


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that gives everybody the same answer and hangs up; yields its address and the requests it read."""
    requests: list[bytes] = []

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(converse, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", requests


def reply(date: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + date + b"Content-Length: 2\r\nConnection: close\r\n\r\nhi"


async def test_a_call_returns_what_its_reader_makes_of_the_answer() -> None:
    async with market() as simulator, asking(simulator.rest_uri) as asker:
        before = simulator.now
        said = await asker.ask(rest.time_call())
        assert before <= said.now_ms <= simulator.now
        assert said.rate == 60


async def test_a_call_says_who_asks_and_carries_its_parameters_and_headers() -> None:
    async with answering(reply(b"")) as (uri, requests), asking(uri) as asker:
        assert await asker.ask(ECHO) == b"200 hi"
        lines = requests[0].decode().split("\r\n")
        assert lines[0] == "GET /path?symbol=A%26B&step=1 HTTP/1.1"
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        assert (headers["user-agent"], headers["x-bm-key"]) == (USER_AGENT, "key")


@pytest.mark.parametrize(
    ("fault", "value", "status", "code", "words"),
    [
        ("rest_429", True, 429, 30013, "Request too many requests"),
        ("rest_418", True, 418, 30017, "Your request rate is banned"),
        ("rest_500", True, 500, 59999, "Internal error"),
        ("rest_gateway", 30030, None, 30030, ""),
        ("rest_403", True, 403, 0, "with a body that is not BitMart's: '<"),
        ("rest_rubbish", True, 200, 0, "with a body that is not BitMart's: '<html>"),
        ("rest_null", True, 200, 1000, "unexpected data"),
        ("rest_empty", True, 200, 1000, "unexpected data"),
    ],
)
async def test_what_is_no_success_is_told_with_its_numbers_and_words(
    fault: str, value: int, status: int | None, code: int, words: str
) -> None:
    async with market() as simulator, asking(simulator.rest_uri) as asker:
        simulator.faults.set(fault, str(value).lower())
        with pytest.raises(RestError) as trouble:
            await asker.ask(rest.contracts_call())
        assert (asker.calls, asker.failures, asker.refusals) == (1, 1, status in (429, 418))
        assert (trouble.value.status, trouble.value.code) == (status or trouble.value.status, code)
        assert words in str(trouble.value)


async def test_an_exchange_that_is_away_gives_no_answer() -> None:
    async with answering(b"") as (uri, _):
        pass
    async with asking(uri) as asker:
        with pytest.raises(RestError, match="no answer from /system/time: ") as trouble:
            await asker.ask(rest.time_call())
        assert (trouble.value.status, trouble.value.code) == (0, 0)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{", b"nonsense\r\n\r\n"])
async def test_half_an_answer_is_none(answer: bytes) -> None:
    async with answering(answer) as (uri, _), asking(uri) as asker:
        with pytest.raises(RestError, match=r"no answer from /path: ."):
            await asker.ask(ECHO)


def long_reply(body: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", *headers, b"Content-Length: %d" % len(body), b"", body])


GZIPPED = b"Content-Encoding: gzip"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (long_reply(gzip.compress(b"hi", mtime=0), GZIPPED), b"200 hi"),
        (long_reply(b"hi", b"Content-Encoding: identity"), b"200 hi"),
        (long_reply(b"h" * 100_000), b"200 " + b"h" * 100_000),
    ],
)
async def test_a_body_may_be_compressed_and_long(answer: bytes, said: bytes) -> None:
    async with answering(answer) as (uri, requests), asking(uri) as asker:
        assert await asker.ask(ECHO) == said
        assert b"accept-encoding: gzip\r\n" in requests[0].lower()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (long_reply(b"x" * 1_001), "more than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 100_000, "more than 1000 bytes"),
        (long_reply(gzip.compress(b"\0" * 10_000_000, mtime=0), GZIPPED), "more than 1000 bytes"),
        (long_reply(gzip.compress(b"hi", mtime=0)[:-9], GZIPPED), "ended early"),
        (long_reply(b"no gzip at all", GZIPPED), "cannot be inflated"),
        (long_reply(b"hi", b"Content-Encoding: br"), "an encoding that was not asked for"),
    ],
    ids=["long", "endless", "a bomb", "cut", "not compressed", "another encoding"],
)
async def test_a_body_without_end_or_sense_is_given_up(
    answer: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "_LARGEST_BODY", 1_000)
    async with answering(answer) as (uri, _), asking(uri) as asker:
        with pytest.raises(RestError, match=words):
            await asker.ask(ECHO)


async def test_an_answer_that_drips_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "_WHOLE_S", 0.3)
    hung_up = asyncio.Event()

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.close()
        hung_up.set()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with asking(f"http://127.0.0.1:{port}") as asker:
            with pytest.raises(RestError, match="no answer from /path: TimeoutError"):
                await asker.ask(ECHO)
        await hung_up.wait()


async def test_an_answer_that_takes_too_long_is_given_up_and_the_next_call_goes_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetch, "_TIMEOUT_S", 0.2)
    async with market() as simulator, asking(simulator.rest_uri) as asker:
        simulator.faults.rest_slow_s = 0.5
        with pytest.raises(RestError, match="no answer from /system/time: ReadTimeout"):
            await asker.ask(rest.time_call())
        simulator.faults.rest_slow_s = 0.0

        async def answered() -> bool:
            with suppress(RestError):
                return (await asker.ask(rest.time_call())).now_ms >= START
            return False

        # On a busy machine another answer may take too long.
        await wait_until(answered, "a call goes through")


async def test_calls_of_a_path_leave_evenly_spaced() -> None:
    async with answering(reply(b"")) as (uri, requests):
        asker = Rest(uri, clock_at(0))  # at the pace that the call itself names
        began = time.monotonic()
        assert await asyncio.gather(*(asker.ask(ECHO) for _ in range(4))) == [b"200 hi"] * 4
        assert time.monotonic() - began >= 3 * 0.1
        assert len(requests) == asker.calls == 4
        await asker.aclose()


@pytest.mark.parametrize("status", [b"429", b"418"])
async def test_after_too_many_calls_the_next_one_waits(status: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.ingest.rest.pace._REFUSED_S", 0.2)
    monkeypatch.setattr("bridge.ingest.rest.pace._BANNED_S", 0.4)
    async with answering(reply(b"").replace(b"200 OK", status + b" No")) as (uri, _), asking(uri) as asker:
        began = time.monotonic()
        for _ in range(2):
            await asker.ask(ECHO)
        assert time.monotonic() - began >= (0.4 if status == b"418" else 0.2)


async def test_a_call_that_is_cancelled_lets_the_next_one_through() -> None:
    async with market() as simulator, asking(simulator.rest_uri) as asker:
        simulator.faults.rest_slow_s = 0.3
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await asker.ask(rest.time_call())
        simulator.faults.rest_slow_s = 0.0
        assert (await asker.ask(rest.time_call())).now_ms >= START


async def test_the_date_of_an_answer_moves_the_clock_forward_once_that_is_synchronised() -> None:
    async with market() as simulator, asking(simulator.rest_uri, clock := clock_at(0)) as asker:
        await asker.ask(rest.contracts_call())
        assert (clock.now_ms(), clock.synchronised) == (0, False)
        clock.observe(START - 86_400_000)
        await asker.ask(rest.contracts_call())
        assert START <= clock.now_ms() <= simulator.now


async def test_the_date_of_an_answer_never_moves_the_clock_back() -> None:
    async with market() as simulator, asking(simulator.rest_uri, clock := clock_at(0)) as asker:
        clock.observe(ahead := START + 86_400_000)
        await asker.ask(rest.contracts_call())
        assert clock.now_ms() == ahead


@pytest.mark.parametrize(
    "date", [b"", b"Date: \r\n", b"Date: yesterday\r\n", b"Date: Mon, 99 Foo 2026 00:00:00 GMT\r\n"]
)
async def test_an_answer_without_a_readable_date_says_nothing_of_the_time(date: bytes) -> None:
    async with answering(reply(date)) as (uri, _), asking(uri, clock := clock_at(0)) as asker:
        clock.observe(1)
        assert await asker.ask(ECHO) == b"200 hi"
        assert clock.now_ms() == 1


async def test_calls_that_wait_for_their_turn_are_told() -> None:
    async with answering(reply(b"").replace(b"200 OK", b"418 No")) as (uri, _), asking(uri) as asker:
        assert (asker.waiting, asker.still_s()) == (0, 0)
        await asker.ask(ECHO)
        assert asker.still_s() > 50
        waiting = asyncio.create_task(asker.ask(ECHO))
        await wait_until(lambda: asker.waiting == 1, "the next call waits")
        waiting.cancel()
        await asyncio.wait([waiting])
        assert asker.waiting == 0
