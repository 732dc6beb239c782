"""Closed candles from end to end: the simulated exchange, whole ingesters, a real store, and the truth to compare."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest
from redis.asyncio import Redis

from bridge.ingest.candles import refusals
from bridge.ingest.candles.prover import Prover
from bridge.ingest.ingester import Ingester
from bridge.ingest.rest import listing, pace
from bridge.simulator import Simulator
from bridge.simulator.market.contracts import Life
from bridge.store import client, reader
from bridge.store.desired import Desired
from bridge.store.keys import Keys
from bridge.timeframes import Timeframe
from bridge.values import Secret
from tests.ingest.rig import NEVER_S, exchange_of, market, quick
from tests.support import wait_until

KEYS: Final = Keys()
MINUTE_MS: Final = 60_000
# 2026-09-27 23:57:30 UTC, a Sunday: candles of every length end soon.
EVE: Final = 1_790_553_450_000
# BTCUSDT and ETHUSDT trade all the time, SOLUSDT now and then, XRPUSDT never.
LIVELY, SPARSE, DEAD = "BTCUSDT", "SOLUSDT", "XRPUSDT"
FIGURES: Final = ("open", "high", "low", "close", "volume")
Series = tuple[str, str]
Fields = dict[str, str]


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """After trouble the exchange's time goes on much faster than ours."""
    monkeypatch.setattr(listing, "_RETRY_S", 0.05)
    monkeypatch.setattr(pace, "_REFUSED_S", 0.05)
    monkeypatch.setattr(pace, "_BANNED_S", 0.1)


def exchange(**changes: Any) -> Simulator:  # noqa: ANN401 - the fields of a scenario
    """Four minutes in a second, of a lively market with quiet corners."""
    return market(**{"rate": 240.0, "symbols": 4, "quiet_share": 0.5} | changes)


def topics(*series: Series) -> list[str]:
    spelled = {frame.value: frame.value if frame.value.endswith("m") else frame.value.upper() for frame in Timeframe}
    return [f"futures/klineBin{spelled[timeframe]}:{symbol}" for symbol, timeframe in series]


@dataclass
class Stage:
    """An exchange, a store, and what is wished for."""

    simulator: Simulator
    store: Redis
    url: str
    series: tuple[Series, ...]

    @asynccontextmanager
    async def ingester(self, name: str = "one", **changes: Any) -> AsyncIterator[Ingester]:  # noqa: ANN401 - settings
        """An ingester at work; it stops in good order at the end."""
        settings = quick(
            self.simulator,
            **{
                "redis_url": Secret(self.url),
                "ingester_id": name,
                "heartbeat_interval_s": 0.1,
                "reconcile_interval_s": 0.2,
                "contracts_refresh_s": 0.3,
                "proof_timeout_s": 3_600.0,
            }
            | changes,
        )
        ingester = Ingester(settings, exchange_of(settings))
        task = asyncio.create_task(ingester.run())
        try:
            yield ingester
            if not task.done():
                ingester.stop()
            await asyncio.wait_for(task, 20)
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def closed(self, symbol: str, timeframe: str) -> list[tuple[str, Fields]]:
        """All entries of a closed stream, oldest first."""
        return await reader.newest(self.store, KEYS.closed_klines(symbol, timeframe), 10_000)

    async def newest(self, symbol: str, timeframe: str) -> int:
        """The open of the last closed candle, 0 before there is one."""
        return int((await reader.tip(self.store, KEYS.closed_klines(symbol, timeframe))).partition("-")[0])

    async def until_closed(self, moment: int, *series: Series) -> None:
        """Wait until every candle that was over by then is in its stream."""
        for symbol, timeframe in series or self.series:
            length = Timeframe(timeframe).milliseconds

            async def so(symbol: str = symbol, timeframe: str = timeframe, length: int = length) -> bool:
                return await self.newest(symbol, timeframe) + 2 * length > moment

            await wait_until(so, f"{symbol} {timeframe} is complete up to {moment}", timeout=20)

    async def until_later(self, minutes: float) -> int:
        """Wait until so much later by the exchange's clock; return what that shows then."""
        then = self.simulator.now + int(minutes * MINUTE_MS)
        await wait_until(lambda: self.simulator.now >= then, f"{minutes} minutes pass at the exchange")
        return then

    async def until_right(self, minutes: float = 2) -> None:
        """Wait a while, until all is written that was over by then, and compare all with the truth."""
        await self.until_closed(await self.until_later(minutes))
        for symbol, timeframe in self.series:
            await self.compare(symbol, timeframe)

    async def compare(self, symbol: str, timeframe: str, *, but: tuple[str, ...] = ()) -> None:
        """Compare a closed stream with the truth, all but the candles of some sources."""
        length = Timeframe(timeframe).milliseconds
        entries = await self.closed(symbol, timeframe)
        opens = [int(fields["open_time"]) for _, fields in entries]
        assert opens == list(range(opens[0], opens[0] + len(opens) * length, length)), "in order, none missing"
        truth = {
            fact["open_time"]: [fact[name] for name in FIGURES]
            for fact in self.simulator.truth_candles(symbol, timeframe, opens[0], opens[-1] + 1)
        }
        for entry_id, fields in entries:
            figures = [fields[name] for name in FIGURES]
            assert (entry_id, fields["closed"]) == (f"{fields['open_time']}-0", "1")
            assert (fields["symbol"], fields["timeframe"]) == (symbol, timeframe)
            if fields["source"] in but:
                continue
            assert fields["source"] == ("empty" if figures[-1] == "0" else "rest")
            if self.simulator.market.contracts[symbol].life is not Life.DEAD:
                assert figures == truth[int(fields["open_time"])], (symbol, timeframe, fields)

    async def events(self, name: str) -> list[Fields]:
        """The events of that name."""
        every = await reader.newest(self.store, KEYS.events, 10_000)
        return [fields for _, fields in every if fields["event"] == name]

    async def until_event(self, name: str, count: int = 1) -> list[Fields]:
        found: list[Fields] = []

        async def so() -> bool:
            found[:] = await self.events(name)
            return len(found) >= count

        await wait_until(so, f"{count} events {name}", timeout=20)
        return found

    async def sources(self) -> set[str]:
        """Every source named in the closed streams."""
        return {fields["source"] for each in self.series for _, fields in await self.closed(*each)}


