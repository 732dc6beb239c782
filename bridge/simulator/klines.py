"""The kline pushes: which held topic pushes when, and what."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from bridge.simulator.timeframes import MINUTE_MS
from bridge.simulator.topics import kline

if TYPE_CHECKING:
    from bridge.simulator.faults import Faults
    from bridge.simulator.market.candles import Candle
    from bridge.simulator.market.contracts import Contract
    from bridge.simulator.market.market import Market
    from bridge.simulator.sockets.delivery import Delivery, Frame
    from bridge.simulator.sockets.sockets import Socket, Sockets
    from bridge.simulator.topics import KlineTopic

# Market milliseconds between two pushes of a topic: "about one per 2-3 s" was measured on the wire 2026-08.
_SHORTEST_MS, _LONGEST_MS = 2_000, 3_000


@dataclass(slots=True)
class Feed:
    """The pushes of one held topic.

    Attributes:
        topic: What is pushed.
        due: Market time of the next push.
        minute: Where the candle pushed last opens (minutes since 1970).
        pushed: Its state as it was pushed last.
        base: The current candle without the minute that is still going on.
        base_until: The minute (since 1970) up to which `base` reaches.
    """

    topic: KlineTopic
    due: int
    minute: int
    pushed: Candle | None
    base: Candle | None = None
    base_until: int = -1


@dataclass(slots=True)
class Klines:
    """Pushes each held kline topic's current candle every 2-3 s of market time, if it changed.

    Nothing is pushed while nothing is traded, and nothing marks the end of a candle: its last state may never be
    pushed. Each topic has its own jittered rhythm, so the timeframes of a symbol are independent, as on the wire.
    """

    market: Market
    faults: Faults
    sockets: Sockets
    delivery: Delivery
    feeds: dict[str, Feed] = field(default_factory=dict)
    dice: Random = field(default_factory=lambda: Random(1))  # noqa: S311 - a rhythm, not cryptography

    def begin(self, socket: Socket, name: str) -> None:
        """Begin to push a topic that was just held, if it is one of klines and not pushed already.

        What a new subscriber gets first is unknown: our choice is the first change, or with `kline_snapshot` the
        candle as it stands.
        """
        topic = kline(name)
        if topic is None:
            return
        now = self.market.clock.now()
        if name not in self.feeds:
            self.feeds[name] = self._feed(topic, now)
        if self.faults.kline_snapshot:
            feed = self.feeds[name]
            minute, candle = self._state(feed, now)
            if candle is not None:
                self._send(feed, (socket,), minute, candle)

    def push(self, now: int) -> None:
        """Push what is due at market time `now`, and drop the topics nobody holds any more."""
        for name, feed in tuple(self.feeds.items()):
            if feed.due > now:
                continue
            holders = self.sockets.holders(name)
            if not holders:
                del self.feeds[name]
                continue
            due = feed.due
            feed.due += self._pause()
            if feed.due <= now:
                # The market runs too fast for every push: skip to the latest.
                due, feed.due = now, now + self._pause()
            self._push(feed, holders, due)

    def _push(self, feed: Feed, holders: tuple[Socket, ...], at: int) -> None:
        minute, candle = self._state(feed, at)
        if candle is None or (minute, candle) == (feed.minute, feed.pushed) or self._withheld(feed, at):
            return
        superseded = feed.minute if minute != feed.minute else None
        feed.minute, feed.pushed = minute, candle
        self._send(feed, holders, minute, candle)
        final = None if superseded is None else self._final(feed, superseded)
        if self.faults.late_updates and superseded is not None and final is not None:
            self._send(feed, holders, superseded, final)

    def _feed(self, topic: KlineTopic, now: int) -> Feed:
        feed = Feed(
            topic, now + self.dice.randrange(_LONGEST_MS), self.market.opening(now, topic.timeframe.minutes), None
        )
        _, feed.pushed = self._state(feed, now)
        return feed

    def _pause(self) -> int:
        return self.dice.randint(_SHORTEST_MS, _LONGEST_MS)

    def _state(self, feed: Feed, at: int) -> tuple[int, Candle | None]:
        """Where the current candle opens, and how it stood at market time `at`."""
        minute = self.market.opening(at, feed.topic.timeframe.minutes)
        chart = self.market.charts[feed.topic.symbol]
        current = at // MINUTE_MS
        if feed.base_until != current:
            feed.base, feed.base_until = chart.span(minute, current), current
        return minute, chart.grown(feed.base, minute, at)

    def _withheld(self, feed: Feed, at: int) -> bool:
        if not self.faults.withhold_last:
            return False
        length = feed.topic.timeframe.minutes
        closes = (self.market.opening(at, length) + length) * MINUTE_MS
        return closes - at <= self.faults.withhold_last * 1000

    def _final(self, feed: Feed, minute: int) -> Candle | None:
        return self.market.charts[feed.topic.symbol].span(minute, minute + feed.topic.timeframe.minutes)

    def _send(self, feed: Feed, holders: tuple[Socket, ...], minute: int, candle: Candle) -> None:
        contract = self.market.contracts[feed.topic.symbol]
        items = [self._item(contract, minute, candle)]
        if self.faults.two_items:
            earlier = minute - feed.topic.timeframe.minutes
            final = self._final(feed, earlier)
            items = [self._item(contract, earlier, final), *items] if final else items
        name = feed.topic.name
        self.delivery.data(name, holders, self._frame(feed.topic, items))

    def _item(self, contract: Contract, minute: int, candle: Candle) -> Frame:
        text = contract.text
        return {
            "o": text(candle.open),
            "h": text(candle.high),
            "l": text(candle.low),
            "c": text(candle.close),
            "v": str(candle.volume),
            "ts": minute * 60 + self.faults.ts_plus_1s,
        }

    def _frame(self, topic: KlineTopic, items: list[Frame]) -> Frame:
        """Observed on the wire 2023 to 2026: `items` of one. The flat shape is documented but was never seen."""
        if self.faults.flat_klines:
            data: Frame = {"symbol": topic.symbol, **items[-1]}
        else:
            data = {"symbol": topic.symbol, "items": items}
        return {"group": topic.name + self.faults.group_suffix, "data": data}
