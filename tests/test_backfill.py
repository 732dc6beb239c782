"""History on demand, against a simulated exchange and a real server, held against the truth that was dealt."""

from __future__ import annotations

import asyncio
import csv
import importlib.util
import io
import json
import os
import signal
import socket
import sys
import types
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, cast

import pytest
import redis as sync_redis
from redis.asyncio import Redis

from bridge import cli, files
from bridge.backfill import Backfill, BackfillError, StoppedError, Summary, Wanted, iso, moment
from bridge.errors import BridgeError, InvalidTopicError, StoreError, UnknownTimeframeError
from bridge.exchanges.bitmart import BitMart
from bridge.ingest.candles import history
from bridge.ingest.rest import pace
from bridge.records import Kline, field_names
from bridge.settings import Settings
from bridge.simulator import Scenario, Simulator
from bridge.simulator.market.chart import Chart
from bridge.simulator.market.tape import Tape, Trades
from bridge.store.keys import Keys
from bridge.timeframes import DAY_MS, HOUR_MS, MINUTE_MS, Timeframe
from bridge.values import Secret
from tests.children import child
from tests.histories import shared
from tests.support import wait_until

# 2026-09-23 10:20:00 UTC, a Wednesday.
START: Final = 1_790_158_800_000
KLINE: Final = "/contract/public/kline"
# DOGEUSDT trades in one minute of three, LTCUSDT never.
BUSY, SPARSE, DEAD = "BTCUSDT", "DOGEUSDT", "LTCUSDT"
STREAM: Final = Keys().closed_klines(BUSY, "1m")
Candle = tuple[int, str, str, str, str, str]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(history, "_LONGEST_WAIT_S", 0.001)
    monkeypatch.setattr(pace, "_REFUSED_S", 0.05)


@asynccontextmanager
async def market(**scenario: Any) -> AsyncIterator[Simulator]:  # noqa: ANN401 - the fields of a scenario
    told = {"start": START, "rate": 60.0, "trading": False, "limits": False, "quiet_share": 0.5, "history_s": 86_400}
    async with shared(Simulator(Scenario(**(told | scenario)))) as simulator:
        yield simulator


class Job:
    """A backfill under test, and all that it said."""

    def __init__(
        self,
        simulator: Simulator,
        wanted: Wanted,
        redis_url: str = "",
        **changes: Any,  # noqa: ANN401 - of settings
    ) -> None:
        """Prepare; calls are not held back unless told."""
        settings: dict[str, Any] = {
            "bitmart_rest_uri": simulator.rest_uri,
            "rest_calls_per_2s": 1_000,
            "data_dir": "nowhere",
        }
        self.wanted = wanted
        self.said: list[str] = []
        self.seen: list[tuple[int, int]] = []
        self.stop = asyncio.Event()
        self.on_progress: Callable[[], object] = lambda: None
        self.job = Backfill(
            Settings(redis_url=Secret(redis_url), **(settings | changes)),
            wanted,
            say=self.said.append,
            progress=self._progress,
        )

    def _progress(self, done: int, expected: int) -> None:
        self.seen.append((done, expected))
        self.on_progress()

    async def run(self) -> Summary:
        await self.job.run(self.stop)
        return self.job.summary

    def candles(self) -> list[Candle]:
        assert self.wanted.out
        return candles(Path(self.wanted.out).read_text())


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def candles(text: str) -> list[Candle]:
    return [candle_of(row) for row in csv.DictReader(io.StringIO(text))]


def candle_of(row: dict[str, str]) -> Candle:
    return (int(row["open_time"]), row["open"], row["high"], row["low"], row["close"], row["volume"])


async def entries_of(store: Redis, stream: str) -> list[tuple[str, dict[str, str]]]:
    return cast("list[tuple[str, dict[str, str]]]", await store.xrange(stream))


def truth(simulator: Simulator, wanted: Wanted) -> list[Candle]:
    """Return the candles wanted that were over when market time began, as they were dealt."""
    assert wanted.end_ms
    facts = simulator.truth_candles(wanted.symbol, wanted.timeframe.value, wanted.start_ms, wanted.end_ms)
    return [
        cast("Candle", tuple(fact[name] for name in ("open_time", "open", "high", "low", "close", "volume")))
        for fact in facts
    ]


