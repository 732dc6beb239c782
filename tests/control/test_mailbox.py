"""What is on its way to one page."""

from __future__ import annotations

import asyncio

from bridge.control.live.frames import HEARTBEAT, Entry, frame
from bridge.control.live.mailbox import Mailbox

NEVER_S = 600.0


async def test_what_waits_is_taken_in_one_piece_and_in_order() -> None:
    mailbox = Mailbox()
    mailbox.put(b"one ")
    mailbox.put(b"two")
    mailbox.close()
    assert [batch async for batch in mailbox.taken(NEVER_S)] == [b"one two"]


async def test_what_comes_later_is_taken_when_it_comes() -> None:
    mailbox = Mailbox()
    taking = mailbox.taken(NEVER_S)
    waiting = asyncio.ensure_future(anext(taking))
    await asyncio.sleep(0)
    mailbox.put(b"late")
    assert await waiting == b"late"
    mailbox.close()
    assert await anext(taking, None) is None


async def test_silence_is_broken_by_a_heartbeat() -> None:
    assert await anext(Mailbox().taken(0.001)) == HEARTBEAT


async def test_who_is_too_slow_is_given_up_and_costs_no_more() -> None:
    mailbox = Mailbox(limit_bytes=3)
    mailbox.put(b"abc")
    assert not mailbox.overrun.is_set()
    mailbox.put(b"d")
    assert mailbox.overrun.is_set()
    mailbox.put(b"e")
    assert [batch async for batch in mailbox.taken(NEVER_S)] == [b"abcd"]


async def test_what_has_been_taken_no_longer_counts() -> None:
    mailbox = Mailbox(limit_bytes=3)
    taking = mailbox.taken(NEVER_S)
    for _ in range(5):
        mailbox.put(b"abc")
        assert await anext(taking) == b"abc"
    assert not mailbox.overrun.is_set()


def test_a_frame_is_one_event_whatever_the_text_in_it() -> None:
    made = frame("event", Entry("1-0", {"text": "a\n\nevent: other\r\ndata: 1"}))
    assert made.count(b"\n") == 3
    assert b"\r" not in made
    assert made.endswith(b"\n\n")