@asynccontextmanager
async def staged(simulator: Simulator, url: str, *series: Series) -> AsyncIterator[Stage]:
    """A running exchange, and the wishes made."""
    store = client.commands(Secret(url))
    try:
        async with simulator:
            await Desired(store, KEYS).change("shared", add=topics(*series))
            yield Stage(simulator, store, url, series)
    finally:
        await store.aclose()


MINUTES: Final = tuple((symbol, "1m") for symbol in (LIVELY, SPARSE, DEAD))


@pytest.mark.parametrize("week_starts_on", ["monday", "thursday"])
async def test_candles_of_every_length_are_the_truth_lively_or_quiet(valkey_url: str, week_starts_on: str) -> None:
    start = EVE if week_starts_on == "monday" else EVE - 4 * 86_400_000
    symbols = (LIVELY, SPARSE, DEAD) if week_starts_on == "monday" else (LIVELY,)
    series = [(symbol, frame.value) for symbol in symbols for frame in Timeframe]
    series = [each for each in series if each not in {(DEAD, "1d"), (DEAD, "1w")}]
    async with staged(exchange(start=start, week_starts_on=week_starts_on), valkey_url, *series) as stage:
        midnight = start + 150_000
        async with stage.ingester():
            await stage.until_closed(midnight)
            await stage.until_right(3)
            assert await stage.newest(LIVELY, "1w") == midnight - Timeframe.W1.milliseconds
            assert len(await stage.closed(LIVELY, "1m")) > 490
            assert "ws" not in await stage.sources()
            if SPARSE in symbols:
                assert await stage.newest(SPARSE, "1d") == midnight - Timeframe.D1.milliseconds
                assert {fields["close"] for _, fields in await stage.closed(DEAD, "1m")} == {"2.1734"}
            assert not await stage.events("contradiction")


TROUBLES: Final = {
    "rest_429": True,
    "rest_418": True,
    "rest_403": True,
    "rest_500": True,
    "rest_gateway": 30_014,
    "rest_rubbish": True,
    "rest_null": True,
    "rest_empty": True,
    "rest_early": 2.9,
    "rest_descending": True,
    "rest_slow_s": 0.3,
    "rest_empty_rows": True,
    "rest_start_exclusive": True,
    "rest_truncate": True,
}


