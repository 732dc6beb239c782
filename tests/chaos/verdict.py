"""The streams, held against the truth the exchange dealt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Final, cast

from bridge.timeframes import DAY_MS, Timeframe
from tests.chaos.live import Entry, Fields, judge_last_words, judge_live, said

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from bridge.simulator import Simulator
    from bridge.simulator.market.market import CandleFact
    from bridge.simulator.trading.orders import Order
    from bridge.simulator.trading.positions import Position
    from bridge.store.keys import Keys

_PRICES: Final = ("open", "high", "low", "close")
_RANKS: Final = {"accepted": 1, "open": 2, "partially_filled": 2, "filled": 3, "canceled": 3, "triggered": 3}
_FINISHED: Final = 4
# An order from before the floor may end between the floor and the first subscription's taking effect: nobody is told.
_ENTRANCE_MS: Final = 10_000


@dataclass(slots=True)
class Verdict:
    """What was found.

    Attributes:
        failures: each broken promise in words.
        counts: how many entries were held against the truth, by kind.
    """

    failures: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def fail(self, kind: str, text: str) -> None:
        """Take note of a broken promise."""
        self.counts[f"failed: {kind}"] += 1
        self.failures.append(f"{kind}: {text}")

    def add(self, other: Verdict) -> None:
        """Take over what another verdict found."""
        self.failures += other.failures
        self.counts += other.counts


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be judged, and what is known of it.

    Attributes:
        exchange: it knows the truth.
        keys: where the streams are.
        series: the symbols and timeframes that were wanted.
        dead: the symbols that never trade.
        until_ms: market time; periods that ended before it have to be there.
        silences: when REST gave nothing valid for so long that the socket's word may have been taken.
        floor: since when everything of the account has to be there; 0 where that is what the store says.
        last_words: whether every period shown live must have been called closed.
    """

    exchange: Simulator
    keys: Keys
    series: Sequence[tuple[str, str]]
    dead: frozenset[str]
    until_ms: int
    silences: Sequence[tuple[int, int]] = ()
    floor: int = 0
    last_words: bool = False


async def judged(case: Case, redis: Redis) -> Verdict:
    """Compare every stream with the truth."""
    verdict = Verdict()
    for symbol, timeframe in case.series:
        closed = await _entries(redis, case.keys.closed_klines(symbol, timeframe))
        _judge_closed(verdict, case, (symbol, timeframe), closed)
        live = await _entries(redis, case.keys.klines(symbol, timeframe))
        judge_live(verdict, f"{symbol} {timeframe}", live)
        if case.last_words:
            judge_last_words(verdict, f"{symbol} {timeframe}", live, closed)
    kept = int(await redis.hget(case.keys.synced, "floor") or 0)
    floor = case.floor or kept
    if kept > floor:
        verdict.fail("floor forgotten", f"{kept}, it was {floor}")
    _judge_fills(verdict, case.exchange, await _entries(redis, case.keys.fills), floor)
    orders = await _entries(redis, case.keys.orders)
    _judge_order_stream(verdict, orders)
    _judge_orders(verdict, case.exchange, orders, floor)
    _judge_plans(verdict, case.exchange, orders, floor)
    _judge_positions(verdict, case.exchange, await _entries(redis, case.keys.positions))
    return verdict


