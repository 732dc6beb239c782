"""Why a life of a connection ended, in words."""

from __future__ import annotations

import socket

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.frames import Close
from websockets.http11 import Response

from bridge.errors import ProtocolError
from bridge.ingest.sockets.endings import Cause, Ended, LoginRefusedError, cause_of, reason_of

GONE = Close(1001, "")


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (ConnectionClosedError(Close(1008, "idle"), None), "closed by the exchange with code 1008 idle"),
        (
            ConnectionClosedOK(Close(1001, ""), Close(1001, ""), rcvd_then_sent=True),
            "closed by the exchange with code 1001",
        ),
        (ConnectionClosedError(None, None), "cut off"),
        (InvalidStatus(Response(403, "Forbidden", Headers(), b"<html>")), "refused with HTTP 403"),
        (TimeoutError("timed out during opening handshake"), "no answer within the time allowed"),
        (TimeoutError(), "no answer within the time allowed"),
        (Ended("no answer to our ping in 10 s"), "no answer to our ping in 10 s"),
        (LoginRefusedError("login refused: no such key"), "login refused: no such key"),
        (ConnectionRefusedError(111, "Connect call failed"), "exchange.example cannot be reached: Connect call failed"),
        (
            socket.gaierror(-2, "Name or service not known"),
            "exchange.example cannot be reached: Name or service not known",
        ),
        (ProtocolError("odd"), "odd"),
        (ProtocolError(), "ProtocolError"),
    ],
)
def test_every_end_has_its_words(trouble: BaseException, words: str) -> None:
    assert reason_of(trouble, "wss://exchange.example:9443/api?protocol=1.1") == words


@pytest.mark.parametrize(
    ("trouble", "cause"),
    [
        (ConnectionClosedError(Close(1008, "idle"), None), Cause.CLOSED),
        (ConnectionClosedError(None, None), Cause.CUT),
        (InvalidStatus(Response(403, "Forbidden", Headers(), b"<html>")), Cause.REFUSED),
        (TimeoutError(), Cause.TIMEOUT),
        (Ended("no answer to our ping in 10 s"), Cause.TIMEOUT),
        (LoginRefusedError("login refused: no such key", Cause.LOGIN), Cause.LOGIN),
        (ConnectionRefusedError(111, "Connect call failed"), Cause.NETWORK),
    ],
)
def test_every_end_is_counted_by_one_word(trouble: BaseException, cause: Cause) -> None:
    assert cause_of(trouble) is cause
