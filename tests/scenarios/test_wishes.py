"""What is wanted: wishes made by API and by hand, by several bots at once, refused, waited for and paused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from click.testing import CliRunner

from bridge.cli import cli
from tests.scenarios.whole import BTC, ETH, LIVE, ORDERS, Whole, market, until_equal, whole
from tests.support import wait_until

WORDS: Final = f"Invalid channel: not found {ETH}"


async def test_unsubscribe_and_subscribe_in_one_breath_ends_subscribed(valkey_url: str) -> None:
    """Unsubscribe and subscribe in one breath ends subscribed."""
    async with market() as exchange, whole(exchange, valkey_url, ack_timeout_s=0.2) as bridge:
        await bridge.post("/klines/subscribe?wait=active&timeout=30", symbol="BTCUSDT", tfs="1m")

        # A bot changes its mind faster than BitMart answers. Only the last wish counts.
        for _ in range(5):
            await bridge.post("/klines/unsubscribe", symbol="BTCUSDT", tfs="1m")
            await bridge.post("/klines/subscribe", symbol="BTCUSDT", tfs="1m")
        await bridge.until_active(BTC)
        await bridge.until_more(LIVE)

        # The same while BitMart's answers get lost: they are asked for again.
        exchange.faults.ack_silent = True
        await bridge.post("/klines/unsubscribe", symbol="BTCUSDT", tfs="1m")
        await bridge.post("/klines/subscribe", symbols=["BTCUSDT", "ETHUSDT"], tfs="1m")
        await wait_until(lambda: bool(exchange.sockets.holders(ETH)), "BitMart has heard it")
        exchange.faults.ack_silent = False
        await bridge.until_active(BTC, ETH)
        await bridge.until_more(LIVE)


async def test_a_hand_made_sadd_works_as_well(valkey_url: str) -> None:
    """A hand-made `SADD` works as well."""
    # The regular pass is far away: only the nudge can bring it that soon.
    async with market() as exchange, whole(exchange, valkey_url, reconcile_interval_s=300) as bridge:
        await bridge.redis.sadd("bitmart:desired", BTC, "nonsense")
        await bridge.redis.publish("{bitmart:desired}:wake", "")
        await bridge.until_states({BTC: "active", "nonsense": "rejected"})
        assert "no BitMart futures topic" in (await bridge.get("/status"))["topics"]["nonsense"]["reason"]
        await bridge.until_more(LIVE)

        # It belongs to nobody: any owner's unsubscribe takes it away.
        await bridge.post("/klines/unsubscribe", symbol="BTCUSDT", tfs="1m", owner="whoever")
        await bridge.until_states({"nonsense": "rejected"})

    # Without a nudge the regular pass sees it.
    async with market() as exchange, whole(exchange, valkey_url) as bridge:
        await bridge.redis.srem("bitmart:desired", "nonsense")
        await bridge.redis.sadd("bitmart:desired", BTC)
        await bridge.until_active(BTC)


async def test_one_bots_unsubscribe_takes_no_other_bots_topic(valkey_url: str) -> None:
    """One bot's unsubscribe takes no other bot's topic."""
    async with market() as exchange, whole(exchange, valkey_url) as bridge:
        await bridge.post("/klines/subscribe", symbols=["BTCUSDT", "ETHUSDT"], tfs="1m", owner="anna")
        await bridge.post("/klines/subscribe?wait=active&timeout=30", symbol="BTCUSDT", tfs="1m", owner="ben")

        answer = await bridge.post("/klines/unsubscribe", symbols=["BTCUSDT", "ETHUSDT"], tfs="1m", owner="anna")
        assert answer.json()["still_wanted_by"] == {BTC: ["ben"]}
        await bridge.until_active(BTC)
        await bridge.until_more(LIVE)

        await bridge.post("/klines/unsubscribe?wait=active&timeout=30", symbol="BTCUSDT", tfs="1m", owner="ben")
        await bridge.until_active()


async def test_nothing_is_half_done(valkey_url: str) -> None:
    """Nothing is half done."""
    async with market() as exchange, whole(exchange, valkey_url) as bridge:
        await bridge.post("/klines/subscribe?wait=active&timeout=30", symbol="BTCUSDT", tfs="1m")
        before = await wanted(bridge)

        wrong = [
            await bridge.post("/klines/subscribe", symbols=["ETHUSDT", "ETH/USDT"], tfs="1m"),
            await bridge.post("/klines/subscribe", symbol="ETHUSDT", tfs=["1m", "3m"]),
            await bridge.post("/klines/unsubscribe", symbol="BTCUSDT", tfs=["1m", "3m"]),
            await bridge.http.put("/subscriptions", json={"topics": [ETH, "nonsense"], "orders": True}),
        ]
        assert [answer.status_code for answer in wrong] == [422] * 4
        assert [answer.json()["field"] for answer in wrong] == ["symbols", "tfs", "tfs", "topics"]
        assert await wanted(bridge) == before
        assert await bridge.redis.smembers("bitmart:desired") == {BTC}


async def wanted(bridge: Whole) -> tuple[object, ...]:
    """Return all that there is of wishes."""
    answer = await bridge.get("/subscriptions")
    return tuple(answer[name] for name in ("revision", "topics", "owners", "paused"))


async def test_refusals_are_visible_in_bitmarts_words(valkey_url: str) -> None:
    """Refusals are visible, in BitMart's words."""
    async with market() as exchange, whole(exchange, valkey_url, rejected_retry_s=0.2, ack_timeout_s=0.2) as bridge:
        exchange.faults.refuse_topics = [ETH]
        await bridge.post("/klines/subscribe", symbols=["BTCUSDT", "ETHUSDT"], tfs="1m")
        await bridge.until_states({BTC: "active", ETH: "rejected"})

        # Wherever one looks, BitMart's own words are there.
        for look in (looked("/status", "topics"), looked("/subscriptions", "states"), listed):
            await wait_until(partial(look, bridge), "BitMart's own words")
        assert {event["subject"] for event in await bridge.until_told("topic_rejected")} == {ETH}

        # The other goes on, and this one is asked for again until it is granted.
        await bridge.until_more(LIVE)
        exchange.faults.refuse_topics = []
        await bridge.until_active(BTC, ETH)