def minutes(tmp_path: Path, count: int = 700, symbol: str = BUSY) -> Wanted:
    """Some one-minute candles until just before market time began: more than one call brings."""
    end = START - HOUR_MS
    return Wanted(symbol, Timeframe.M1, end - count * MINUTE_MS, end, str(tmp_path / "candles.csv"))


def into_stream(count: int = 700, symbol: str = BUSY) -> Wanted:
    end = START - HOUR_MS
    return Wanted(symbol, Timeframe.M1, end - count * MINUTE_MS, end)


class Pausing(Tape):
    """A tape on which nothing is traded at times."""

    def __init__(self, simulator: Simulator, symbol: str, pauses: Sequence[tuple[int, int]]) -> None:
        """Play `symbol` as it would be, but for the pauses."""
        super().__init__(simulator.scenario.seed, simulator.market.contracts[symbol])
        self._pauses = [range(start // MINUTE_MS, end // MINUTE_MS) for start, end in pauses]

    def candle(self, minute: int) -> Any:  # noqa: ANN401 - the simulator's own
        return None if self._pausing(minute) else super().candle(minute)

    def trades(self, minute: int) -> Trades:
        return Trades([], [], [], [], []) if self._pausing(minute) else super().trades(minute)

    def _pausing(self, minute: int) -> bool:
        return any(minute in pause for pause in self._pauses)


def pausing(simulator: Simulator, *pauses: tuple[int, int]) -> None:
    chart = simulator.market.charts[BUSY]
    simulator.market.charts[BUSY] = Chart(Pausing(simulator, BUSY, pauses), chart.first)


@pytest.mark.parametrize("symbol", [BUSY, SPARSE])
async def test_all_nine_timeframes_equal_the_truth_and_nothing_is_missing(tmp_path: Path, symbol: str) -> None:
    async with market(history_s=9 * DAY_MS // 1000) as simulator:
        for timeframe in Timeframe:
            # Begins and ends within a period on purpose; the week before this one is the only whole one there is.
            start = (
                START - 20 * DAY_MS
                if timeframe is Timeframe.W1
                else START - min(520 * timeframe.milliseconds, 8 * DAY_MS) - 17
            )
            end = START - 2 * DAY_MS if timeframe is Timeframe.W1 else START - timeframe.milliseconds - 10_001
            wanted = Wanted(symbol, timeframe, start, end, str(tmp_path / f"{timeframe}.csv"))
            job = Job(simulator, wanted)
            summary = await job.run()
            expected = truth(simulator, wanted)
            assert job.candles() == expected[: summary.candles]
            assert len(expected) - summary.candles == (timeframe is Timeframe.W1), timeframe
            assert job.seen[-1][0] <= job.seen[-1][1]


async def test_a_file_holds_the_fields_of_an_entry_and_names_its_sources(tmp_path: Path) -> None:
    async with market() as simulator:
        job = Job(simulator, minutes(tmp_path, 300, SPARSE))
        summary = await job.run()
    text = (tmp_path / "candles.csv").read_text()
    assert tuple(text.splitlines()[0].split(",")) == field_names(Kline)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert all((row["type"], row["v"], row["closed"], row["symbol"]) == ("kline", "1", "1", SPARSE) for row in rows)
    assert all(int(row["received_at"]) > 1_600_000_000_000 for row in rows)
    assert all((row["source"] == "empty") == (row["volume"] == "0") for row in rows)
    assert summary.empty == sum(row["source"] == "empty" for row in rows) > 100
    assert {row["source"] for row in rows} == {"rest", "empty"}
    assert names(tmp_path) == ["candles.csv"]


async def test_a_stream_holds_what_the_bridge_itself_would_have_written(valkey_url: str, store: Redis) -> None:
    async with market() as simulator:
        wanted = into_stream(700, SPARSE)
        job = Job(simulator, wanted, valkey_url)
        summary = await job.run()
        entries = await entries_of(store, Keys().closed_klines(SPARSE, "1m"))
        expected = truth(simulator, wanted)
    assert [entry for entry, _ in entries] == [f"{candle[0]}-0" for candle in expected]
    assert [tuple(fields) for _, fields in entries] == [field_names(Kline)] * 700
    assert [candle_of(fields) for _, fields in entries] == expected
    assert (summary.candles, summary.target, summary.warnings) == (700, Keys().closed_klines(SPARSE, "1m"), [])
    assert (summary.first, summary.last) == (wanted.start_ms, START - HOUR_MS - MINUTE_MS)
    assert await cast("Any", store.hget(Keys().meta, "environment")) == "simulator"


async def test_calls_are_counted_on_the_budget_of_this_address(valkey_url: str, store: Redis, tmp_path: Path) -> None:
    async with market() as simulator:
        await Job(simulator, minutes(tmp_path, 10), valkey_url).run()
        await Job(simulator, minutes(tmp_path, 10), valkey_url, rest_address="here").run()
    for address in (socket.gethostname(), "here"):
        assert await store.exists(Keys().budget(f"{address}:kline"))


async def test_calls_stay_within_the_limits_of_the_exchange(tmp_path: Path) -> None:
    async with market(limits=True) as simulator:
        job = Job(simulator, minutes(tmp_path), rest_calls_per_2s=10)
        await job.run()
        assert set(simulator.stats.statuses) == {200}
        assert job.candles() == truth(simulator, job.wanted)


async def test_what_is_larger_than_the_cap_loses_its_oldest_candles_and_that_is_said(
    valkey_url: str, store: Redis
) -> None:
    async with market() as simulator:
        job = Job(simulator, into_stream(700), valkey_url, cap_closed_1m=120)
        summary = await job.run()
        assert simulator.stats.requests[KLINE] <= 3
    note = "700 candles, but the stream keeps 120: only the newest 120 are fetched"
    assert (summary.warnings, job.said) == ([note], [f"note: {note}"])
    ids = [entry for entry, _ in await entries_of(store, STREAM)]
    assert ids == [f"{START - HOUR_MS - back * MINUTE_MS}-0" for back in range(120, 0, -1)]


async def test_a_stream_that_holds_anything_is_refused_and_named_with_both_its_ends(
    valkey_url: str, store: Redis
) -> None:
    async with market() as simulator:
        await Job(simulator, into_stream(60), valkey_url).run()
        asked = simulator.stats.requests[KLINE]
        with pytest.raises(BackfillError) as refusal:
            await Job(simulator, into_stream(120), valkey_url).run()
        assert simulator.stats.requests[KLINE] == asked
    assert f"{STREAM} holds 60 candles already, from 2026-09-23T08:20:00Z to 2026-09-23T09:19:00Z." in str(
        refusal.value
    )
    assert "Redis takes only ids greater than the last" in str(refusal.value)
    assert f"(DEL {STREAM})" in str(refusal.value)
    assert "--out FILE.csv" in str(refusal.value)
    assert await store.xlen(STREAM) == 60


async def test_an_emptied_stream_still_forbids_what_its_last_id_is_beyond(valkey_url: str, store: Redis) -> None:
    await store.xadd(STREAM, {"a": "b"}, id=f"{START}-0")
    await store.xtrim(STREAM, maxlen=0, approximate=False)
    async with market() as simulator:
        with pytest.raises(BackfillError, match=f"is empty, but its last id was {START}-0"):
            await Job(simulator, into_stream(60), valkey_url).run()
        await store.delete(STREAM)
        await store.xadd(STREAM, {"a": "b"}, id="1-0")
        await store.xtrim(STREAM, maxlen=0, approximate=False)
        await Job(simulator, into_stream(60), valkey_url).run()
    assert await store.xlen(STREAM) == 60


async def test_a_store_of_another_exchange_is_left_alone(valkey_url: str, store: Redis) -> None:
    await cast("Any", store.hset(Keys().meta, "environment", "live"))
    async with market() as simulator:
        with pytest.raises(StoreError, match="belong to environment 'live', not 'simulator'"):
            await Job(simulator, into_stream(60), valkey_url).run()
    assert await store.keys() == [Keys().meta]


async def test_somebody_who_begins_the_stream_meanwhile_is_not_disturbed(valkey_url: str, store: Redis) -> None:
    async with market() as simulator:
        job = Job(simulator, into_stream(60), valkey_url)
        with sync_redis.Redis.from_url(valkey_url) as other:
            job.on_progress = lambda: other.xadd(STREAM, {"open_time": START}, id=f"{START}-0")
            with pytest.raises(BackfillError, match=r"somebody else wrote to .*; at least the first 0 are in"):
                await job.run()
    assert await store.xlen(STREAM) == 1


async def test_a_redis_that_is_not_there_is_named(tmp_path: Path) -> None:
    async with market() as simulator:
        with pytest.raises(BackfillError, match=r"Redis: .*; no candle came; nothing was written to bitmart:klines"):
            await Job(simulator, into_stream(60), "redis://127.0.0.1:1").run()
        with pytest.raises(StoreError, match="no Redis: set REDIS_URL"):
            Job(simulator, into_stream(60))
        assert (await Job(simulator, minutes(tmp_path, 60), "redis://127.0.0.1:1").run()).candles == 60


@pytest.mark.parametrize("symbol", [BUSY, SPARSE])
@pytest.mark.parametrize("fault", ["rest_descending", "rest_truncate", "rest_start_exclusive", "rest_empty_rows"])
async def test_whatever_the_shape_of_answers_the_candles_are_the_same(tmp_path: Path, fault: str, symbol: str) -> None:
    async with market() as simulator:
        simulator.faults.set(fault, "true")
        job = Job(simulator, minutes(tmp_path, 700, symbol))
        await job.run()
        assert job.candles() == truth(simulator, job.wanted)


async def test_an_answer_cut_short_passes_nothing_off_as_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BitMart, "most_klines", 900)
    async with market() as simulator:
        simulator.faults.rest_truncate = True
        job = Job(simulator, minutes(tmp_path))
        assert (await job.run()).empty == 0
        assert job.candles() == truth(simulator, job.wanted)


@pytest.mark.parametrize("fault", ["rest_429", "rest_500", "rest_rubbish", "rest_empty", "rest_null"])
async def test_what_passes_by_itself_is_waited_out(tmp_path: Path, fault: str) -> None:
    async with market() as simulator:
        job = Job(simulator, minutes(tmp_path))
        job.on_progress = lambda: setattr(simulator.faults, fault, len(job.seen) == 1)
        working = asyncio.create_task(job.run())
        await wait_until(lambda: bool(simulator.faults.active()), "the fault to begin")
        asked = simulator.stats.requests[KLINE]
        await wait_until(lambda: simulator.stats.requests[KLINE] >= asked + 2, "two more calls")
        simulator.faults.reset()
        await working
        assert job.candles() == truth(simulator, job.wanted)
    assert fault == "rest_empty" or any("trying again" in line for line in job.said)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("rest_429", "HTTP 429, code 30013: Request too many requests"),
        ("rest_500", "HTTP 500, code 59999: Internal error"),
        ("rest_403", "HTTP 403 with a body that is not BitMart's"),
        ("rest_empty", "no answer tells what was traded after 2026-09-23T0"),
    ],
)
async def test_what_does_not_pass_ends_it_and_says_how_far_it_came(
    tmp_path: Path, fault: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "_REFUSED_S", 0.001)
    async with market() as simulator:
        job = Job(simulator, minutes(tmp_path))
        job.on_progress = lambda: simulator.faults.set(fault, "true")
        with pytest.raises(BackfillError) as failure:
            await job.run()
    assert str(failure.value).startswith(f"bitmart: {told}")
    assert "; came as far as 2026-09-23T0" in str(failure.value)
    assert str(failure.value).endswith(f"nothing was written to {job.wanted.out}")
    assert names(tmp_path) == []