def _judge_closed(verdict: Verdict, case: Case, series: tuple[str, str], entries: Sequence[Entry]) -> None:
    """Every period from the first entry on is there, once, in order, and true."""
    symbol, timeframe = series
    length, name = Timeframe(timeframe).milliseconds, f"{symbol} {timeframe}"
    if not entries:
        # That nothing was traded is known of the last 23 hours only: too little for a day of a contract that never did.
        if symbol not in case.dead or length < DAY_MS:
            verdict.fail("candle missing", f"{name} has no closed candle at all")
        return
    opens = [int(fields["open_time"]) for _, fields in entries]
    for (entry_id, _), opened in zip(entries, opens, strict=True):
        if entry_id != f"{opened}-0":
            verdict.fail("candle out of order", f"{name} {opened} has the id {entry_id}")
    for earlier, later in pairwise(opens):
        if later <= earlier:
            verdict.fail("candle twice" if later == earlier else "candle out of order", f"{name} {later}")
    end = max(opens[-1] + 1, case.until_ms - length)
    facts = {
        int(fact["open_time"] or 0): fact for fact in case.exchange.truth_candles(symbol, timeframe, opens[0], end)
    }
    for opened in sorted(facts.keys() - set(opens)):
        verdict.fail("candle missing", f"{name} {opened}")
    for _, fields in entries:
        _judge_candle(verdict, name, fields, facts.get(int(fields["open_time"])), case.silences)


def _judge_candle(
    verdict: Verdict, name: str, fields: Fields, fact: CandleFact | None, silences: Sequence[tuple[int, int]]
) -> None:
    verdict.counts["candles"] += 1
    verdict.counts[f"candles by {fields['source']}"] += 1
    opened, ended = int(fields["open_time"]), int(fields["close_time"]) + 1
    if fact is None:
        verdict.fail("candle wrong", f"{name} {opened}: no period opens there")
    elif fields["source"] == "ws":
        if not any(ended <= end for _, end in silences):
            verdict.fail("candle unproven", f"{name} {opened} is the socket's word, and REST was there")
    elif fields["source"] == "lost" or fields["closed"] != "1" or not _true(fields, fact):
        verdict.fail("candle wrong", f"{name} {dict(fields)}; the truth: {fact}")


def _true(fields: Fields, fact: CandleFact) -> bool:
    if Decimal(fields["volume"]) != Decimal(str(fact["volume"])):
        return False
    if (fields["source"] == "empty") != (Decimal(fields["volume"]) == 0):
        return False
    # A contract that was never traded has no true price.
    return all(fact[price] is None or Decimal(fields[price]) == Decimal(str(fact[price])) for price in _PRICES)


def _judge_fills(verdict: Verdict, exchange: Simulator, entries: Sequence[Entry], floor: int) -> None:
    """Every execution since the floor is there, once, and true."""
    fills = [fields for _, fields in entries if fields["type"] == "fill"]
    verdict.counts["fills"] += len(fills)
    times = Counter((fields["order_id"], fields["trade_id"]) for fields in fills)
    for (order_id, trade_id), count in times.items():
        if count > 1:
            verdict.fail("fill twice", f"trade {trade_id} of order {order_id}, {count} times")
    truth = {(fill.order_id, str(fill.trade_id)): fill for fill in exchange.account.fills}
    for key, fill in truth.items():
        if fill.at >= floor and key not in times:
            verdict.fail("fill missing", f"trade {key[1]} of order {key[0]} at {fill.at}")
    for fields in fills:
        true = truth.get((fields["order_id"], fields["trade_id"]))
        said = (fields["symbol"], Decimal(fields["price"]), Decimal(fields["size"]), Decimal(fields["fee"] or "0"))
        if true is None or said != (true.symbol, true.price, Decimal(true.size), true.fee):
            verdict.fail("fill wrong", f"{dict(fields)}; the truth: {true}")


def _judge_order_stream(verdict: Verdict, entries: Sequence[Entry]) -> None:
    """No order goes backwards, and nothing is said twice."""
    for order_id, changes in _grouped(entries, "order", "order_id"):
        for earlier, later in pairwise(changes):
            ranks = _RANKS.get(earlier["status"], 0), _RANKS.get(later["status"], 0)
            filled = Decimal(earlier["filled_size"]), Decimal(later["filled_size"])
            if ranks[1] < ranks[0] or filled[1] < filled[0]:
                verdict.fail("order backwards", f"{order_id}: {dict(later)} after {dict(earlier)}")
            elif said(earlier) == said(later):
                verdict.fail("order twice", f"{order_id}: {dict(later)}")