async def test_whatever_befalls_rest_all_is_right_and_complete_once_it_passes(valkey_url: str) -> None:
    series = ((LIVELY, "1m"), (LIVELY, "5m"), (SPARSE, "1m"), (SPARSE, "5m"), (DEAD, "1m"))
    async with staged(exchange(), valkey_url, *series) as stage, stage.ingester():
        await stage.until_right()
        for trouble, value in TROUBLES.items():
            setattr(stage.simulator.faults, trouble, value)
            await stage.until_later(1.1)
            stage.simulator.faults.reset()
            await stage.until_closed(stage.simulator.now)
        await stage.until_right()
        assert await stage.sources() == {"rest", "empty"}
        assert not await stage.events("contradiction")
        assert not await stage.events("unproven")


async def test_whatever_the_socket_shows_the_closed_candles_are_rests(valkey_url: str) -> None:
    async with staged(exchange(), valkey_url, (LIVELY, "1m"), (SPARSE, "1m")) as stage, stage.ingester():
        faults = stage.simulator.faults
        faults.withhold_last, faults.late_updates, faults.two_items = 20.0, True, True
        faults.ts_plus_1s, faults.duplicate_frames, faults.malformed_frames = True, 2, 3
        await stage.until_right(4)
        assert await stage.sources() == {"rest", "empty"}


async def test_while_rest_is_away_for_long_the_sockets_word_is_written_and_marked(valkey_url: str) -> None:
    series = ((LIVELY, "1m"), (SPARSE, "1m"))
    async with staged(exchange(), valkey_url, *series) as stage, stage.ingester(proof_timeout_s=60.0):
        await stage.until_right(3)
        assert "ws" not in await stage.sources()
        for _ in range(9):
            # On a busy machine the exchange may skip a minute: what was not shown must wait for REST.
            stage.simulator.faults.rest_500 = True
            await stage.until_later(5)
            stage.simulator.faults.reset()
            await stage.until_closed(await stage.until_later(2))
            if f"{LIVELY}:1m" in {event["subject"] for event in await stage.events("unproven")}:
                break
        for each in series:
            await stage.compare(*each, but=("ws",))
        assert "ws" in {fields["source"] for _, fields in await stage.closed(LIVELY, "1m")}


async def test_sockets_cut_again_and_again_leave_no_trace_in_the_closed_candles(valkey_url: str) -> None:
    async with staged(exchange(), valkey_url, *MINUTES) as stage, stage.ingester():
        await stage.until_right()
        for cut in range(1, 4):
            stage.simulator.cut_sockets("public")
            await stage.until_event("connected", cut + 1)
            await stage.until_later(0.7)
        await stage.until_right()
        assert await stage.sources() == {"rest", "empty"}


async def test_what_an_ingester_missed_is_filled_in_by_the_next_one(valkey_url: str) -> None:
    async with staged(exchange(), valkey_url, *MINUTES, (LIVELY, "5m")) as stage:
        async with stage.ingester("first"):
            await stage.until_right()
        last = await stage.newest(LIVELY, "1m")
        await stage.until_later(4)
        assert await stage.newest(LIVELY, "1m") == last
        async with stage.ingester("second"):
            await stage.until_right()
            found = {event["subject"]: event["text"] for event in await stage.until_event("gap_found")}
            filled = {event["subject"] for event in await stage.until_event("gap_filled", len(found))}
            assert filled == found.keys() >= {f"{LIVELY}:1m", f"{SPARSE}:1m"}
            assert found[f"{LIVELY}:1m"].endswith(f" candles after {last}")


async def test_a_gap_of_hundreds_of_candles_is_filled_by_several_calls(valkey_url: str) -> None:
    async with staged(exchange(start=EVE), valkey_url, (LIVELY, "1m"), (SPARSE, "1m")) as stage:
        async with stage.ingester("first"):
            await stage.until_right()
        started = stage.simulator.now
        stage.simulator.market.clock._began -= 300  # type: ignore[operator]  # noqa: SLF001 - twenty hours pass in a moment
        assert stage.simulator.now - started >= 1_199 * MINUTE_MS
        async with stage.ingester("second"):
            await stage.until_right()
            assert await stage.sources() == {"rest", "empty"}
            assert len(await stage.closed(LIVELY, "1m")) >= 1_440


