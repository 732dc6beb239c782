"""Closed candles: none lost, none wrong, each series for itself; held against the truth that the exchange dealt."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from bridge.simulator.market.contracts import Life
from bridge.simulator.rest.public_rest import PublicRest
from tests.ingest.rig import START
from tests.scenarios.whole import CLOSED, EVENTS, Whole, joined, market, whole
from tests.store.relay import Relay
from tests.support import wait_until

MINUTE_MS = 60_000
FIGURES = ("open", "high", "low", "close", "volume")
# One is traded all the time, one now and then, one never.
LIVELY, SPARSE, DEAD = "BTCUSDT", "SOLUSDT", "XRPUSDT"


def stream(symbol: str) -> str:
    """Return the name of a symbol's stream of closed candles."""
    return f"bitmart:klines:{{{symbol}}}:1m:closed"


async def complete(bridge: Whole, symbol: str, *, but: str = "") -> list[dict[str, str]]:
    """Return a symbol's closed candles after comparing them with the truth, all but those of one source."""
    candles = await bridge.read(stream(symbol))
    opens = [int(candle["open_time"]) for candle in candles]
    assert opens == list(range(opens[0], opens[-1] + MINUTE_MS, MINUTE_MS)), "in order, and none is missing"
    dealt = bridge.exchange.truth_candles(symbol, "1m", opens[0], opens[-1] + 1)
    truth = {fact["open_time"]: [fact[name] for name in FIGURES] for fact in dealt}
    for candle in candles:
        figures = [candle[name] for name in FIGURES]
        assert candle["source"] in (but, "empty" if figures[-1] == "0" else "rest")
        if candle["source"] != but and symbol != DEAD:
            assert figures == truth[int(candle["open_time"])]
    return candles


