"""Several ingesters on one set of wishes: who serves what, what moves when one comes or goes, and what has no room."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Final

from click.testing import CliRunner

from bridge.cli import cli
from bridge.simulator.market.contracts import Life
from bridge.store.keys import Keys
from bridge.store.members import Members, State
from bridge.values import Secret
from tests.scenarios.crowd import without_a_hole
from tests.scenarios.whole import BTC, ETH, ORDERS, POSITIONS, Whole, joined, market, until_equal, whole
from tests.support import wait_until

NOBODYS: Final = {name: Secret() for name in ("bitmart_api_key", "bitmart_api_secret", "bitmart_api_memo")}
TOPICS: Final = [f"futures/klineBin{tf}:{symbol}USDT" for tf in ("1m", "5m", "15m") for symbol in ("BTC", "ETH", "SOL")]


async def served(bridge: Whole) -> dict[str, set[str]]:
    """Return which topics each ingester serves, by its own word."""
    members = Members(bridge.redis, Keys(), 5)
    names = sorted(await members.alive())
    held = {name: await members.topics([name]) for name in names}
    return {name: {topic for topic, at in held[name].items() if at.state is State.ACTIVE} for name in names}


async def until_shared(bridge: Whole, *names: str) -> dict[str, set[str]]:
    """Wait until exactly these share the topics, each topic at one of them; return who serves what."""

    async def so() -> bool:
        told = {str(each["id"]): each for each in (await bridge.get("/status"))["ingesters"]}
        settled = all(0 < each.get("target", 0) == each["serving"] for each in told.values())
        once = all(len(bridge.exchange.sockets.holders(topic)) == 1 for topic in TOPICS)
        shares = await served(bridge)
        whole_of_it = sum(map(len, shares.values())) == len(TOPICS)
        return set(told) == set(shares) == set(names) and settled and once and whole_of_it

    await wait_until(so, f"{names} share the topics", 20)
    return await served(bridge)


async def test_they_share_the_topics_among_themselves(valkey_url: str) -> None:
    """They share the topics among themselves."""
    async with market(quiet_share=0) as exchange, whole(exchange, valkey_url) as bridge, joined(bridge, "two"):
        await bridge.http.put("/subscriptions", json={"topics": TOPICS})
        before = await until_shared(bridge, "one", "two")

        # One more comes: only what it takes moves, and nothing between the others.
        async with joined(bridge, "three"):
            after = await until_shared(bridge, "one", "two", "three")
            for name in ("one", "two"):
                assert after[name] == before[name] - after["three"]

        # It goes again: only what it leaves behind moves.
        assert await until_shared(bridge, "one", "two") == before


async def test_a_topic_moves_without_a_hole(valkey_url: str) -> None:
    """A topic moves without a hole."""
    holes: list[str] = []
    async with market(quiet_share=0) as exchange, whole(exchange, valkey_url) as bridge:
        await bridge.http.put("/subscriptions", json={"topics": TOPICS})
        await until_shared(bridge, "one")
        with without_a_hole(exchange, TOPICS, holes):
            # The new one subscribes first, and the former lets go after that; so it is when it goes again.
            async with joined(bridge, "two"):
                await until_shared(bridge, "one", "two")
            await until_shared(bridge, "one")
        assert holes == []
        moves = (await bridge.get("/status"))["ingesters"][0]
        assert (moves["handed_over"] > 0, moves["let_go"]) == (True, 0)


async def test_the_account_goes_to_those_with_credentials(valkey_url: str) -> None:
    """The account goes to those with credentials."""
    async with market() as exchange, whole(exchange, valkey_url, **NOBODYS) as bridge:
        await bridge.http.put("/subscriptions", json={"topics": [BTC, ETH, ORDERS, POSITIONS]})
        await bridge.until_states({BTC: "active", ETH: "active", ORDERS: "rejected", POSITIONS: "rejected"})
        assert "BITMART_API_KEY" in (await bridge.get("/status"))["topics"][ORDERS]["reason"]

        # As soon as somebody has credentials the account is there, behind one login.
        account = exchange.scenario
        credentials = (account.api_key, account.api_secret, account.api_memo)
        async with joined(bridge, "two", **dict(zip(NOBODYS, map(Secret, credentials), strict=True))):
            await bridge.until_active(BTC, ETH, ORDERS, POSITIONS)
            assert (await served(bridge))["two"] >= {ORDERS, POSITIONS}
            assert [set(socket.topics) for socket in exchange.sockets if socket.logged_in] == [{ORDERS, POSITIONS}]


async def test_bitmarts_limits_are_kept(valkey_url: str) -> None:
    """BitMart's limits are kept."""
    # Two topics on a connection, and four connections, of which one is the account's: there is room for six candles.
    room = {"topics_per_connection": 2, "max_connections": 4}
    async with market(quiet_share=0) as exchange, whole(exchange, valkey_url, **room) as bridge:
        await bridge.http.put("/subscriptions", json={"topics": TOPICS})

        async def full() -> dict[str, int]:
            states = list((await bridge.states()).values())
            return {state: states.count(state) for state in states}

        await until_equal(full, {"active": 6, "pending": 3})
        assert [len(socket.topics) for socket in exchange.sockets] == [2, 2, 2]
        topics = (await bridge.get("/status"))["topics"]
        (reason,) = {topic["reason"] for topic in topics.values() if topic["state"] == "pending"}
        assert "room" in reason
        assert await bridge.until_told("no_room")

        # When some are wished for no more, others take their room; the rest stays where it is.
        held = {topic: exchange.sockets.holders(topic) for topic in TOPICS if topics[topic]["state"] == "active"}
        gone = sorted(held)[:2]
        await bridge.http.put("/subscriptions", json={"topics": [topic for topic in TOPICS if topic not in gone]})
        await until_equal(full, {"active": 6, "pending": 1})
        assert all(exchange.sockets.holders(topic) == held[topic] for topic in sorted(held)[2:])
        assert len(exchange.sockets) == 3


