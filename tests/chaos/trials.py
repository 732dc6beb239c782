"""Proof that the chaos would notice: each protection of the product is taken out, and the verdict has to find it.

Each trial breaks one thing, lets the one fault strike that this thing is for, and expects failures of certain kinds.
All of it in one process, on a small and fast market.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha1
from pathlib import Path
from random import Random
from typing import Any, Final, Protocol

import msgspec
from redis.exceptions import RedisError

from bridge.exchanges.bitmart import account
from bridge.ingest import series
from bridge.ingest.closed import Closed, Window
from bridge.ingest.folding import Folding
from bridge.ingest.watch import Watch
from bridge.records import Kline
from bridge.simulator import Scenario
from bridge.store import scripts
from bridge.store.appends import Append, KlineAppends
from bridge.store.lane import Answer, Lane
from tests.chaos.faults import Fault, clients_cut, rewind, store_killed, switch
from tests.chaos.plan import NEVER_S, PATIENT_S, Plan
from tests.chaos.programs import IngesterTask
from tests.chaos.run import Outcome, played
from tests.chaos.schedule import Act
from tests.chaos.stage import Stage

# 2026-09-23 10:17:30 UTC, a Wednesday: a boundary of 5m is near.
_START: Final = 1_790_158_650_000
_CALM_S: Final = 2.5
_LOOK_S: Final = 0.01
_RUNS: Final = 6
_LATE_IN_MINUTE_MS: Final = 56_000


class Patch(Protocol):
    """Replaces attributes until the trial is over; `pytest.MonkeyPatch` is one."""

    def setattr(self, target: object, name: str, value: object) -> None:
        """Replace an attribute of `target`."""


class Patches:
    """Replaces attributes, and puts them back."""

    def __init__(self) -> None:
        """Begin with nothing replaced."""
        self._sound: list[tuple[object, str, object]] = []

    def setattr(self, target: object, name: str, value: object) -> None:
        """Replace an attribute of `target`."""
        self._sound.append((target, name, getattr(target, name)))
        setattr(target, name, value)

    def undo(self) -> None:
        """Put back what was replaced."""
        while self._sound:
            setattr(*self._sound.pop())


@contextmanager
def patching() -> Iterator[Patches]:
    """Replace attributes for a while."""
    patches = Patches()
    try:
        yield patches
    finally:
        patches.undo()


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


def _small() -> Plan:
    scenario = Scenario(
        symbols=4, quiet_share=0.0, rate=60.0, start=_START, history_s=7_200, trading=False, limits=False
    )
    return Plan(
        seed=1,
        seconds=2.0,
        scenario=scenario,
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


# ---- what is broken


def _script(name: str, *changes: tuple[str, str]) -> Callable[[Patch], None]:
    """Replace parts of a script; the whole of it where a part is empty."""

    def broken(patch: Patch) -> None:
        sound: scripts.Script = getattr(scripts, name)
        text = sound.text
        for part, other in changes:
            if part not in text:
                raise AssertionError(f"the script {name} lacks {part!r}, which this trial replaces")
            text = text.replace(part, other) if part else other
        unsound = scripts.Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())
        patch.setattr(scripts, name, unsound)
        patch.setattr(scripts, "APPENDS", tuple(unsound if one is sound else one for one in scripts.APPENDS))

    return broken


_LAST_FRAME: Final = """
local entry, said = {}, {}
for i = 2, #ARGV do entry[#entry + 1] = ARGV[i] end
for i = 2, #ARGV, 2 do said[ARGV[i]] = ARGV[i + 1] end
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(entry))
redis.call('HSET', KEYS[2], unpack(entry))
if said.status == 'filled' or said.status == 'canceled' then redis.call('SREM', KEYS[3], said.order_id)
else redis.call('SADD', KEYS[3], said.order_id) end
return 1
"""


def _all(*parts: Callable[[Patch], None]) -> Callable[[Patch], None]:
    def broken(patch: Patch) -> None:
        for part in parts:
            part(patch)

    return broken


def _asks_early(patch: Patch) -> None:
    patch.setattr(series, "ROW_AFTER_MS", -20_000)


def _believes_rest(patch: Patch) -> None:
    patch.setattr(series, "behind", lambda _row, _shown: False)


def _trusts_empty_replies(patch: Patch) -> None:
    sound = series.Series.prove

    def prove(self: series.Series, rows: Sequence[Kline], window: Window, sent_ms: int, now_ms: int) -> list[Closed]:
        if rows or self.tail is None:
            return sound(self, rows, window, sent_ms, now_ms)
        proven = []
        while self._written.next_end + series.EMPTY_AFTER_MS <= sent_ms:
            proven.append(self._write(self._written.empty()))
        return proven

    patch.setattr(series.Series, "prove", prove)


def _folds_nothing(patch: Patch) -> None:
    patch.setattr(Folding, "add", lambda _self, _record: None)


def _drops_flushes(patch: Patch) -> None:
    sound = Lane.send

    async def send(self: Lane, batch: Sequence[Append]) -> Sequence[Answer]:
        try:
            return await sound(self, batch)
        except (RedisError, OSError):
            await asyncio.sleep(0.02)
            return [1] * len(batch)

    patch.setattr(Lane, "send", send)
    # Reading the account after each loss of the connection would make good for it.
    _tells_no_losses(patch)


def _tells_no_losses(patch: Patch) -> None:
    patch.setattr(Watch, "_tell_losses", lambda _self: None)


def _conflates_periods(patch: Patch) -> None:
    sound = KlineAppends.of

    def of(self: KlineAppends, kline: Kline) -> Append:
        append = sound(self, kline)
        return msgspec.structs.replace(append, slot=append.stream, final=False)

    patch.setattr(KlineAppends, "of", of)


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
        _all(
            _script("KLINE", ("if newest then", "if false then")),
            _script("FILL", ("then return 0 end", "then end")),
            _script("ORDER", ("", _LAST_FRAME)),
            _script("POSITION", ("if changed then", "if true then")),
        ),
        (_TIME,),
    ),
    Trial(
        "a closed candle need not be exactly the next",
        (_kinds("candle missing"),),
        _script("CLOSED", ("if open ~= newest + period", "if false")),
        (REWOUND, _TIME),
    ),
    Trial(
        "closed candles get ids of Redis' own",
        (_kinds("candle twice", "candle out of order"),),
        _script(
            "CLOSED",
            ("ARGV[4 + 9] .. '-0'", "'*'"),
            ("if newest then", "if false then"),
            ("elseif ARGV", "elseif last and ARGV"),
        ),
        (_TIME,),
    ),
    Trial("a candle is asked for before it is over", (_kinds("candle wrong"),), _asks_early, (_TIME,)),
    Trial("a row behind the socket is believed", (_kinds("candle wrong"),), _believes_rest, (EARLY,)),
    Trial("an empty reply is believed", (_kinds("candle wrong"),), _trusts_empty_replies, (EMPTY,)),
    Trial(
        "what is read of the account is not folded in",
        (_kinds("fill missing", "order missing", "order stale", "position stale"),),
        _folds_nothing,
        (PRIVATE_AWAY,),
    ),
    Trial(
        "a store that was away is believed to hold what it took",
        (_kinds("candle missing"),),
        _tells_no_losses,
        (REWOUND, CLIENTS_CUT),
        {"timeframes": ("1m", "15m")},
    ),
    Trial(
        "a flush is forgotten when the connection is lost",
        (_kinds("fill missing", "order missing", "order stale", "position stale"),),
        _drops_flushes,
        (STORE_KILLED,),
        _UNSYNCED,
    ),
    Trial(
        "a newer period takes an unsent one's place",
        (_kinds("live without last word"),),
        _conflates_periods,
        (STORE_KILLED,),
        {"last_words": True},
    ),
)
