"""Proof that the chaos would notice: each protection of the product is taken out, and the verdict has to find it.

Each trial breaks one thing, lets the one fault strike that this thing is for, and expects failures of certain kinds.
All of it in one process, on a small and fast market.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, Final

from bridge.exchanges.bitmart import account
from bridge.simulator import Scenario
from bridge.simulator.trading.orders import BUY
from tests.chaos.broken import (
    LAST_FRAME,
    Patch,
    asks_early,
    believes_rest,
    conflates_periods,
    drops_flushes,
    every,
    folds_nothing,
    looks_nowhere,
    script,
    tells_no_losses,
    trusts_empty_replies,
)
from tests.chaos.faults import Fault, switch
from tests.chaos.plan import NEVER_S, PATIENT_S, Plan
from tests.chaos.programs import IngesterTask
from tests.chaos.run import Outcome, played
from tests.chaos.schedule import Act
from tests.chaos.stage import Stage
from tests.chaos.strikes import clients_cut, rewind, store_killed

# 2026-09-23 10:17:30 UTC, a Wednesday: a boundary of 5m is near.
_START: Final = 1_790_158_650_000
_CALM_S: Final = 2.5
_LOOK_S: Final = 0.01
_RUNS: Final = 6
_LATE_IN_MINUTE_MS: Final = 56_000


@dataclass(frozen=True, slots=True)
class Trial:
    """One protection taken out.

    Attributes:
        name: what is broken, in words.
        kinds: of each of these sets, one kind of failure has to be found.
        broken: takes the protection out.
        acts: what strikes.
        plan: what is changed of the small plan.
    """

    name: str
    kinds: Sequence[frozenset[str]]
    broken: Callable[[Patch], None]
    acts: Sequence[Act] = ()
    plan: dict[str, Any] = field(default_factory=dict)


def hurried(patch: Patch) -> None:
    """Let the account be read as fast as the simulator allows, and not as BitMart does."""
    patch.setattr(account, "_SELDOM", 1_000)


async def tried(
    acts: Sequence[Act],
    folder: Path,
    *,
    calm_s: float = _CALM_S,
    **changes: Any,  # noqa: ANN401 - the fields of a plan
) -> Outcome:
    """Play the small plan with these faults."""
    return await played(replace(_small(), **changes), folder, acts, program=IngesterTask, calm_s=calm_s)


async def unnoticed(trial: Trial, folder: Path) -> list[list[str]]:
    """Play a trial, whose protection is taken out, until each kind of failure is found; return those never found.

    Whether a fault does harm in one short run hangs on the machine's pace, too: each run adds to what is found.
    """
    found: Counter[str] = Counter()
    for run in range(_RUNS):
        found += (await tried(trial.acts, folder / f"{run}", **trial.plan)).verdict.counts
        if all(kinds & found.keys() for kinds in trial.kinds):
            return []
    return [sorted(kinds) for kinds in trial.kinds if not kinds & found.keys()]


def _market(symbols: int) -> Scenario:
    return Scenario(
        symbols=symbols, quiet_share=0.0, rate=60.0, start=_START, history_s=7_200, trading=False, limits=False
    )


def _small() -> Plan:
    return Plan(
        seed=1,
        seconds=2.0,
        scenario=_market(symbols=4),
        timeframes=("1m", "5m"),
        proof_timeout_s=PATIENT_S,
        dates_off_s=(0.0, 0.0),
        private_sync_s=1,
    )


# ---- what strikes


@asynccontextmanager
async def _private_away(stage: Stage, _dice: Random) -> AsyncIterator[None]:
    """Cut the private sockets, and refuse logins for a while."""
    stage.exchange.faults.refuse_login = True
    stage.exchange.cut_sockets("private")
    try:
        yield
    finally:
        stage.exchange.faults.refuse_login = False


@asynccontextmanager
async def _stranger_unheard(stage: Stage, dice: Random) -> AsyncIterator[None]:
    """Let an order come and go on a contract of which nothing is known while nobody listens to the account."""
    async with _private_away(stage, dice):
        account = stage.exchange.account
        traded = {order.symbol for order in account.orders.values()}
        stranger = next(symbol for symbol in stage.symbols if symbol not in traded)
        account.cancel(account.submit(stranger, BUY, 3, price="1"))
        yield


@asynccontextmanager
async def _rewound(stage: Stage, _dice: Random) -> AsyncIterator[None]:
    """Take the last closed candles away without anybody noticing."""
    await rewind(stage, 2)
    yield


@asynccontextmanager
async def _early(stage: Stage, _dice: Random) -> AsyncIterator[None]:
    """Let REST lag by 55 s for 45 s around the end of a minute: then no row shows a part of what no socket showed.

    A lag that ends between a candle's last frame and its last trade is beyond what anybody could notice.
    """
    while stage.exchange.now % 60_000 < _LATE_IN_MINUTE_MS:  # noqa: ASYNC110 - market time is no part of the event loop
        await asyncio.sleep(_LOOK_S)
    stage.exchange.faults.rest_early = 55.0
    try:
        await asyncio.sleep(45 / stage.plan.scenario.rate)
    finally:
        stage.exchange.faults.rest_early = 0.0
    yield


@asynccontextmanager
async def _nothing(_stage: Stage, _dice: Random) -> AsyncIterator[None]:
    yield


_NONE: Final = frozenset[str]()
_TIME: Final = Act(Fault("time", _nothing, 2.0, _NONE), 0.0, 1.5)
STORE_KILLED: Final = Act(Fault("store_killed", store_killed, 2.0, _NONE), 0.2, 1.8)
REWOUND: Final = Act(Fault("closed_rewound", _rewound, 0.0, _NONE), 0.3, 0.3)
PRIVATE_AWAY: Final = Act(Fault("private_away", _private_away, 1.0, _NONE), 0.2, 1.0)
STRANGER_UNHEARD: Final = Act(Fault("stranger_unheard", _stranger_unheard, 1.0, _NONE), 0.2, 1.0)
EMPTY: Final = Act(switch("rest_empty", lambda _stage, _dice: True, 2.0), 0.1, 1.5)
CLIENTS_CUT: Final = Act(Fault("clients_cut", clients_cut, 0.0, _NONE), 0.6, 0.6)
EARLY: Final = Act(Fault("rest_early", _early, 1.0, _NONE), 0.1, 1.8)
# All of it, one after the other, with every protection in place.
CONTROL: Final = (
    STORE_KILLED,
    Act(REWOUND.fault, 2.2, 2.2),
    Act(PRIVATE_AWAY.fault, 2.2, 3.0),
    Act(CLIENTS_CUT.fault, 3.1, 3.1),
    Act(EMPTY.fault, 3.2, 4.2),
    Act(EARLY.fault, 4.4, 4.5),
)


def _kinds(*kinds: str) -> frozenset[str]:
    return frozenset(f"failed: {kind}" for kind in kinds)


_UNSYNCED: Final[dict[str, Any]] = {"private_sync_s": NEVER_S}

TRIALS: Final = (
    Trial(
        "nothing is compared with what the streams hold",
        (
            _kinds("live twice", "live backwards", "live after closed"),
            _kinds("fill twice"),
            _kinds("order backwards", "order twice"),
            _kinds("position twice"),
        ),
        every(
            script("KLINE", ("if newest then", "if false then")),
            script("FILL", ("then return 0 end", "then end")),
            script("ORDER", ("", LAST_FRAME)),
            script("POSITION", ("if changed then", "if true then")),
        ),
        (_TIME,),
    ),
    Trial(
        "a closed candle need not be exactly the next",
        (_kinds("candle missing"),),
        script("CLOSED", ("if open ~= newest + period", "if false")),
        (REWOUND, _TIME),
    ),
    Trial(
        "closed candles get ids of Redis' own",
        (_kinds("candle twice", "candle out of order"),),
        script(
            "CLOSED",
            ("ARGV[4 + 9] .. '-0'", "'*'"),
            ("if newest then", "if false then"),
            ("elseif ARGV", "elseif last and ARGV"),
        ),
        (_TIME,),
    ),
    Trial("a candle is asked for before it is over", (_kinds("candle wrong"),), asks_early, (_TIME,)),
    Trial("a row behind the socket is believed", (_kinds("candle wrong"),), believes_rest, (EARLY,)),
    Trial("an empty reply is believed", (_kinds("candle wrong"),), trusts_empty_replies, (EMPTY,)),
    Trial(
        "what is read of the account is not folded in",
        (_kinds("fill missing", "order missing", "order stale", "position stale"),),
        folds_nothing,
        (PRIVATE_AWAY,),
    ),
    Trial(
        "contracts of which nothing is known are not looked through",
        (_kinds("order missing"),),
        looks_nowhere,
        (STRANGER_UNHEARD,),
        # Four contracts are traded all the time: the fifth is the one of which nothing is known.
        {"scenario": _market(symbols=5), "strangers": False},
    ),
    Trial(
        "a store that was away is believed to hold what it took",
        (_kinds("candle missing"),),
        tells_no_losses,
        (REWOUND, CLIENTS_CUT),
        {"timeframes": ("1m", "15m")},
    ),
    Trial(
        "a flush is forgotten when the connection is lost",
        (_kinds("fill missing", "order missing", "order stale", "position stale"),),
        drops_flushes,
        (STORE_KILLED,),
        _UNSYNCED,
    ),
    Trial(
        "a newer period takes an unsent one's place",
        (_kinds("live without last word"),),
        conflates_periods,
        (STORE_KILLED,),
        {"last_words": True},
    ),
)