async def test_no_answer_at_all_is_an_error_too(tmp_path: Path) -> None:
    async with market() as simulator:
        job = Job(simulator, minutes(tmp_path), bitmart_rest_uri="http://127.0.0.1:1")
        with pytest.raises(BackfillError, match=r"bitmart: no answer from /system/time: .*; no candle came"):
            await job.run()


async def test_a_symbol_that_nobody_knows_is_refused_in_the_words_of_the_exchange(tmp_path: Path) -> None:
    async with market() as simulator:
        with pytest.raises(BackfillError, match="bitmart: HTTP 400, code 40034: Symbol Not Exist; no candle came"):
            await Job(simulator, minutes(tmp_path, symbol="NOSUCHUSDT")).run()
        assert simulator.stats.requests[KLINE] == 1
        with pytest.raises(InvalidTopicError, match="symbol 'BTC:USDT' is not one"):
            Job(simulator, minutes(tmp_path, symbol="BTC:USDT"))


@pytest.mark.parametrize("symbol", [DEAD, "DEL001USDT"])
async def test_a_contract_that_never_traded_has_no_candles(tmp_path: Path, symbol: str) -> None:
    async with market() as simulator:
        with pytest.raises(BackfillError, match="it did not exist yet, or nobody traded it"):
            await Job(simulator, minutes(tmp_path, symbol=symbol)).run()
    assert names(tmp_path) == []