def _judge_orders(verdict: Verdict, exchange: Simulator, entries: Sequence[Entry], floor: int) -> None:
    """Every order that changed since the floor has come to its true last state."""
    last = {order_id: changes[-1] for order_id, changes in _grouped(entries, "order", "order_id")}
    verdict.counts["orders"] += len(last)
    for order_id, order in exchange.account.orders.items():
        if order_id not in last:
            if order.create_time >= floor or order.update_time >= floor + _ENTRANCE_MS:
                verdict.fail("order missing", f"{order_id}, {order}")
        elif _state(last[order_id]) != _true_state(order):
            verdict.fail("order stale", f"{dict(last[order_id])}; the truth: {order}")


def _judge_plans(verdict: Verdict, exchange: Simulator, entries: Sequence[Entry], floor: int) -> None:
    """Every order that waited for a price since the floor has come to its true last state."""
    last = {order_id: changes[-1] for order_id, changes in _grouped(entries, "order", "order_id")}
    for order_id, plan in exchange.account.plans.orders.items():
        status = "accepted" if plan.state != _FINISHED else "triggered" if plan.executed else "canceled"
        if order_id not in last:
            if plan.create_time >= floor:
                verdict.fail("order missing", f"{order_id}, {plan}")
        elif last[order_id]["status"] != status:
            verdict.fail("order stale", f"{dict(last[order_id])}; the truth: {plan}")


def _state(fields: Fields) -> tuple[str, Decimal, Decimal, Decimal]:
    numbers = (Decimal(fields[name] or "0") for name in ("size", "filled_size", "average_price"))
    size, filled, average = numbers
    return fields["status"], size, filled, average


def _true_state(order: Order) -> tuple[str, Decimal, Decimal, Decimal]:
    if not order.remaining:
        status = "filled"
    elif order.state == _FINISHED:
        status = "canceled"
    elif order.deal_size:
        status = "partially_filled"
    else:
        status = "open" if order.state > 1 else "accepted"
    return status, Decimal(order.size), Decimal(order.deal_size), Decimal(order.average_price)


def _judge_positions(verdict: Verdict, exchange: Simulator, entries: Sequence[Entry]) -> None:
    """Every position has come to its true side and size, and no repeat is told as a change."""
    last: dict[tuple[str, str], Fields] = {}
    for (symbol, slot), changes in _positions(entries):
        last[symbol, slot] = changes[-1]
        for earlier, later in pairwise(changes):
            if said(earlier) == said(later):
                verdict.fail("position twice", f"{symbol} {slot}: {dict(later)}")
    verdict.counts["positions"] += len(last)
    for (symbol, slot), position in exchange.account.positions.items():
        held = last.get((symbol, slot))
        if _size(held) != position.volume:
            verdict.fail("position stale", f"{symbol} {slot}: {dict(held or {})}; the truth: {_words(position)}")


def _positions(entries: Sequence[Entry]) -> Iterator[tuple[tuple[str, str], list[Fields]]]:
    found: dict[tuple[str, str], list[Fields]] = {}
    for _, fields in entries:
        if fields["type"] == "position":
            slot = "both" if fields["position_mode"] == "one_way" else fields["side"]
            found.setdefault((fields["symbol"], slot), []).append(fields)
    yield from found.items()


def _size(held: Fields | None) -> Decimal:
    if held is None:
        return Decimal(0)
    return Decimal(held["size"]) * (-1 if held["side"] == "short" else 1)


def _words(position: Position) -> str:
    return f"{position.volume} at {position.entry}, updated {position.updated_at}"


def _grouped(entries: Sequence[Entry], kind: str, name: str) -> Iterator[tuple[str, list[Fields]]]:
    chosen = sorted((fields for _, fields in entries if fields["type"] == kind), key=lambda fields: fields[name])
    for value, group in groupby(chosen, key=lambda fields: fields[name]):
        yield value, list(group)


async def _entries(redis: Redis, stream: str) -> list[Entry]:
    return cast("list[Entry]", await redis.xrange(stream))
