"""A market that never lies, and one series that is played through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from bridge.ingest.candles.closed import Closed, How, Window
from bridge.ingest.candles.series import Series
from bridge.records import Kline
from bridge.timeframes import Timeframe
from tests.ingest.candles.samples import DAWN, TIMEOUT_MS, S, row


@dataclass
class Market:
    """Trades, each with its moment, price, size and whether the socket shows the candle it made."""

    timeframe: Timeframe
    trades: list[tuple[int, int, int, bool]]

    def candle(self, opened: int, length: int, moment: int) -> tuple[str, str, str, str, str] | None:
        inside = [
            (price, size) for when, price, size, _ in self.trades if opened <= when < opened + length and when <= moment
        ]
        if not inside:
            return None
        prices = [price for price, _ in inside]
        figures = (prices[0], max(prices), min(prices), prices[-1], sum(size for _, size in inside))
        return tuple(map(str, figures))  # type: ignore[return-value]  # five of five

    def close_before(self, opened: int, moment: int) -> str | None:
        before = [price for when, price, _, _ in self.trades if when < opened and when <= moment]
        return str(before[-1]) if before else None

    def kline(self, opened: int, moment: int, timeframe: Timeframe | None = None) -> Kline | None:
        frame = timeframe or self.timeframe
        found = self.candle(opened, frame.milliseconds, moment)
        if found is None:
            return None
        names = dict(zip(("open", "high", "low", "close", "volume"), found, strict=True))
        return row(0, frame, open_time=opened, close_time=frame.last_ms(opened), **names)

    def truth(self, opened: int) -> tuple[str, ...]:
        found = self.candle(opened, self.timeframe.milliseconds, opened + self.timeframe.milliseconds)
        if found is not None:
            return found
        close = self.close_before(opened, opened)
        assert close is not None
        return (close, close, close, close, "0")


@dataclass
class Play:
    """One series through a market, a socket that withholds, a REST that is late, interruptions and restarts."""

    market: Market
    most: int
    cap: int
    flat_rows: bool
    late_ms: int
    now: int = DAWN
    written: list[Closed] = field(default_factory=list)
    connected: bool = False
    series: Series = field(init=False)
    finals: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with an empty stream."""
        self.begin()

    @property
    def length(self) -> int:
        return self.market.timeframe.milliseconds

    def begin(self) -> None:
        self.series = Series(
            "BTCUSDT",
            self.market.timeframe,
            now_ms=self.now,
            seed=self.most,
            cap=self.cap,
            timeout_ms=TIMEOUT_MS,
        )
        self.finals = {}
        self.hang_up()
        self.resume()

    def resume(self) -> None:
        self.series.resume(self.written[-1].kline if self.written else None)

    def hang_up(self) -> None:
        self.connected = False
        self.series.listening(None)

    def listen(self) -> None:
        self.connected = True
        self.series.listening(self.now)

    def go(self, milliseconds: int) -> None:
        """Let time pass, and the socket show what it shows."""
        until = self.now + milliseconds
        for when, _, _, visible in self.market.trades:
            if self.now < when <= until and visible and self.connected:
                opened = when - when % self.length
                kline = self.market.kline(opened, when)
                assert kline is not None
                self.series.show(msgspec.structs.replace(kline, source="ws"))
                self.finals[opened] = when
        self.now = until

    def take(self, closed: Sequence[Closed]) -> None:
        for each in closed:
            if self.written:
                step = each.kline.open_time - self.written[-1].kline.open_time
                assert (step == self.length) or (each.how is How.JUMP and step > self.length)
                assert each.how is not How.START
            else:
                assert each.how is How.START
            assert each.kline.closed == 1
            assert each.kline.open_time + self.length <= self.now
            figures = (each.kline.open, each.kline.high, each.kline.low, each.kline.close, each.kline.volume)
            assert figures == self.market.truth(each.kline.open_time)
            assert each.kline.source == ("rest" if Decimal(each.kline.volume) else "empty")
            self.written.append(each)

    def honest_moment(self, late_ms: int) -> int:
        """The youngest moment not younger than wished for that REST may answer from, as far as we may rely on it."""
        moment = self.now - late_ms
        for when, _, _, _ in self.market.trades:
            opened = when - when % self.length
            if not moment < when <= self.now - 3 * S or opened + self.length > self.now - 3 * S:
                continue
            shown_last = self.finals.get(opened, 0) >= self.last_trade(opened)
            absent = late_ms <= 9 * S and self.market.candle(opened, self.length, moment) is None
            if not shown_last and not absent:
                return self.now - min(late_ms, 3 * S)
        return moment

    def last_trade(self, opened: int) -> int:
        return max(when for when, _, _, _ in self.market.trades if opened <= when < opened + self.length)

    def reply(self, window: Window, moment: int) -> list[Kline]:
        frame = window.timeframe
        length = frame.milliseconds
        first = -(-(window.first - length) // length) * length
        replied = []
        for opened in range(max(first, DAWN // length * length), min(window.last, moment) + 1, length):
            kline = self.market.kline(opened, moment, frame)
            close = self.market.close_before(opened, moment)
            if kline is None and self.flat_rows and close is not None:
                kline = row(0, frame, open_time=opened, open=close, high=close, low=close, close=close, volume="0")
            if kline is not None:
                replied.append(kline)
        return replied

    def ask(self, kind: str, late_ms: int, latency_ms: int) -> None:
        if self.series.due(self.now) is None:
            return
        sent = self.now
        window = self.series.window(sent, self.most)
        assert (window.last - window.first) // window.timeframe.milliseconds + 1 <= self.most
        replied = self.reply(window, self.honest_moment(min(late_ms, self.late_ms)))
        self.go(latency_ms)
        if kind == "resumed":
            self.series.known = False
            self.resume()
        if kind == "error":
            self.take(self.series.failed(self.now, 0))
        else:
            self.take(self.series.prove([] if kind == "nothing" else replied, window, sent, self.now))

    def word(self, late_ms: int) -> None:
        """The contract's word, if it is that nothing was traded in 24 hours."""
        moment = self.now - min(late_ms, 9 * S)
        if not [when for when, _, _, _ in self.market.trades if moment - 86_400_000 < when <= moment]:
            price = self.market.close_before(moment, moment) or "0"
            self.take(self.series.idle(price, self.now, 0))
