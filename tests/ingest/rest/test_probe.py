"""Trying an exchange's sockets once."""

from __future__ import annotations

import pytest

from bridge.errors import ProtocolError, RestError
from bridge.ingest.rest import probe
from tests.ingest.rig import exchange_of, market, nobody, quick


async def test_the_public_socket_answers_a_ping() -> None:
    async with market() as simulator:
        settings = quick(simulator)
        told = await probe.public(settings, exchange_of(settings))
        assert told.startswith("a ping was answered after ")
        assert told.endswith(" ms, connecting included")
        assert simulator.stats.pings == 1


async def test_the_private_socket_accepts_the_credentials() -> None:
    async with market() as simulator:
        settings = quick(simulator)
        assert await probe.private(settings, exchange_of(settings)) == "the credentials are accepted"
        assert simulator.stats.logins == 1


async def test_a_refused_login_is_told_in_the_exchanges_words() -> None:
    async with market() as simulator:
        simulator.faults.refuse_login = True
        settings = quick(simulator)
        with pytest.raises(ProtocolError, match="access failed: openapi auth: apiKey"):
            await probe.private(settings, exchange_of(settings))


async def test_a_login_is_not_tried_without_the_exchanges_time() -> None:
    async with market() as simulator:
        simulator.faults.rest_500 = True
        settings = quick(simulator)
        with pytest.raises(RestError):
            await probe.private(settings, exchange_of(settings))
        assert simulator.stats.sockets_opened == 0


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("no_pong", "no answer within the time allowed"),
        ("http_403_on_connect", "refused with HTTP 403"),
    ],
)
async def test_a_socket_that_does_not_work_says_why(fault: str, words: str) -> None:
    async with market() as simulator:
        simulator.faults.set(fault, "true")
        settings = quick(simulator, connect_timeout_s=0.3)
        with pytest.raises(ProtocolError, match=words):
            await probe.public(settings, exchange_of(settings))
        simulator.faults.reset()


async def test_other_frames_do_not_pass_for_the_answer() -> None:
    async with market() as simulator:
        simulator.faults.pong_text = True
        simulator.faults.deflate = True
        settings = quick(simulator)
        assert await probe.public(settings, exchange_of(settings))


async def test_an_exchange_that_is_away_says_so() -> None:
    with nobody() as address:
        settings = quick(market(), bitmart_public_ws_uri=f"ws://{address}/api")
        with pytest.raises(ProtocolError, match="Connect call failed"):
            await probe.public(settings, exchange_of(settings))