async def pass_minutes(bridge: Whole, minutes: float) -> int:
    """Wait until so many minutes have passed at the exchange; return when the last that is over opened."""
    end = bridge.exchange.now + int(minutes * MINUTE_MS)
    await wait_until(lambda: bridge.exchange.now > end, f"{minutes} minutes pass at the exchange")
    return (end // MINUTE_MS - 1) * MINUTE_MS


async def test_no_closed_candle_is_lost(valkey_url: str) -> None:
    """No closed candle is lost."""
    async with market(rate=240.0, symbols=4, quiet_share=0.5) as exchange:
        async with whole(exchange, valkey_url, contracts_refresh_s=0.2) as bridge:
            await bridge.post("/klines/subscribe", symbols=[LIVELY, SPARSE, DEAD], tfs="1m")
            await bridge.until_closed(await pass_minutes(bridge, 2))
            # The sockets are cut in the middle of a candle.
            exchange.cut_sockets("public")
            await bridge.until_told("connected", 2)
            last = await pass_minutes(bridge, 1)
            for symbol in (LIVELY, SPARSE, DEAD):
                await bridge.until_closed(last, stream(symbol))
                await complete(bridge, symbol)

        # Nobody listens for ten minutes; the next ingester fetches them before it writes what is newer.
        exchange.market.clock._began -= 10 * 60 / 240  # type: ignore[operator]  # noqa: SLF001 - they pass in a moment
        async with whole(exchange, valkey_url, contracts_refresh_s=0.2) as bridge:
            last = await pass_minutes(bridge, 1)
            for symbol in (LIVELY, SPARSE, DEAD):
                await bridge.until_closed(last, stream(symbol))
                candles = await complete(bridge, symbol)
            # Where nobody traded each minute has an entry all the same.
            assert {candle["source"] for candle in candles} == {"empty"}

        # A hole that is larger than the stream can hold is jumped over, and told.
        exchange.market.clock._began -= 60 * 60 / 240  # noqa: SLF001 - as above
        async with whole(exchange, valkey_url, cap_closed_1m=20, contracts_refresh_s=0.2) as bridge:
            (skipped, *_) = await bridge.until_told("history_skipped", 3)
            assert skipped["subject"] in {f"{symbol}:1m" for symbol in (LIVELY, SPARSE, DEAD)}


async def test_no_closed_candle_is_wrong(valkey_url: str) -> None:
    """No closed candle is wrong."""
    async with (
        market(rate=60.0, symbols=4, quiet_share=0.5) as exchange,
        whole(exchange, valkey_url, proof_timeout_s=60.0) as bridge,
    ):
        # The socket keeps the end of each candle to itself and repeats old ones.
        exchange.faults.withhold_last = 20.0
        exchange.faults.late_updates = exchange.faults.two_items = True
        await bridge.post("/klines/subscribe", symbols=[LIVELY, SPARSE], tfs="1m")
        await bridge.until_closed(await pass_minutes(bridge, 1))

        # REST lags behind the socket for a while: what it says too early proves nothing.
        exchange.faults.rest_early = 2.9
        await bridge.until_closed(await pass_minutes(bridge, 2))
        for symbol in (LIVELY, SPARSE):
            await complete(bridge, symbol)
        exchange.faults.reset()

        # Only when REST gives nobody an answer for long the socket's word is taken, marked and told.
        exchange.faults.rest_500 = True
        await bridge.until_told("rest_away")
        assert {event["subject"] for event in await bridge.until_told("unproven")} <= {f"{LIVELY}:1m", f"{SPARSE}:1m"}
        exchange.faults.reset()
        await bridge.until_closed(await pass_minutes(bridge, 1))
        candles = [*await complete(bridge, LIVELY, but="ws"), *await complete(bridge, SPARSE, but="ws")]
        assert "ws" in {candle["source"] for candle in candles}


async def test_rest_is_silent_only_if_it_is_for_everybody(valkey_url: str) -> None:
    """REST is silent only if it is for everybody."""
    timeout_min = 6
    topics = [f"futures/klineBin1m:{symbol}" for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")]
    async with (
        market(rate=120.0, quiet_share=0) as exchange,
        Relay(exchange.port) as way,
        whole(exchange, valkey_url, proof_timeout_s=60.0 * timeout_min) as bridge,
        joined(bridge, "two", bitmart_rest_uri=f"http://127.0.0.1:{way.port}"),
    ):
        await bridge.http.put("/subscriptions?wait=active&timeout=30", json={"topics": topics})
        await wait_until(lambda: both_serve(bridge), "both have a share of the topics")
        await wait_until(lambda: way.opened > 0, "the second has called REST")

        # The second's way to REST is barred, for longer than the sockets' word is waited with. The first hears it.
        await way.__aexit__(None, None, None)
        await pass_minutes(bridge, timeout_min + 1)
        assert await bridge.told("rest_away") == []
        assert await bridge.told("unproven") == []

        # Now REST is away for everybody, and then back. Nobody tells either twice.
        exchange.faults.rest_500 = True
        await bridge.until_told("rest_away", 2)
        # It is back for the first alone, and for everybody with that.
        exchange.faults.rest_500 = False
        await bridge.until_told("rest_back", 2)
        await pass_minutes(bridge, 1)
        for name in ("one", "two"):
            told = [event["event"] for event in await bridge.read(EVENTS) if event["ingester"] == name]
            assert [event for event in told if event in ("rest_away", "rest_back")] == ["rest_away", "rest_back"]


async def both_serve(bridge: Whole) -> bool:
    """Tell whether two ingesters serve all that is wanted, each a part of it."""
    status = await bridge.get("/status")
    served = [ingester["serving"] for ingester in status["ingesters"]]
    return len(served) == 2 and all(served) and {topic["state"] for topic in status["topics"].values()} == {"active"}


async def test_a_series_is_held_up_by_nothing_that_is_not_its_own(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A series is held up by nothing that is not its own."""
    # Of ETHUSDT's row of three minutes ago REST will always say what nobody can read.
    odd, row = START // MINUTE_MS - 3, PublicRest._row  # noqa: SLF001 - the exchange's own row, made odd

    def answered(rest: PublicRest, contract: Any, minute: int, *rest_of_it: Any) -> Any:  # noqa: ANN401 - the exchange's
        said = row(rest, contract, minute, *rest_of_it)
        return said | {"volume": "?"} if (contract.symbol, minute) == ("ETHUSDT", odd) else said

    monkeypatch.setattr(PublicRest, "_row", answered)
    async with (
        market(rate=120.0, quiet_share=0) as exchange,
        whole(exchange, valkey_url, proof_timeout_s=60.0, contracts_refresh_s=0.1) as bridge,
    ):
        symbols = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
        await bridge.post("/klines/subscribe?wait=active&timeout=30", symbols=symbols, tfs="1m")
        for symbol in symbols:
            await bridge.until_closed(START, stream(symbol))
        # That one period is marked as lost, after a while; the neighbours are as they are.
        lost = [candle for candle in await bridge.read(stream("ETHUSDT")) if candle["source"] == "lost"]
        assert [int(candle["open_time"]) for candle in lost] == [odd * MINUTE_MS]
        assert await bridge.told("contradiction")
        await complete(bridge, "BTCUSDT")

        # Somebody deletes the newest closed candles. They stay deleted, and the next one follows.
        newest = (await bridge.ids(CLOSED))[-2:]
        await bridge.redis.xdel(CLOSED, *newest)
        await bridge.until_more(CLOSED)
        assert not set(await bridge.ids(CLOSED)) & set(newest)

        # A contract is delisted: its series ends with its last period, the others go on.
        await wait_until(lambda: 10_000 < exchange.now % MINUTE_MS < 40_000, "the middle of a minute")
        contract, end = exchange.market.contracts["SOLUSDT"], exchange.now
        gone = dataclasses.replace(contract, life=Life.DELISTED, delist_time=end // 1000)
        exchange.market.contracts["SOLUSDT"] = gone
        await bridge.until_closed(end // MINUTE_MS * MINUTE_MS, stream("SOLUSDT"))
        await bridge.until_more(CLOSED, 2)
        assert int((await bridge.read(stream("SOLUSDT")))[-1]["open_time"]) == end // MINUTE_MS * MINUTE_MS
