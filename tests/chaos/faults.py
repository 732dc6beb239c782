"""Every fault of the chaos: what strikes, for how long, and what it must not strike together with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Final

from bridge.simulator.faults import Faults, FaultValue
from tests.chaos.dates import library
from tests.chaos.stage import Stage
from tests.chaos.strikes import (
    SOME,
    all_ingesters_killed,
    clients_cut,
    closed_rewound,
    date_stepped,
    exchange_down,
    ingester_halted,
    ingester_killed,
    sockets_cut,
    store_emptied,
    store_full,
    store_halted,
    store_killed,
    wishes_withdrawn,
)

Strike = Callable[[Stage, Random], AbstractAsyncContextManager[None]]
Draw = Callable[[Stage, Random], FaultValue]

_OFF: Final = Faults()


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    Attributes:
        name: what it is called in the table.
        strike: makes the context of one such fault.
        longest_s: wall seconds it lasts at most; 0 strikes in an instant.
        claims: what no other fault may claim meanwhile.
        rest_away: whether REST gives nothing valid within it.
        weight: how often it is drawn, compared with the others.
    """

    name: str
    strike: Strike
    longest_s: float
    claims: frozenset[str]
    rest_away: bool = False
    weight: int = 2


def switch(name: str, draw: Draw, longest_s: float, *, rest_away: bool = False, weight: int = 2) -> Fault:
    """Make a fault of one of the simulator's switches; `draw` says to what it is set."""

    @asynccontextmanager
    async def strike(stage: Stage, dice: Random) -> AsyncIterator[None]:
        stage.exchange.faults.set(name, draw(stage, dice))
        try:
            yield
        finally:
            stage.exchange.faults.set(name, getattr(_OFF, name))

    return Fault(name, strike, longest_s, frozenset({name}), rest_away, weight)


def _on(_stage: Stage, _dice: Random) -> FaultValue:
    return True


def _between(least: float, most: float) -> Draw:
    return lambda _stage, dice: dice.uniform(least, most)


def _hedged(stage: Stage, _dice: Random) -> FaultValue:
    """Without the account's mode, a one-way position looks like one of two."""
    return stage.plan.scenario.position_mode == "hedge_mode"


def _whole(least: int, most: int) -> Draw:
    return lambda _stage, dice: dice.randint(least, most)


def _one_of(*choices: FaultValue) -> Draw:
    return lambda _stage, dice: dice.choice(choices)


def _topics(stage: Stage, dice: Random) -> FaultValue:
    return tuple(dice.sample(stage.plan.topics(stage.symbols), SOME))


_STORE: Final = frozenset({"store"})
_INGESTER: Final = frozenset({"ingester"})

ALL_INGESTERS_KILLED: Final = Fault("ingester_all_killed", all_ingesters_killed, 2.0, _INGESTER)
STORE_EMPTIED: Final = Fault("store_emptied", store_emptied, 1.0, _STORE)

# These strike in every run.
ALWAYS: Final = (
    Fault("sockets_cut", sockets_cut, 0.0, frozenset(), weight=6),
    Fault("ingester_killed", ingester_killed, 2.0, _INGESTER, weight=3),
    Fault("ingester_halted", ingester_halted, 3.0, _INGESTER, weight=3),
    Fault("store_killed", store_killed, 1.5, _STORE, weight=3),
    Fault("store_full", store_full, 2.0, _STORE),
    Fault("exchange_down", exchange_down, 3.0, frozenset({"exchange"}), rest_away=True),
)

LONG_SILENCE: Final = switch("rest_500", _on, 8.0, rest_away=True)

DATE_STEPPED: Final = Fault("date_stepped", date_stepped, 3.0, frozenset({"dates"}))

# These are drawn.
OTHERS: Final = (
    ALL_INGESTERS_KILLED,
    *([DATE_STEPPED] if library() else ()),
    Fault("store_halted", store_halted, 3.0, _STORE),
    Fault("clients_cut", clients_cut, 0.0, _STORE, weight=3),
    Fault("closed_rewound", closed_rewound, 0.0, _STORE, weight=1),
    Fault("wishes_withdrawn", wishes_withdrawn, 3.0, frozenset({"wishes"})),
    switch("delay_frames", _between(0.05, 0.6), 3),
    switch("duplicate_frames", _whole(1, 5), 4),
    switch("lose_frames", _whole(3, 20), 2),
    switch("malformed_frames", _whole(2, 10), 3),
    switch("cut_every_frames", _whole(200, 900), 2),
    switch("deflate", _on, 3),
    switch("group_suffix", _one_of("@100ms"), 3),
    switch("flat_klines", _on, 3),
    switch("ts_plus_1s", _on, 3),
    switch("newline", _on, 3, weight=1),
    switch("two_items", _on, 3),
    switch("late_updates", _on, 5),
    switch("withhold_last", _between(5, 40), 6, weight=3),
    switch("kline_snapshot", _on, 5),
    switch("private_snapshot", _on, 5),
    switch("stall", _on, 2.5, weight=3),
    switch("freeze", _on, 2.5),
    switch("mute_topics", _topics, 5, weight=3),
    switch("refuse_topics", _topics, 3),
    switch("no_pong", _on, 3),
    switch("pong_plain", _on, 3, weight=1),
    switch("pong_text", _on, 3, weight=1),
    switch("ack_silent", _on, 3, weight=3),
    switch("ack_own_request", _on, 3, weight=1),
    switch("http_403_on_connect", _on, 2),
    switch("connection_limit", _whole(1, 3), 2),
    switch("refuse_login", _on, 3, weight=3),
    switch("login_silent", _on, 2),
    switch("auth_unavailable", _on, 2),
    switch("approval_first", _on, 5),
    switch("position_first", _on, 5),
    switch("position_full", _on, 5),
    switch("position_data", _one_of("null", "empty"), 2),
    switch("one_way_signed", _on, 5),
    switch("old_private_shape", _hedged, 3),
    switch("docs_error_text", _on, 5, weight=1),
    switch("rest_429", _on, 2, rest_away=True),
    switch("rest_418", _on, 0.5, rest_away=True, weight=1),
    switch("rest_403", _on, 2, rest_away=True),
    switch("rest_500", _on, 3, rest_away=True),
    switch("rest_gateway", _one_of(30000, 30014, 30016, 30030), 2, rest_away=True),
    switch("rest_rubbish", _on, 2, rest_away=True),
    switch("rest_null", _on, 2, rest_away=True),
    switch("rest_empty", _on, 2, weight=3),
    switch("rest_slow_s", _between(0.1, 0.9), 4, weight=3),
    switch("rest_descending", _on, 4),
    # The contract takes a row for final 3 s after the period: an exchange that lags more is beyond its promise.
    switch("rest_early", _between(0.5, 2.5), 4, weight=3),
    switch("rest_empty_rows", _on, 4),
    switch("rest_start_exclusive", _on, 4),
    switch("rest_truncate", _on, 4),
    switch("gateway_message", _on, 4, weight=1),
)