async def test_two_ingesters_on_one_store_write_each_candle_once(valkey_url: str) -> None:
    async with (
        staged(exchange(), valkey_url, *MINUTES) as stage,
        stage.ingester("one", replicas=2) as one,
        stage.ingester("two", replicas=2) as two,
    ):
        rosters = [ingester.vitals.membership.roster for ingester in (one, two)]
        await wait_until(lambda: all(len(roster.cards) == 2 for roster in rosters), "they know each other")
        await stage.until_right()
        # Whoever takes a series over on a busy machine may find it some candles behind: these go by so fast.
        found = await stage.events("gap_found")
        await stage.until_right(4)
        assert one.vitals.writer.tally.repeats + two.vitals.writer.tally.repeats > 0
        assert one.vitals.writer.tally.refused == two.vitals.writer.tally.refused == 0
        assert await stage.events("gap_found") == found


async def test_a_store_that_lost_its_newest_candles_gets_them_again(valkey_url: str) -> None:
    async with staged(exchange(), valkey_url, (LIVELY, "1m"), (SPARSE, "1m")) as stage, stage.ingester():
        await stage.until_right()
        for each in stage.series:
            stream = KEYS.closed_klines(*each)
            entries = await stage.closed(*each)
            async with stage.store.pipeline() as pipe:
                pipe.delete(stream)
                for entry_id, fields in entries[:-9]:
                    pipe.xadd(stream, fields, id=entry_id)  # type: ignore[arg-type]  # its stub is invariant
                await pipe.execute()
        await stage.until_right()
        await stage.until_event("gap_filled", 2)


async def test_a_mute_topic_gets_a_new_connection_and_the_connection_time_to_speak(valkey_url: str) -> None:
    async with staged(exchange(), valkey_url, (LIVELY, "1m"), ("ETHUSDT", "1m")) as stage, stage.ingester():
        await stage.until_right()
        begun = stage.simulator.now
        stage.simulator.faults.mute_topics = topics((LIVELY, "1m"))
        (event, *_) = await stage.until_event("mute")
        assert (event["subject"], event["text"]) == ("public", f"1 symbols trade unseen, {LIVELY} among them")
        assert {"public", "public-2"} <= {each["subject"] for each in await stage.until_event("connected", 2)}
        assert not await stage.events("lost"), "the new one is there before the old one goes"
        await stage.until_later(4)
        told = len(await stage.events("mute"))
        assert told <= (stage.simulator.now - begun) / (2 * MINUTE_MS) + 1, "no more often than it could tell"
        stage.simulator.faults.reset()
        told = len(await stage.events("mute"))
        await stage.until_right(3)
        assert len(await stage.events("mute")) <= told + 1
        assert await stage.sources() == {"rest"}


async def test_a_candle_that_an_interruption_left_open_gets_its_last_word_in_the_live_stream(valkey_url: str) -> None:
    # What the socket shows of the next candle alone ends one: on a busy machine the exchange may show it late.
    async with staged(exchange(rate=60.0), valkey_url, (LIVELY, "1m")) as stage, stage.ingester(close_grace_s=NEVER_S):
        await stage.until_right()
        live = KEYS.klines(LIVELY, "1m")

        async def under_way() -> bool:
            ((_, last),) = await reader.newest(stage.store, live, 1)
            return last["closed"] == "0" and stage.simulator.now % MINUTE_MS > 10_000

        async def cut() -> Fields:
            await wait_until(under_way, "a candle is under way")
            lost = len(await stage.events("lost"))
            stage.simulator.faults.http_403_on_connect = True
            stage.simulator.cut_sockets("public")
            await stage.until_event("lost", lost + 1)
            ((_, last),) = await reader.newest(stage.store, live, 1)
            return last

        # Where everything stood still for most of a minute, its end came before the cut: then once more.
        while (last := await cut())["closed"] == "1":
            stage.simulator.faults.http_403_on_connect = False
        await stage.until_closed(int(last["open_time"]) + 2 * MINUTE_MS)

        async def final() -> bool:
            ((_, word),) = await reader.newest(stage.store, live, 1)
            return (word["open_time"], word["closed"], word["source"]) == (last["open_time"], "1", "rest")

        await wait_until(final, "the last word is there")
        ((_, word),) = await reader.newest(stage.store, live, 1)
        proven = {fields["open_time"]: fields for _, fields in await stage.closed(LIVELY, "1m")}[word["open_time"]]
        assert [word[name] for name in FIGURES] == [proven[name] for name in FIGURES]