@pytest.mark.parametrize("timeframe", [Timeframe.M1, Timeframe.H4, Timeframe.D1])
async def test_a_range_from_before_the_contract_existed_begins_with_its_first_candle(
    tmp_path: Path, timeframe: Timeframe
) -> None:
    async with market(history_s=3 * DAY_MS // 1000) as simulator:
        first, out = simulator.market.charts[BUSY].first * MINUTE_MS, str(tmp_path / "candles.csv")
        until = first + 2 * timeframe.milliseconds
        job = Job(simulator, Wanted(BUSY, timeframe, moment("2001-01-01"), until, out))
        summary = await job.run()
        early = Wanted(BUSY, timeframe, moment("2026-01-01"), moment("2026-02-01"), out)
        with pytest.raises(BackfillError, match="nor an earlier one: its first 1w candle opens at 2026-09-14T"):
            await Job(simulator, early).run()
        assert job.candles() == truth(simulator, job.wanted)
    assert summary.warnings == [f"begins with {iso(summary.first)}: nothing was traded before"]
    assert summary.first // timeframe.milliseconds == first // timeframe.milliseconds


@pytest.mark.parametrize("start", ["monday", "thursday"])
async def test_weeks_begin_where_the_exchange_begins_them(tmp_path: Path, start: str) -> None:
    async with market(history_s=15 * DAY_MS // 1000, week_starts_on=start) as simulator:
        wanted = Wanted(SPARSE, Timeframe.W1, START - 22 * DAY_MS, None, str(tmp_path / "candles.csv"))
        job = Job(simulator, wanted)
        summary = await job.run()
        facts = simulator.truth_candles(SPARSE, "1w", wanted.start_ms, START - 7 * DAY_MS)
        assert [candle[0] for candle in job.candles()] == [fact["open_time"] for fact in facts]
    assert summary.candles == 2


async def test_long_pauses_become_empty_candles_once_a_later_one_is_there(tmp_path: Path) -> None:
    async with market(history_s=4 * DAY_MS // 1000) as simulator:
        # The range begins in the first pause, which is longer than a window, and the second lies within it.
        pausing(
            simulator,
            (START - 3 * DAY_MS, START - 50 * HOUR_MS),
            (START - 40 * HOUR_MS, START - 10 * HOUR_MS),
        )
        start = START - 52 * HOUR_MS
        job = Job(simulator, Wanted(BUSY, Timeframe.M1, start, START - HOUR_MS, str(tmp_path / "candles.csv")))
        summary = await job.run()
        assert job.candles() == truth(simulator, job.wanted)
    assert summary.empty == (2 + 30) * 60
    assert summary.warnings == []


@pytest.mark.parametrize("later", [False, True])
async def test_the_end_of_a_range_is_empty_only_if_something_was_traded_later(tmp_path: Path, later: bool) -> None:  # noqa: FBT001 - a parameter
    async with market(history_s=2 * DAY_MS // 1000) as simulator:
        until = START - 20 * MINUTE_MS if later else START + DAY_MS
        pausing(simulator, (START - 20 * HOUR_MS, until))
        end = START - HOUR_MS
        job = Job(simulator, Wanted(BUSY, Timeframe.M1, START - 22 * HOUR_MS, end, str(tmp_path / "candles.csv")))
        summary = await job.run()
        assert job.candles() == truth(simulator, job.wanted)[: None if later else 120]
    left = "ends with 2026-09-22T14:19:00Z: REST shows nothing after it, so the 1,140 left may yet fill"
    assert summary.warnings == ([] if later else [left])


async def test_a_range_in_which_nothing_was_traded_and_nothing_later_is_refused(tmp_path: Path) -> None:
    async with market() as simulator:
        pausing(simulator, (START - 10 * HOUR_MS, START + DAY_MS))
        with pytest.raises(BackfillError, match=r"nothing was traded from 2026-09-23T08:20:00Z until .*, nor later"):
            await Job(simulator, minutes(tmp_path, 60)).run()


@pytest.mark.parametrize("ahead_ms", [None, DAY_MS])
async def test_the_last_candle_is_one_that_is_over(tmp_path: Path, ahead_ms: int | None) -> None:
    async with market() as simulator:
        out, began = str(tmp_path / "candles.csv"), simulator.now
        end = None if ahead_ms is None else START + ahead_ms
        job = Job(simulator, Wanted(BUSY, Timeframe.M5, START - HOUR_MS, end, out))
        summary = await job.run()
        assert began - 2 * 5 * MINUTE_MS - 3_000 < summary.last <= simulator.now - 5 * MINUTE_MS - 3_000
    future = "--to lies in the future: taken up to the last period that is over"
    assert summary.warnings == ([future] if ahead_ms else [])


@pytest.mark.parametrize(
    ("timeframe", "start", "end", "told"),
    [
        (
            Timeframe.M1,
            START + HOUR_MS,
            None,
            "no 1m period that opens at 2026-09-23T11:20:00Z or later is over: it is 2026",
        ),
        (Timeframe.W1, START - 2 * DAY_MS, None, "no 1w period that opens at 2026-09-21T10:20:00Z or later is over"),
        (Timeframe.M1, 0, 10**12, r"nothing from before 2017-03-\S+ can be asked for"),
        (Timeframe.H1, START - 170 * MINUTE_MS, START - 150 * MINUTE_MS, "no 1h period opens from --from until --to"),
    ],
)
async def test_a_range_without_a_period_that_is_over_is_refused(
    tmp_path: Path, timeframe: Timeframe, start: int, end: int | None, told: str
) -> None:
    async with market() as simulator:
        with pytest.raises(BackfillError, match=told):
            await Job(simulator, Wanted(BUSY, timeframe, start, end, str(tmp_path / "a.csv"))).run()
        assert simulator.stats.requests[KLINE] == 0
    assert names(tmp_path) == []


async def test_a_file_that_cannot_be_written_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    async with market() as simulator:
        wanted = Wanted(BUSY, Timeframe.M1, START - HOUR_MS, START, str(tmp_path / "no" / "such.csv"))
        with pytest.raises(BackfillError, match=r"cannot write to .*such\.csv: No such file or directory"):
            await Job(simulator, wanted).run()
        assert not simulator.stats.requests


async def test_a_stop_leaves_no_half_file_and_the_one_before_untouched(tmp_path: Path) -> None:
    (tmp_path / "candles.csv").write_text("what was there")
    async with market() as simulator:
        job = Job(simulator, minutes(tmp_path))
        job.on_progress = job.stop.set
        with pytest.raises(StoppedError, match=r"stopped: came as far as 2026-09-23T0\S+ \(\d+ candles\); nothing was"):
            await job.run()
    assert names(tmp_path) == ["candles.csv"]
    assert (tmp_path / "candles.csv").read_text() == "what was there"


async def test_a_range_too_far_back_to_be_caught_up_with_is_named(valkey_url: str, store: Redis) -> None:
    async with market() as simulator:
        summary = await Job(simulator, into_stream(20), valkey_url, cap_closed_1m=30).run()
    assert await store.xlen(STREAM) == 20
    (note,) = summary.warnings
    assert note.endswith(" periods since then are more than the 30 that the bridge catches up with")


async def test_a_redis_that_takes_no_more_leaves_an_account_of_what_it_holds(valkey_url: str, store: Redis) -> None:
    async with market() as simulator:
        job = Job(simulator, into_stream(60), valkey_url)
        with sync_redis.Redis.from_url(valkey_url) as operator:
            job.on_progress = lambda: operator.config_set("maxmemory", "1")
            try:
                with pytest.raises(
                    BackfillError, match=r"Redis: .*maxmemory.*; at least the first 0 are in bitmart:klines"
                ):
                    await job.run()
            finally:
                operator.config_set("maxmemory", "0")
    assert await store.xlen(STREAM) == 0


async def test_a_stop_leaves_a_stream_empty(valkey_url: str, store: Redis) -> None:
    async with market() as simulator:
        job = Job(simulator, into_stream(), valkey_url)
        job.on_progress = job.stop.set
        with pytest.raises(StoppedError, match=f"nothing was written to {STREAM}"):
            await job.run()
    assert not await store.exists(STREAM)


class FakeArrow(types.ModuleType):
    """As much of pyarrow as is used."""

    def __init__(self) -> None:
        """Stand for the module and its part `parquet`."""
        super().__init__("pyarrow")
        self.tables: list[dict[str, list[object]]] = []
        self.kinds: dict[str, str] = {}

    def int64(self) -> str:
        return "int64"

    def string(self) -> str:
        return "string"

    def schema(self, fields: list[tuple[str, str]]) -> dict[str, str]:
        self.kinds = dict(fields)
        return self.kinds

    def table(self, columns: list[list[object]], schema: dict[str, str]) -> dict[str, list[object]]:
        return dict(zip(schema, columns, strict=True))

    @contextmanager
    def ParquetWriter(self, file: io.BufferedWriter, _schema: object) -> Iterator[FakeArrow]:  # noqa: N802 - as theirs
        yield self
        file.write(b"PAR1")

    def write_table(self, table: dict[str, list[object]]) -> None:
        self.tables.append(table)


async def test_parquet_has_prices_as_strings_and_times_as_whole_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrow = FakeArrow()
    monkeypatch.setitem(sys.modules, "pyarrow", arrow)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", arrow)
    monkeypatch.setattr(files, "_ROW_GROUP", 600)
    async with market() as simulator:
        end = START - HOUR_MS
        wanted = Wanted(BUSY, Timeframe.M1, end - 1_200 * MINUTE_MS, end, str(tmp_path / "candles.PARQUET"))
        await Job(simulator, wanted).run()
        expected = truth(simulator, wanted)
    numbers = {"open_time", "close_time", "closed", "received_at"}
    assert arrow.kinds == {name: "int64" if name in numbers else "string" for name in field_names(Kline)}
    assert len(arrow.tables) > 1
    names = ("open_time", "open", "high", "low", "close", "volume")
    got = [row for table in arrow.tables for row in zip(*(table[name] for name in names), strict=True)]
    assert got == expected
    assert (tmp_path / "candles.PARQUET").read_bytes() == b"PAR1"


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="pyarrow is optional")
async def test_parquet_can_be_read_by_pyarrow(tmp_path: Path) -> None:
    from importlib import import_module  # noqa: PLC0415 - pyarrow itself is optional

    path = tmp_path / "candles.parquet"
    async with market() as simulator:
        await Job(simulator, Wanted(BUSY, Timeframe.M1, START - 2 * HOUR_MS, START - HOUR_MS, str(path))).run()
    table = import_module("pyarrow.parquet").read_table(path)
    assert tuple(table.column_names) == field_names(Kline)
    assert table.num_rows == 60
    assert {str(kind) for kind in table.schema.types} == {"int64", "string"}


async def test_without_pyarrow_parquet_is_refused_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    async with market() as simulator:
        wanted = Wanted(BUSY, Timeframe.M1, START - HOUR_MS, START, str(tmp_path / "candles.parquet"))
        with pytest.raises(BackfillError, match=r"^Parquet needs pyarrow: pip install pyarrow$"):
            await Job(simulator, wanted).run()
        assert not simulator.stats.requests
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("2026-09-23", 1_790_121_600_000),
        ("2026-09-23T10:20", START),
        ("2026-09-23 10:20:00", START),
        ("2026-09-23T10:20:00Z", START),
        ("2026-09-23T12:20:00+02:00", START),
        ("1790158800000", START),
    ],
)
def test_a_time_is_read_as_utc_unless_it_says_otherwise(text: str, time_ms: int) -> None:
    assert moment(text) == time_ms


@pytest.mark.parametrize(
    "text", ["", "yesterday", "1790158800", "20260923", "2026-13-01", "-5", "9" * 40, "٢٠٢٦٠٩٢٣٠٠٠٠٠"]
)
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(BackfillError, match=r"unknown time .*: expected ISO 8601, such as 2026-09-23 or"):
        moment(text)


BASE: Final = ("backfill", "btcusdt", "1M", "--from", "2026-09-01")


@pytest.mark.parametrize(
    ("words", "error", "told"),
    [
        (("BTCUSDT", "7x", "--from", "2026-09-01"), UnknownTimeframeError, "unknown timeframe '7x': expected one of"),
        (("BTCUSDT", "1m", "--from", "soon"), BackfillError, "unknown time 'soon'"),
        (
            ("BTCUSDT", "1m", "--from", "2026-09-02", "--to", "2026-09-02"),
            BackfillError,
            "is not before --to 2026-09-02T",
        ),
        (
            ("BTCUSDT", "1m", "--from", "2026-09-01", "--out", "a.json"),
            BackfillError,
            "expected FILE.csv, FILE.parquet",
        ),
        (("*", "1m", "--from", "2026-09-01"), BackfillError, "one symbol at a time"),
        (("BTC/USDT", "1m", "--from", "2026-09-01"), InvalidTopicError, "symbol 'BTC/USDT' is not one"),
        (("BTCUSDT", "1m", "--from", "2026-09-01"), StoreError, "no Redis: set REDIS_URL"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_once(
    words: tuple[str, ...], error: type[BridgeError], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    with pytest.raises(error) as refusal:
        cli.cli(["backfill", *words], standalone_mode=False)
    assert told in str(refusal.value)


@asynccontextmanager
async def program(
    simulator: Simulator, home: Path, *words: str, **settings: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    kept = {name: os.environ[name] for name in ("PATH", "COVERAGE_PROCESS_START") if name in os.environ}
    async with child(
        [sys.executable, "-m", "bridge", "backfill", *words],
        env=kept
        | {"HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[1]), "BITMART_REST_URI": simulator.rest_uri}
        | settings,
        cwd=home,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    ) as started:
        yield started


HOUR: Final = ("BTCUSDT", "1m", "--from", "2026-09-23T08:00", "--to", "2026-09-23T09:00")


async def test_the_command_fills_a_stream_and_says_so(tmp_path: Path, valkey_url: str, store: Redis) -> None:
    async with market() as simulator, program(simulator, tmp_path, *HOUR, "--redis-url", valkey_url) as command:
        said = await command.communicate()
    line = f"60 candles of BTCUSDT 1m (0 empty), from 2026-09-23T08:00:00Z to 2026-09-23T08:59:00Z, are in {STREAM}\n"
    assert said == (line.encode(), b"")
    assert await store.xlen(STREAM) == 60


async def test_the_command_prints_csv_and_tells_apart_what_it_says(tmp_path: Path) -> None:
    async with market() as simulator, program(simulator, tmp_path, *HOUR, "--out", "-", "--json") as command:
        out, err = await command.communicate()
        wanted = Wanted(BUSY, Timeframe.M1, moment("2026-09-23T08:00"), moment("2026-09-23T09:00"))
        assert candles(out.decode()) == truth(simulator, wanted)
    summary = json.loads(err)
    assert summary.pop("calls") > 1
    assert summary == {
        "symbol": "BTCUSDT",
        "timeframe": "1m",
        "target": "-",
        "candles": 60,
        "empty": 0,
        "first": wanted.start_ms,
        "last": START - 81 * MINUTE_MS,
        "warnings": [],
    }


async def test_an_unknown_symbol_ends_the_command_with_two(tmp_path: Path) -> None:
    wanted = ("NOSUCHUSDT", *HOUR[1:], "--out", "a.csv")
    async with market() as simulator, program(simulator, tmp_path, *wanted) as command:
        out, err = await command.communicate()
    assert (command.returncode, out) == (2, b"")
    assert (
        err == b"error: bitmart: HTTP 400, code 40034: Symbol Not Exist; no candle came; nothing was written to a.csv\n"
    )


async def test_an_interrupt_ends_the_command_in_order(tmp_path: Path) -> None:
    async with market() as simulator:
        simulator.faults.rest_slow_s = 3.0
        async with program(simulator, tmp_path, *HOUR, "--out", "a.csv") as command:
            await wait_until(lambda: bool(simulator.stats.requests), "the first call")
            command.send_signal(signal.SIGINT)
            out, err = await command.communicate()
        simulator.faults.reset()
    assert (command.returncode, out, err) == (130, b"", b"stopped: no candle came; nothing was written to a.csv\n")
    assert names(tmp_path) == []


class Terminal(io.StringIO):
    """Somebody who looks on."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("terminal", [Terminal(), io.StringIO()])
def test_progress_is_shown_to_a_terminal_alone(terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal)
    with cli.keeps.progress_of("BTCUSDT 1m") as progress:
        progress(400, 1_000)
        progress(1_000, 1_000)
    shown = terminal.getvalue()
    assert ("BTCUSDT 1m" in shown and "100%" in shown) if terminal.isatty() else shown == ""