async def test_a_wildcard_follows_bitmarts_list(valkey_url: str) -> None:
    """A wildcard follows BitMart's list."""
    every = "futures/klineBin1m:*"
    btc, eth, sol, xrp = (f"futures/klineBin1m:{symbol}USDT" for symbol in ("BTC", "ETH", "SOL", "XRP"))
    async with market(symbols=4, quiet_share=0) as exchange:
        contracts = exchange.market.contracts
        later, before = contracts["XRPUSDT"], contracts["ETHUSDT"]
        contracts["XRPUSDT"] = dataclasses.replace(later, life=Life.DELISTED, delist_time=1_745_830_379)
        async with whole(exchange, valkey_url, contracts_refresh_s=0.1) as bridge:
            await bridge.post("/klines/subscribe", symbols="*", tfs="1m")
            await until_equal(lambda: held(bridge), {btc, eth, sol})
            await until_equal(lambda: state(bridge, every), "active")

            # XRPUSDT is listed: it joins. ETHUSDT is delisted: it leaves.
            contracts["XRPUSDT"] = later
            await until_equal(lambda: held(bridge), {btc, eth, sol, xrp})
            await bridge.until_more("bitmart:klines:{XRPUSDT}:1m")
            contracts["ETHUSDT"] = dataclasses.replace(before, life=Life.DELISTED, delist_time=1_745_830_379)
            await until_equal(lambda: held(bridge), {btc, sol, xrp})


async def state(bridge: Whole, topic: str) -> str:
    """Return how far a topic has come."""
    return (await bridge.states())[topic]


async def held(bridge: Whole) -> set[str]:
    """Return what the exchange pushes."""
    return set(bridge.exchange.sockets.held())


async def test_all_of_it_is_visible(valkey_url: str) -> None:
    """All of it is visible."""
    async with market(quiet_share=0) as exchange, whole(exchange, valkey_url, topics_per_connection=2) as bridge:
        await bridge.http.put("/subscriptions", json={"topics": TOPICS})
        async with joined(bridge, "two"):
            shares = await until_shared(bridge, "one", "two")
            one, two = (await bridge.get("/status"))["ingesters"]
            assert (one["target"], one["serving"]) == (len(shares["one"]), len(shares["one"]))
            assert (two["target"], two["serving"]) == (len(shares["two"]), len(shares["two"]))
            await until_equal(lambda: untold(bridge), 0)
        await until_shared(bridge, "one")
        (one,) = (await bridge.get("/status"))["ingesters"]
        assert (one["handed_over"], one["taken_over"], one["let_go"]) == (len(shares["two"]), len(shares["two"]), 0)
        words = ["status", "--redis-url", bridge.settings.redis_url.reveal()]
        shown = await asyncio.to_thread(CliRunner().invoke, cli, words)
        moved = len(shares["two"])
        assert f"serves {len(TOPICS)} topics, its share is {len(TOPICS)}" in shown.output
        assert f"{moved} taken over, {moved} handed over, 0 let go" in shown.output


async def untold(bridge: Whole) -> int:
    """Return how many connections there are of which no ingester tells."""
    told = sum(each["connections"] for each in (await bridge.get("/status"))["ingesters"])
    return len(bridge.exchange.sockets) - int(told)
