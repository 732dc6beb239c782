"""One socket, held open against the simulated exchange."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from bridge.clock import ExchangeClock, host_ms
from bridge.ingest.sockets.connection import Connection, Phase
from bridge.records import EventName, Fill, Order, Record
from bridge.simulator import Simulator, turns
from tests.ingest.rig import (
    BTC,
    ETH,
    NEVER_S,
    ORDERS,
    POSITIONS,
    Notebook,
    active,
    connect,
    market,
    quick,
    running,
)
from tests.support import wait_until


@asynccontextmanager
async def holding(
    simulator: Simulator,
    *topics: str,
    private: bool = False,
    **changes: Any,  # noqa: ANN401 - the fields of settings
) -> AsyncIterator[tuple[Connection, Notebook]]:
    """A running connection that wants some topics and remembers what came."""
    notes = Notebook()
    connection = connect(simulator, quick(simulator, **changes), notes, private=private)
    connection.want(frozenset(topics))
    async with running(connection.run()):
        yield connection, notes


async def until_active(connection: Connection, *topics: str) -> None:
    await wait_until(lambda: active(connection) == set(topics), f"{topics} are active")


async def until_lost(notes: Notebook, times: int = 1) -> str:
    await wait_until(lambda: notes.names().count(EventName.LOST) >= times, f"the connection was lost {times} times")
    return notes.texts(EventName.LOST)[times - 1]


async def until_data(notes: Notebook, topic: str, more: int = 1) -> None:
    enough = len(notes.klines(topic)) + more
    await wait_until(lambda: len(notes.klines(topic)) >= enough, f"{more} more candles of {topic}")


async def test_nothing_is_opened_before_something_is_wanted() -> None:
    async with market() as simulator, holding(simulator) as (idle, notes), holding(simulator, BTC) as (busy, _):
        await until_active(busy, BTC)
        assert simulator.stats.sockets_opened == 1
        assert (idle.phase, idle.idle.is_set(), notes.events, idle.wanted) == (Phase.IDLE, True, [], frozenset())


async def test_wanting_a_topic_opens_the_socket_and_brings_its_data() -> None:
    async with market() as simulator, holding(simulator) as (connection, notes):
        connection.want(frozenset({BTC}))
        await until_active(connection, BTC)
        await until_data(notes, BTC, 3)
        assert (connection.phase, connection.trouble, connection.idle.is_set()) == (Phase.OPEN, "", False)
        assert notes.events == [(EventName.CONNECTED, "public", f"ws://127.0.0.1:{simulator.port}/api")]
        assert connection.data_at[BTC] == notes.klines(BTC)[-1].received_at
        assert connection.frames >= 4
        assert notes.stirs >= 2


async def test_wanting_nothing_any_more_closes_the_socket_and_wanting_again_opens_another() -> None:
    async with market() as simulator, holding(simulator, BTC) as (connection, notes):
        await until_active(connection, BTC)
        connection.want(frozenset())
        await asyncio.wait_for(connection.idle.wait(), 10)
        await wait_until(lambda: simulator.stats.sockets_open == 0, "the socket is closed")
        assert (connection.phase, len(connection.held)) == (Phase.IDLE, 0)
        connection.want(frozenset({ETH}))
        await until_active(connection, ETH)
        assert notes.names() == [EventName.CONNECTED] * 2


async def test_a_change_of_wishes_is_followed_on_the_same_socket() -> None:
    async with market() as simulator, holding(simulator, BTC) as (connection, _):
        await until_active(connection, BTC)
        connection.want(frozenset({BTC, ETH}))
        await until_active(connection, BTC, ETH)
        connection.want(frozenset({ETH}))
        await wait_until(lambda: simulator.stats.topics == {"public-1": [ETH]}, "the other is given up")


async def test_a_storm_of_wishes_ends_as_last_wanted() -> None:
    async with market() as simulator, holding(simulator, BTC) as (connection, _):
        for wanted in itertools.islice(itertools.cycle(({ETH}, {BTC}, {BTC, ETH}, set[str]())), 20):
            told = simulator.stats.frames_in
            connection.want(frozenset(wanted))
            await wait_until(lambda told=told: simulator.stats.frames_in > told, "it was told")  # type: ignore[misc]
        connection.want(frozenset({BTC}))
        await until_active(connection, BTC)
        await wait_until(lambda: list(simulator.stats.topics.values()) == [[BTC]], "the exchange agrees")


async def test_the_end_of_its_task_closes_the_socket() -> None:
    async with market() as simulator:
        async with holding(simulator, BTC) as (connection, _):
            await until_active(connection, BTC)
        await wait_until(lambda: simulator.stats.sockets_open == 0, "the socket is closed")


async def test_a_login_comes_before_private_topics_and_their_data_after() -> None:
    async with (
        market(trading=True, order_interval_s=5) as simulator,
        holding(simulator, ORDERS, POSITIONS, private=True) as (connection, notes),
    ):
        await until_active(connection, ORDERS, POSITIONS)
        assert (simulator.stats.logins, simulator.stats.frames_in) == (1, 2)
        await wait_until(
            lambda: {Order, Fill} <= {type(record) for record in notes.records}, "orders and their fills came"
        )


async def test_no_topic_is_asked_for_while_the_login_is_unanswered() -> None:
    async with market() as simulator:
        simulator.faults.login_silent = True
        async with holding(simulator, ORDERS, private=True, connect_timeout_s=1.0) as (connection, notes):
            assert await until_lost(notes) == "no answer to the login"
            assert (connection.trouble, simulator.stats.frames_in) == ("no answer to the login", 1)
            simulator.faults.login_silent = False
            await until_active(connection, ORDERS)
            assert connection.trouble == ""


async def test_a_refused_login_is_told_and_tried_again_after_its_own_slow_wait() -> None:
    async with market() as simulator:
        simulator.faults.refuse_login = True
        async with holding(simulator, ORDERS, private=True, login_retry_s=0.4) as (connection, notes):
            await wait_until(lambda: connection.phase is Phase.REFUSED, "the login was refused")
            assert connection.trouble.startswith("login refused: access failed: openapi auth: apiKey simulator-****")
            assert notes.events == [(EventName.LOGIN_REFUSED, "private", connection.trouble)]
            simulator.faults.refuse_login = False
            await until_active(connection, ORDERS)
            assert notes.names() == [EventName.LOGIN_REFUSED, EventName.CONNECTED]
            assert notes.times[1] - notes.times[0] >= 0.4
            assert (simulator.stats.logins_failed, simulator.stats.logins) == (1, 1)


async def test_a_login_that_the_exchange_blames_itself_for_is_tried_again_soon() -> None:
    logins = 0

    async def busy(connection: ServerConnection) -> None:
        nonlocal logins
        async for message in connection:
            asked = json.loads(message)
            logins += asked["action"] == "access"
            if asked["action"] == "access" and logins == 1:
                answer = {"action": "access", "success": False, "error": "authentication is temporarily unavailable"}
                await connection.send(json.dumps(answer))
            else:
                for group in asked["args"][:1]:
                    await connection.send(json.dumps({"action": asked["action"], "group": group, "success": True}))

    async with market() as simulator, serve(busy, "127.0.0.1", 0) as server:
        uri = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/user"
        async with holding(simulator, ORDERS, private=True, bitmart_private_ws_uri=uri, login_retry_s=NEVER_S) as (
            connection,
            notes,
        ):
            assert await until_lost(notes) == "login refused: authentication is temporarily unavailable"
            await until_active(connection, ORDERS)


async def test_a_login_waits_for_the_exchanges_time() -> None:
    # The simulator's date is not the host's: a login signed with the latter is refused, and the next is minutes away.
    async with market() as simulator:
        clock = ExchangeClock(time.monotonic, host_ms())
        settings = quick(simulator, login_retry_s=NEVER_S)
        connection = connect(simulator, settings, Notebook(), private=True, clock=clock)
        connection.want(frozenset({ORDERS}))
        async with running(connection.run()), holding(simulator, BTC) as (other, _):
            await until_active(other, BTC)
            assert (simulator.stats.sockets_opened, connection.phase) == (1, Phase.CONNECTING)
            clock.set(simulator.now)
            await until_active(connection, ORDERS)


async def test_a_login_does_not_wait_for_ever_for_the_exchanges_time() -> None:
    async with market(start=None, rate=1.0) as simulator:
        clock = ExchangeClock(time.monotonic, host_ms())
        settings = quick(simulator, connect_timeout_s=0.2)
        connection = connect(simulator, settings, Notebook(), private=True, clock=clock)
        connection.want(frozenset({ORDERS}))
        async with running(connection.run()):
            await until_active(connection, ORDERS)


async def test_a_refused_topic_leaves_the_others_alone_and_is_asked_for_again_later() -> None:
    async with market() as simulator:
        simulator.faults.refuse_topics = [ETH]
        async with holding(simulator, BTC, ETH, rejected_retry_s=0.3, ack_timeout_s=0.2) as (connection, notes):
            await wait_until(lambda: EventName.TOPIC_REJECTED in notes.names(), "the topic was refused")
            words = f"Invalid channel: not found {ETH}"
            assert (EventName.TOPIC_REJECTED, ETH, words) in notes.events
            await until_active(connection, BTC)
            held = connection.held.get(ETH)
            assert held is not None
            await until_data(notes, BTC)
            simulator.faults.refuse_topics = []
            await until_active(connection, BTC, ETH)
            assert simulator.stats.sockets_opened == 1
            assert EventName.LOST not in notes.names()


async def test_a_topic_without_an_answer_is_asked_for_again() -> None:
    async with market() as simulator:
        simulator.faults.ack_silent = True
        async with holding(simulator, BTC, ack_timeout_s=0.1) as (connection, _):
            await wait_until(lambda: simulator.stats.frames_in >= 3, "it was asked for three times")
            assert active(connection) == set()
            simulator.faults.ack_silent = False
            await until_active(connection, BTC)


async def test_a_socket_that_answers_no_ping_is_replaced() -> None:
    async with market() as simulator:
        simulator.faults.no_pong = True
        async with holding(simulator, BTC, ping_interval_s=0.05, pong_timeout_s=0.3) as (connection, notes):
            assert await until_lost(notes) == "no answer to our ping in 0.3 s"
            simulator.faults.no_pong = False
            await wait_until(lambda: simulator.stats.sockets_opened >= 2, "another socket was opened")
            await until_active(connection, BTC)


async def test_a_frozen_server_is_noticed_by_its_missing_pong() -> None:
    async with market() as simulator, holding(simulator, BTC, ping_interval_s=0.05, pong_timeout_s=0.3) as (_, notes):
        await until_data(notes, BTC)
        simulator.faults.freeze = True
        assert await until_lost(notes) == "no answer to our ping in 0.3 s"
        simulator.faults.freeze = False
        await until_data(notes, BTC)


async def test_a_mute_socket_that_answers_pings_is_kept() -> None:
    async with market() as simulator, holding(simulator, BTC, ping_interval_s=0.02) as (connection, notes):
        await until_data(notes, BTC)
        simulator.faults.stall = True
        enough = simulator.stats.pings + 10
        await wait_until(lambda: simulator.stats.pings >= enough, "ten more pings")
        assert (connection.phase, simulator.stats.sockets_opened) == (Phase.OPEN, 1)
        simulator.faults.stall = False
        await until_data(notes, BTC)
        assert notes.names() == [EventName.CONNECTED]


async def test_after_a_cut_all_topics_are_held_again_on_another_socket() -> None:
    async with market() as simulator, holding(simulator, BTC, ETH) as (connection, notes):
        await until_active(connection, BTC, ETH)
        first = connection.held
        simulator.cut_sockets()
        assert await until_lost(notes) == "cut off"
        await wait_until(lambda: connection.held is not first, "nothing of the old life is believed")
        await until_active(connection, BTC, ETH)
        assert list(simulator.stats.topics) == ["public-2"]
        assert notes.names() == [EventName.CONNECTED, EventName.LOST, EventName.CONNECTED]


async def test_a_cut_after_every_few_frames_still_lets_data_through() -> None:
    async with market() as simulator:
        simulator.faults.cut_every_frames = 3
        async with holding(simulator, BTC) as (_, notes):
            await until_lost(notes, 3)
            await until_data(notes, BTC, 3)


@pytest.mark.parametrize("turns", range(8))
async def test_it_ends_when_told_to_while_its_socket_fails(turns: int) -> None:
    def cancel_after(turns: int) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(cancel_after, turns - 1)
        else:
            task.cancel()

    class Doomed(Notebook):
        def take(self, record: Record) -> None:
            super().take(record)
            cancel_after(turns)
            raise OSError("all at once")

    notes = Doomed()
    async with market() as simulator:
        connection = connect(simulator, quick(simulator), notes)
        connection.want(frozenset({BTC}))
        task = asyncio.create_task(connection.run())
        await asyncio.wait([task], timeout=20)
    assert (task.cancelled(), len(notes.klines(BTC))) == (True, 1)


async def test_waits_between_tries_grow_up_to_their_cap() -> None:
    simulator = await stopped()
    async with holding(simulator, BTC, reconnect_delay_s=0.05, reconnect_max_s=0.2) as (connection, notes):
        assert "Connect call failed" in await until_lost(notes, 5)
        assert connection.trouble == notes.texts(EventName.LOST)[-1]
    gaps = [later - earlier for earlier, later in itertools.pairwise(notes.times)]
    assert all(gap >= least for gap, least in zip(gaps, (0.05, 0.1, 0.2, 0.2), strict=False))


async def test_a_life_that_held_a_topic_makes_the_next_wait_short_again() -> None:
    simulator = await stopped()
    draws = itertools.repeat(0.0)
    notes = Notebook()
    settings = quick(simulator, reconnect_delay_s=0.01, reconnect_max_s=math.inf)
    connection = connect(simulator, settings, notes, draw=lambda: next(draws))
    connection.want(frozenset({BTC}))
    async with running(connection.run()):
        await until_lost(notes, 20)  # the ceiling is now hours
        await simulator.start()
        try:
            await until_active(connection, BTC)
            draws = itertools.repeat(1.0)
            simulator.cut_sockets()
            await wait_until(lambda: simulator.stats.sockets_opened == 2, "another socket was opened")
        finally:
            await simulator.stop()


async def test_a_first_try_that_fails_is_followed_by_others() -> None:
    simulator = await stopped()
    async with holding(simulator, BTC) as (connection, notes):
        await until_lost(notes)
        await simulator.start()
        try:
            await until_active(connection, BTC)
        finally:
            await simulator.stop()


async def test_an_exchange_that_stops_and_starts_again_is_found_again() -> None:
    async with market() as simulator, holding(simulator, BTC, ETH) as (connection, notes):
        await until_active(connection, BTC, ETH)
        await simulator.stop()
        assert await until_lost(notes) == "closed by the exchange with code 1001"
        assert "Connect call failed" in await until_lost(notes, 2)
        await simulator.start()
        await until_active(connection, BTC, ETH)
        await until_data(notes, BTC)


async def test_a_page_in_place_of_a_socket_is_told_by_its_status() -> None:
    async with market() as simulator:
        simulator.faults.http_403_on_connect = True
        async with holding(simulator, BTC) as (connection, notes):
            assert await until_lost(notes) == "refused with HTTP 403"
            simulator.faults.http_403_on_connect = False
            await until_active(connection, BTC)


async def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        uri = f"ws://127.0.0.1:{mute.getsockname()[1]}/api"
        async with holding(market(), BTC, bitmart_public_ws_uri=uri, connect_timeout_s=0.2) as (_, notes):
            assert await until_lost(notes) == "no answer within the time allowed"


async def test_malformed_frames_are_counted_and_those_around_them_arrive() -> None:
    async with market(rate=300.0) as simulator:
        simulator.faults.malformed_frames = 1
        async with holding(simulator, BTC) as (connection, notes):
            await until_data(notes, BTC, 24)  # each kind of nonsense twice
            # ... of which three are understood: no data, no data, and a complaint
            assert connection.malformed >= 16
            assert connection.malformed + len(notes.klines(BTC)) < connection.frames
            assert notes.names() == [EventName.CONNECTED]


async def test_frames_are_cut_by_size_before_the_exchange_would_close_the_socket() -> None:
    async with market(symbols=40) as simulator:
        topics = {f"futures/klineBin{tf}:SIM{n:03}USDT" for n in range(9, 41) for tf in ("1m", "5m", "1H", "1D")}
        async with holding(simulator, *topics, subscribe_batch=100) as (connection, notes):
            await until_active(connection, *topics)
            assert 2 < simulator.stats.frames_in < 6
            assert notes.names() == [EventName.CONNECTED]


async def test_frames_hold_no_more_topics_than_set() -> None:
    async with (
        market() as simulator,
        holding(simulator, BTC, ETH, BTC.replace("1m", "5m"), subscribe_batch=2) as (
            connection,
            _,
        ),
    ):
        await until_active(connection, *connection.wanted)
        assert simulator.stats.frames_in == 2


async def test_frames_are_sent_with_a_pause_between() -> None:
    topics = [BTC.replace("1m", tf) for tf in ("1m", "5m", "15m", "30m")]
    async with market() as simulator:
        began = time.monotonic()
        async with holding(simulator, *topics, subscribe_batch=1, subscribe_delay_ms=60) as (connection, _):
            await until_active(connection, *topics)
            assert time.monotonic() - began >= 3 * 0.06


@pytest.mark.parametrize(
    "fault",
    [
        {"deflate": True},
        {"group_suffix": "@100ms"},
        {"newline": True},
        {"flat_klines": True},
        {"two_items": True},
        {"ts_plus_1s": True},
        {"kline_snapshot": True},
        {"duplicate_frames": 1},
        {"lose_frames": 3},
        {"delay_frames": 0.05},
        {"deflate": True, "newline": True, "group_suffix": "@100ms", "ts_plus_1s": True},
    ],
    ids=str,
)
async def test_however_frames_are_dressed_they_give_records(fault: dict[str, Any]) -> None:
    async with market(rate=300.0) as simulator:
        for name, value in fault.items():
            simulator.faults.set(name, value)
        async with holding(simulator, BTC, ETH) as (connection, notes):
            await until_data(notes, BTC, 4)
            await until_data(notes, ETH, 4)
            assert connection.malformed == 0
            for kline in notes.klines(BTC):
                assert kline.open_time % 60_000 == 0
                facts = simulator.truth_candles("BTCUSDT", "1m", kline.open_time, kline.open_time + 1)
                assert [fact["open"] for fact in facts] == [kline.open]


@pytest.mark.parametrize("fault", ["pong_plain", "pong_text", "deflate", "newline"])
async def test_however_a_pong_is_dressed_it_is_heard(fault: str) -> None:
    async with market() as simulator:
        simulator.faults.set(fault, "true")
        async with holding(simulator, BTC, ping_interval_s=0.02, pong_timeout_s=5) as (connection, notes):
            await wait_until(lambda: simulator.stats.pings >= 5, "five pings, each after the last one's pong")
            assert (connection.malformed, notes.names()) == (0, [EventName.CONNECTED])


async def test_private_frames_may_be_deflated_too() -> None:
    async with market(trading=True, order_interval_s=5) as simulator:
        simulator.faults.deflate = True
        async with holding(simulator, ORDERS, private=True) as (_, notes):
            await wait_until(lambda: any(isinstance(record, Order) for record in notes.records), "an order came")


async def test_an_exchange_that_closes_idle_sockets_finds_ours_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_IDLE_S", 1.0)
    async with market() as simulator:
        simulator.faults.idle_close_20s = True
        async with holding(simulator, BTC, ping_interval_s=0.05) as (connection, notes):
            await until_active(connection, BTC)
            over = time.monotonic() + 1.2
            await wait_until(lambda: time.monotonic() > over, "a socket without pings would be closed now")
            assert (notes.names(), simulator.stats.sockets_opened) == ([EventName.CONNECTED], 1)


async def test_a_socket_closed_for_idleness_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_IDLE_S", 0.2)
    async with market() as simulator:
        simulator.faults.idle_close_20s = True
        async with holding(simulator, BTC, ping_interval_s=NEVER_S) as (connection, notes):
            assert await until_lost(notes) == "closed by the exchange with code 1008"
            simulator.faults.idle_close_20s = False
            await until_active(connection, BTC)
            await until_data(notes, BTC)


async def test_a_socket_closed_for_holding_nothing_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_LIFELESS_S", 0.1)
    async with market() as simulator:
        simulator.faults.lifeless_close_5s = True
        simulator.faults.refuse_topics = [BTC]
        async with holding(simulator, BTC, ack_timeout_s=0.2) as (connection, notes):
            assert await until_lost(notes) == "closed by the exchange with code 1008"
            simulator.faults.refuse_topics = []
            await until_active(connection, BTC)


async def stopped() -> Simulator:
    """A simulator that listened once, so that its port is known, and doesn't now."""
    simulator = market()
    await simulator.start()
    await simulator.stop()
    return simulator
