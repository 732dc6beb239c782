"""What stands in the streams: each fact once, never backwards, in BitMart's own words and digits."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Final

from tests.ingest.books import bought, still
from tests.scenarios.whole import BTC, CLOSED, LIVE, ORDERS, POSITIONS, Fields, Whole, joined, market, noted, whole
from tests.support import wait_until

ORDER_STREAM: Final = "bitmart:orders:{main}"
FILL_STREAM: Final = "bitmart:fills:{main}"
POSITION_STREAM: Final = "bitmart:positions:{main}"
BUY, SELL_CLOSE = 1, 3


async def test_nothing_twice(valkey_url: str) -> None:
    """Nothing twice."""
    async with market(rate=120.0) as exchange, whole(exchange, valkey_url, replicas=2) as bridge:
        # Two ingesters serve the same topics, and BitMart says everything twice.
        async with joined(bridge, "two"):
            exchange.faults.duplicate_frames = 1
            # Who reads the account for both is settled before it is read.
            await bridge.until_members(2)
            await bridge.http.put("/subscriptions?wait=active&timeout=30", json={"topics": [BTC, ORDERS, POSITIONS]})
            await bridge.until_told("resynced")
            topics = (BTC, ORDERS, POSITIONS)
            await wait_until(lambda: all(len(exchange.sockets.holders(each)) == 2 for each in topics), "both listen")
            trades = {str(bought(exchange.account, "BTCUSDT", BUY, size)) for size in (1, 2, 3)}
            await bridge.until_more(CLOSED, 2)

            async def all_there() -> bool:
                return {fill["trade_id"] for fill in await bridge.read(FILL_STREAM, "fill")} == trades

            await wait_until(all_there, "every trade is told")
            await wait_until(lambda: both_repeat(bridge), "each has written what was there already")

        # Each trade stands there once, each candle's state once, each closed candle once.
        assert len(await bridge.read(FILL_STREAM, "fill")) == len(trades)
        orders = [(entry["order_id"], entry["status"]) for entry in await bridge.read(ORDER_STREAM, "order")]
        assert len(orders) == len(set(orders))
        assert [entry["size"] for entry in await bridge.read(POSITION_STREAM, "position")] == ["1", "3", "6"]
        candles = await bridge.read(LIVE)
        states = [told(entry) for entry in candles]
        assert len(states) == len(set(states))
        path = [(int(entry["open_time"]), int(entry["volume"]), int(entry["closed"])) for entry in candles]
        assert path == sorted(path)
        assert all(before[0] < after[0] for before, after in pairwise(path) if before[2]), "nothing follows closed=1"
        opens = [entry["open_time"] for entry in await bridge.read(CLOSED)]
        assert len(opens) == len(set(opens))


async def both_repeat(bridge: Whole) -> bool:
    """Tell whether two ingesters have met entries of theirs in the streams already."""
    return [ingester["repeats"] > 0 for ingester in (await bridge.get("/status"))["ingesters"]] == [True, True]


def told(candle: Fields) -> tuple[str, ...]:
    """Return what one entry says of its candle."""
    return tuple(candle[name] for name in ("open_time", "closed", "open", "high", "low", "close", "volume"))


async def test_nothing_backwards(valkey_url: str) -> None:
    """Nothing backwards."""
    async with market(rate=120.0) as exchange, whole(exchange, valkey_url) as bridge:
        # BitMart repeats the last state of each candle after the next one has begun.
        exchange.faults.late_updates = exchange.faults.two_items = True
        said = noted(exchange)
        await bridge.http.put("/subscriptions?wait=active&timeout=30", json={"topics": [BTC, ORDERS, POSITIONS]})
        await bridge.until_told("resynced")
        order = exchange.account.submit("BTCUSDT", BUY, 10, price="60000")
        exchange.account.fill(order, 4, "60000")
        exchange.account.fill(order, 6, "60000")
        bought(exchange.account, "BTCUSDT", SELL_CLOSE, 10)

        async def flat() -> bool:
            return [entry["size"] for entry in await bridge.read(POSITION_STREAM, "position")] == ["4", "10", "0"]

        await wait_until(flat, "the position is closed again")
        account = [await bridge.read(stream) for stream in (ORDER_STREAM, FILL_STREAM, POSITION_STREAM)]

        # Then it says all it has said of the account once more, the newest first.
        for topic, data in reversed(said.copy()):
            exchange.account.tell(topic, data)
        final = exchange.account.submit("BTCUSDT", BUY, 1, price="100")

        async def heard() -> bool:
            return (await bridge.read(ORDER_STREAM))[-1].get("order_id") == final

        await wait_until(heard, "what came after that is there")
        *orders, last = await bridge.read(ORDER_STREAM)
        assert last["order_id"] == final
        assert [orders, await bridge.read(FILL_STREAM), await bridge.read(POSITION_STREAM)] == account

        # And the candles have only ever gone on.
        await bridge.until_more(LIVE, 20)
        path = [(int(e["open_time"]), int(e["volume"]), int(e["closed"])) for e in await bridge.read(LIVE)]
        assert path == sorted(path)
        assert (await bridge.get("/status"))["ingesters"][0]["repeats"] > 0


async def test_closed_is_the_last_word_from_what_the_socket_showed(valkey_url: str) -> None:
    """`closed=1` in a live stream is the last word on its period, from what the socket showed."""
    # BitMart keeps the last five seconds of each candle to itself.
    async with market(rate=120.0) as exchange, whole(exchange, valkey_url) as bridge:
        exchange.faults.withhold_last = 5.0
        await bridge.post("/klines/subscribe?wait=active&timeout=30", symbol="BTCUSDT", tfs="1m")

        async def enough() -> bool:
            return sum(candle["closed"] == "1" for candle in await bridge.read(LIVE)) >= 3

        await wait_until(enough, "three candles are called closed", 20)

        # Nothing of a period follows its last word, which is what the socket showed last: the volume may be behind.
        candles = await bridge.read(LIVE)
        for before, after in pairwise(candles):
            assert before["closed"] == "0" or int(before["open_time"]) < int(after["open_time"])
        closed = [candle for candle in candles if candle["closed"] == "1"]
        truth = {
            fact["open_time"]: fact
            for fact in exchange.truth_candles(
                "BTCUSDT", "1m", int(closed[0]["open_time"]), int(closed[-1]["open_time"]) + 1
            )
        }
        for candle in closed:
            fact = truth[int(candle["open_time"])]
            assert (candle["open"], candle["source"]) == (fact["open"], "ws")
            assert int(candle["volume"]) <= int(str(fact["volume"]))

        # A bot that must not misread a candle reads the stream of closed ones: there it is whole.
        first, last = closed[0]["open_time"], closed[-1]["open_time"]
        await bridge.until_closed(int(last))
        proven = [candle for candle in await bridge.read(CLOSED) if first <= candle["open_time"] <= last]
        assert [int(candle["volume"]) for candle in proven] == [int(str(fact["volume"])) for fact in truth.values()]


async def test_prices_and_sizes_are_bitmarts_own_strings_in_a_fixed_order(valkey_url: str) -> None:
    """Prices and sizes are BitMart's own strings, and an entry's fields have a fixed order."""
    async with still() as exchange, whole(exchange, valkey_url) as bridge:
        await bridge.http.put("/subscriptions?wait=active&timeout=30", json={"topics": [BTC, ORDERS, POSITIONS]})
        await bridge.until_told("resynced")
        said = noted(exchange)
        order = exchange.account.submit("BTCUSDT", BUY, 7, price="60000.10")
        exchange.account.fill(order, 7, "59999.123456789012345")

        async def there() -> bool:
            return bool(await bridge.read(POSITION_STREAM, "position"))

        await wait_until(there, "the position is told")
        element = next(data[0]["order"] for topic, data in reversed(said) if topic == ORDERS)
        (fill,) = await bridge.read(FILL_STREAM, "fill")
        assert (fill["price"], fill["size"]) == ("59999.123456789012345", "7")
        *_, told = await bridge.read(ORDER_STREAM, "order")
        assert (told["price"], told["average_price"]) == (element["price"], element["deal_avg_price"])

        # What is absent is the empty string, and each entry of a kind has the same fields in the same order.
        assert told["client_order_id"] == ""
        for stream in (ORDER_STREAM, FILL_STREAM, POSITION_STREAM):
            shapes = {tuple(entry) for entry in await bridge.read(stream) if entry["type"] != "resync"}
            (shape,) = shapes
            assert shape[:2] == ("type", "v")
            assert shape[-2:] == ("source", "received_at")


async def test_what_the_bridge_does_not_know_is_passed_on_as_unknown(valkey_url: str) -> None:
    """What the bridge doesn't know is passed on as `unknown`."""
    async with still() as exchange, whole(exchange, valkey_url) as bridge:
        await bridge.post("/orders/subscribe?wait=active&timeout=30")
        await bridge.until_told("resynced")
        said = noted(exchange)
        exchange.account.submit("BTCUSDT", BUY, 7, price="60000")

        # One day BitMart says of an order what nobody has documented.
        (_, elements) = next(one for one in said if one[0] == ORDERS)
        later = copy.deepcopy(elements)
        later[0]["action"] = 77
        later[0]["order"] |= {"order_id": "4711", "type": "iceberg"}
        exchange.account.tell(ORDERS, later)

        async def told() -> list[Fields]:
            return [entry for entry in await bridge.read(ORDER_STREAM, "order") if entry["order_id"] == "4711"]

        async def so() -> bool:
            return bool(await told())

        await wait_until(so, "it is passed on")
        (entry,) = await told()
        assert (entry["event"], entry["action"], entry["order_type"]) == ("unknown", "77", "unknown")
        assert (entry["price"], entry["size"]) == ("60000", "7")
