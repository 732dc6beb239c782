"""The account's streams where nobody has documented what happens: forgotten facts, other numbers, another mode."""

from __future__ import annotations

import dataclasses

import pytest

from tests.ingest.books import bought, still
from tests.scenarios.whole import ORDERS, POSITIONS, Whole, noted, whole
from tests.support import wait_until

ORDER_STREAM, FILL_STREAM = "bitmart:orders:{main}", "bitmart:fills:{main}"
POSITION_STREAM = "bitmart:positions:{main}"
BUY, SELL_CLOSE, SELL = 1, 3, 4
DAY_S = 86_400


pytestmark = pytest.mark.usefixtures("hurry")


async def fills(bridge: Whole) -> list[tuple[str, str]]:
    """Return order and size of each execution in the stream."""
    return [(entry["order_id"], entry["size"]) for entry in await bridge.read(FILL_STREAM, "fill")]


async def positions(bridge: Whole) -> list[tuple[str, str, str]]:
    """Return symbol, mode and size of each change of a position."""
    told = await bridge.read(POSITION_STREAM, "position")
    return [(entry["symbol"], entry["position_mode"], entry["size"]) for entry in told]


async def test_what_is_old_may_be_forgotten_and_is_never_told_again(valkey_url: str) -> None:
    """What is older than the last complete reading by more than a day may be forgotten, and is never told again."""
    async with still() as exchange:
        said = noted(exchange)
        async with whole(exchange, valkey_url) as bridge:
            await bridge.http.put("/subscriptions?wait=active&timeout=30", json={"topics": [ORDERS, POSITIONS]})
            await bridge.until_told("resynced")
            resting = exchange.account.submit("ETHUSDT", BUY, 1, price="100")
            bought(exchange.account, "BTCUSDT", BUY, 5)
            await wait_until(lambda: told(bridge, 1), "the execution is told")

        # Three days later the account is read again and again: what was before that is forgotten, but for open orders.
        exchange.market.clock._began -= 3 * DAY_S  # type: ignore[operator]  # noqa: SLF001 - they pass in a moment
        old = list(said)
        async with whole(exchange, valkey_url, private_sync_s=0.1) as bridge:

            async def forgotten() -> bool:
                return not await bridge.redis.exists("bitmart:fills:{main}:seen")

            await wait_until(forgotten, "the execution is forgotten")
            assert await bridge.redis.smembers("bitmart:orders:{main}:open") == {resting}

            # BitMart says all of it once more, and then something new. Only that is told.
            for topic, data in old:
                exchange.account.tell(topic, data)
            bought(exchange.account, "BTCUSDT", BUY, 2)
            await wait_until(lambda: told(bridge, 2), "the new execution is told")
            assert [size for _, size in await fills(bridge)] == ["5", "2"]


async def told(bridge: Whole, count: int) -> bool:
    """Tell whether there are exactly so many executions in the stream."""
    return len(await fills(bridge)) == count


async def test_an_execution_is_published_once_whatever_it_is_called(valkey_url: str) -> None:
    """An execution is published once, whatever it is called."""
    async with still() as exchange, whole(exchange, valkey_url) as bridge:
        exchange.faults.rest_trade_ids = True
        await bridge.http.put("/subscriptions?wait=active&timeout=30", json={"topics": [ORDERS, POSITIONS]})
        await bridge.until_told("resynced")
        account = exchange.account
        bought(account, "BTCUSDT", BUY, 5)
        await wait_until(lambda: told(bridge, 1), "the socket has told it")

        # The socket is away while the next one happens. REST calls both by numbers of its own.
        await exchange.stop(abrupt=True)
        await bridge.until_told("lost")
        bought(account, "BTCUSDT", BUY, 4)
        await exchange.start()
        await bridge.until_told("resynced", 2)
        await wait_until(lambda: told(bridge, 2), "REST has told the other, and none twice")
        (noticed,) = await bridge.until_told("contradiction")
        assert "trade ids" in noticed["text"]
        assert await bridge.redis.hget("bitmart:orders:{main}:synced", "fills") == "rest"

        # From then on REST's executions alone are published.
        bought(account, "BTCUSDT", BUY, 3)
        await wait_until(lambda: told(bridge, 3), "the third is told")
        assert [entry["source"] for entry in await bridge.read(FILL_STREAM, "fill")] == ["ws", "rest", "rest"]
        assert [size for _, size in await fills(bridge)] == ["5", "4", "3"]


async def test_a_position_has_one_slot_in_one_way_mode_and_two_in_hedge_mode(valkey_url: str) -> None:
    """A symbol's position has one slot in one-way mode and two in hedge mode, never both kinds."""
    async with still() as exchange, whole(exchange, valkey_url) as bridge:
        await bridge.http.put("/subscriptions?wait=active&timeout=30", json={"topics": [ORDERS, POSITIONS]})
        await bridge.until_told("resynced")
        account = exchange.account

        # In hedge mode a symbol may be held long and short at once.
        bought(account, "BTCUSDT", BUY, 5)
        bought(account, "BTCUSDT", SELL, 2)
        await wait_until(lambda: held(bridge, "BTCUSDT:long", "BTCUSDT:short"), "both are held")

        # While the socket is away the account is closed, and opened again in one-way mode.
        await exchange.stop(abrupt=True)
        await bridge.until_told("lost")
        bought(account, "BTCUSDT", SELL_CLOSE, 5)
        bought(account, "BTCUSDT", 2, 2)
        account.scenario = dataclasses.replace(account.scenario, position_mode="one_way_mode")
        bought(account, "BTCUSDT", BUY, 3)
        await exchange.start()
        await bridge.until_told("resynced", 2)
        await wait_until(lambda: held(bridge, "BTCUSDT:both"), "there is one slot now")
        last = (await positions(bridge))[-3:]
        assert sorted(last) == [("BTCUSDT", "hedge", "0"), ("BTCUSDT", "hedge", "0"), ("BTCUSDT", "one_way", "3")]

        # Frames that leave out the mode belong to the mode last known.
        exchange.faults.old_private_shape = True
        bought(account, "BTCUSDT", BUY, 1)
        await wait_until(lambda: grown(bridge), "the change is told")
        assert await held(bridge, "BTCUSDT:both")


async def held(bridge: Whole, *slots: str) -> bool:
    """Tell whether exactly these slots hold something."""
    return bool(await bridge.redis.smembers("bitmart:positions:{main}:open") == set(slots))


async def grown(bridge: Whole) -> bool:
    """Tell whether the position has its last size."""
    return (await positions(bridge))[-1][-1] == "4"