async def test_contracts_that_do_not_trade_cost_no_calls(valkey_url: str) -> None:
    simulator = exchange(symbols=18, quiet_share=1.0, rate=120.0)
    idle = [(symbol, "1m") for symbol, contract in simulator.market.contracts.items() if contract.life is Life.DEAD]
    async with staged(simulator, valkey_url, *idle) as stage, stage.ingester(contracts_refresh_s=0.1):
        await stage.until_right(4)
        written = [len(await stage.closed(*each)) for each in idle]
        assert len(written) == 9
        # Each begins with one call at most; a busy machine may miss the contract's word now and then.
        assert stage.simulator.stats.requests["/contract/public/kline"] <= len(idle) + sum(written) / 3


async def test_a_delisted_contract_is_left_in_peace(valkey_url: str) -> None:
    async with staged(exchange(), valkey_url, (LIVELY, "1m"), ("DEL001USDT", "1m")) as stage, stage.ingester():
        await stage.until_closed(await stage.until_later(3), (LIVELY, "1m"))
        assert await stage.closed("DEL001USDT", "1m") == []


async def test_contracts_that_nobody_knows_leave_the_calls_to_the_others(valkey_url: str) -> None:
    unknown = [(f"NOPE{number}USDT", timeframe) for number in range(20) for timeframe in ("1m", "5m", "15m")]
    async with staged(exchange(), valkey_url, *unknown, (LIVELY, "1m")) as stage:
        # Five calls in a minute of the exchange's: twelve times as many would ask for each unknown series once.
        async with stage.ingester(rest_calls_per_2s=40):
            # The first of them may come with the stream's beginning.
            for _ in range(3):
                await stage.until_closed(await stage.until_later(4), (LIVELY, "1m"))
        await stage.compare(LIVELY, "1m")


@pytest.mark.parametrize("known_by", ["the list", "its topic"])
async def test_a_contract_that_becomes_known_is_asked_for_as_ever(
    valkey_url: str, known_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "_FIRST_WAIT_MS", int(NEVER_S * 240_000))
    refresh_s, retry_s = (0.1, NEVER_S) if known_by == "the list" else (NEVER_S, 0.1)
    async with staged(exchange(), valkey_url, (LIVELY, "1m"), ("ETHUSDT", "1m")) as stage:
        faults = stage.simulator.faults
        faults.rest_unknown, faults.refuse_topics = ["ETHUSDT"], topics(("ETHUSDT", "1m"))
        async with stage.ingester(contracts_refresh_s=refresh_s, rejected_retry_s=retry_s) as ingester:
            await stage.until_event("topic_rejected")
            await wait_until(lambda: ingester.vitals.rest.failures > 0, "REST refuses it, too")
            await stage.until_closed(await stage.until_later(10), (LIVELY, "1m"))
            assert ingester.vitals.rest.failures == 1
            faults.reset()
            await stage.until_right()


async def test_an_entry_of_somebody_elses_stops_its_own_series_alone(valkey_url: str) -> None:
    async with staged(exchange(), valkey_url, (LIVELY, "1m"), ("ETHUSDT", "1m"), (SPARSE, "1m")) as stage:
        await stage.store.xadd(KEYS.closed_klines("ETHUSDT", "1m"), {"hello": "world"}, id="1-0")
        await stage.store.set(KEYS.closed_klines(SPARSE, "1m"), "no stream")
        async with stage.ingester():
            await stage.until_closed(await stage.until_later(2), (LIVELY, "1m"))
            await stage.compare(LIVELY, "1m")
            assert len(await stage.closed("ETHUSDT", "1m")) == 1


async def test_a_wish_taken_back_ends_the_series_and_made_again_continues_it(valkey_url: str) -> None:
    async with staged(exchange(), valkey_url, (LIVELY, "1m"), (SPARSE, "1m")) as stage, stage.ingester() as ingester:
        await stage.until_right()
        desired = Desired(stage.store, KEYS)
        await desired.change("shared", remove=topics((LIVELY, "1m")))
        prover: Prover = ingester.vitals.prover
        await wait_until(lambda: len(prover._series) == 1, "one series is followed")  # noqa: SLF001 - no door to it
        await stage.until_closed(await stage.until_later(4), (SPARSE, "1m"))
        before = await stage.newest(LIVELY, "1m")
        assert before < stage.simulator.now - 3 * MINUTE_MS
        await desired.change("shared", add=topics((LIVELY, "1m")))
        await stage.until_right()