def looked(path: str, states: str) -> Callable[[Whole], Awaitable[bool]]:
    """Return who looks by an endpoint whether BitMart's words are there."""

    async def so(bridge: Whole) -> bool:
        return WORDS in (await bridge.get(path))[states][ETH]["reason"]

    return so


async def listed(bridge: Whole) -> bool:
    """Look by `bitmart-bridge status`."""
    shown = await asyncio.to_thread(
        CliRunner().invoke, cli, ["status", "--redis-url", bridge.settings.redis_url.reveal()]
    )
    return WORDS in " ".join(shown.output.split())


async def test_wait_active_waits_for_bitmarts_acknowledgement(valkey_url: str) -> None:
    """`wait=active` waits for BitMart's acknowledgement."""
    async with market() as exchange, whole(exchange, valkey_url, ack_timeout_s=0.2) as bridge:
        # BitMart says nothing: the wish is stored, and the answer says what it is waiting for.
        exchange.faults.ack_silent = True
        answer = await bridge.post("/klines/subscribe?wait=active&timeout=0.1", symbol="BTCUSDT", tfs="1m")
        assert (answer.status_code, answer.json()["applied"]) == (202, False)
        assert answer.json()["reasons"]
        assert (await bridge.get("/subscriptions"))["topics"] == [BTC]

        # As soon as BitMart has acknowledged it, the same request is 200.
        exchange.faults.ack_silent = False
        answer = await bridge.post("/klines/subscribe?wait=active&timeout=20", symbol="BTCUSDT", tfs="1m")
        assert (answer.status_code, answer.json()["applied"]) == (200, True)
        assert (await bridge.states())[BTC] == "active"
        assert exchange.sockets.holders(BTC)

        # And so for what is not wanted any more: 200 is that it is gone.
        answer = await bridge.post("/klines/unsubscribe?wait=active&timeout=20", symbol="BTCUSDT", tfs="1m")
        assert (answer.status_code, answer.json()["states"]) == (200, {})
        assert not exchange.sockets.holders(BTC)


async def test_a_pause_lasts_until_it_is_resumed(valkey_url: str) -> None:
    """A pause lasts until it is resumed."""
    async with market() as exchange:
        async with whole(exchange, valkey_url) as bridge:
            await bridge.post("/klines/subscribe", symbol="BTCUSDT", tfs="1m")
            await bridge.post("/orders/subscribe?wait=active&timeout=30")
            await bridge.post("/pause?wait=active&timeout=30")
            await wait_until(lambda: exchange.stats.sockets_open == 0, "all sockets are closed")

        # Everything is restarted: it is still paused, and the wishes are still there.
        async with whole(exchange, valkey_url) as bridge:
            await until_equal(lambda: bridge.code("/health/ready"), 200)
            assert (await bridge.get("/subscriptions"))["paused"] is True
            assert (await bridge.get("/subscriptions"))["topics"] == sorted([BTC, ORDERS])
            assert exchange.stats.sockets_open == 0
            await bridge.post("/resume")
            await bridge.until_active(BTC, ORDERS)
            await bridge.until_more(LIVE)
