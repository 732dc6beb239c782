"""Brings every candle that is over into its closed stream, in order, with REST's word.

One call a series covers all that it misses; the series whose oldest unproven candle is due first is asked first,
within the budget of calls. What is proven goes to the writer; what a stream turns out to hold already, or to lack, is
told by the script that appends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import msgspec

from bridge.buckets import Buckets
from bridge.clock import ExchangeClock, host_ms
from bridge.errors import RestError, UnknownSymbolError
from bridge.exchanges.base import Exchange
from bridge.ingest.candles.closed import Closed, How
from bridge.ingest.candles.refusals import Refusals
from bridge.ingest.candles.series import Series
from bridge.log import Sampled
from bridge.records import EventName, Kline, Source
from bridge.store.client import Unreachable
from bridge.timeframes import Timeframe

if TYPE_CHECKING:
    from bridge.ingest.rest.answers import Answers
    from bridge.ingest.rest.fetch import Rest
    from bridge.ingest.rest.listing import Listing
    from bridge.settings import Settings
    from bridge.store.tails import Tails
    from bridge.store.writing.appends import Append, Appends

log = logging.getLogger(__name__)

_WORKERS: Final = 4
_LOOK_S: Final = 0.25
_RETRY_S: Final = 1.0
# As many series are looked at each time whether their contract trades: a whole market's are seen in two seconds.
_LOOKED_AT: Final = 400


class Prover:
    """Follows the series of all wanted kline topics."""

    def __init__(
        self,
        *,
        exchange: Exchange,
        rest: Rest,
        clock: ExchangeClock,
        listing: Listing,
        tails: Tails,
        answers: Answers,
        appends: Appends,
        settings: Settings,
        write: Callable[[Append], None],
        happened: Callable[[EventName, str, str], None],
    ) -> None:
        """Join what is asked (`rest`, `listing`, `tails`, `answers`) with where it goes (`write`, `happened`)."""
        self._exchange = exchange
        self._rest = rest
        self._clock = clock
        self._listing = listing
        self._tails = tails
        self._appends = appends
        self._settings = settings
        self._write = write
        self._happened = happened
        self._series: dict[tuple[str, str], Series] = {}
        self._topics: dict[str, tuple[str, str]] = {}
        self._busy: set[tuple[str, str]] = set()
        self._refusals = Refusals()
        self._looking = asyncio.Lock()
        self._early: set[str] = set()
        self._orphans: dict[tuple[str, str], int] = {}
        self._gaps: set[tuple[str, str]] = set()
        self._idle_next: list[tuple[str, str]] = []
        self._mute: dict[str, None] = {}
        self._answers = answers
        self._odd = Sampled(log)
        self.proven: dict[str, int] = {}
        self.closed_latency = Buckets()

    def follow(self, topics: frozenset[str]) -> None:
        """Follow exactly these topics' series from now on."""
        for name in self._topics.keys() - topics:
            key = self._topics.pop(name)
            self._series.pop(key, None)
            self._orphans.pop(key, None)
            self._gaps.discard(key)
            self._refusals.forget(key[0])
        for name in topics - self._topics.keys():
            topic = self._exchange.topic(name)
            timeframe = topic.timeframe or Timeframe.M1
            self._topics[name] = key = (topic.symbol, timeframe.value)
            self._series[key] = self._begin(topic.symbol, timeframe)

    def series(self, symbol: str, timeframe: str) -> Series | None:
        """Return the series of that name, if it is followed."""
        return self._series.get((symbol, timeframe))

    def listening(self, topic: str) -> None:
        """Take note that a topic is active from now on."""
        if not self._clock.synchronised:
            # The host's date says nothing about candles: it counts from when the exchange's time is known.
            self._early.add(topic)
            return
        if (series := self._series.get(self._topics.get(topic, ("", "")))) is not None:
            series.listening(self._clock.now_ms())
            self._refusals.forget(series.symbol)

    def interrupted(self, topics: Iterable[str], under_way: Iterable[Kline]) -> None:
        """Take note that these topics are listened to no more, while these candles were under way."""
        for topic in topics:
            self._early.discard(topic)
            if (series := self._series.get(self._topics.get(topic, ("", "")))) is not None:
                series.listening(None)
        self._orphans.update({(kline.symbol, kline.timeframe): kline.open_time for kline in under_way})

    def doubt(self) -> None:
        """Look again how far every stream has come: the store may not hold any more what it was given."""
        self._answers.forget()
        for series in self._series.values():
            series.known = False

    def lag_ms(self) -> int:
        """Return how long the oldest candle that is over has been waiting, in exchange milliseconds."""
        now = self._clock.now_ms()
        return max((series.lag_ms(now) for series in self._series.values()), default=0)

    @property
    def gaps(self) -> int:
        """How many streams lack candles."""
        return len(self._gaps)

    def mute(self) -> list[str]:
        """Return the symbols that trade while the socket, listened to all the time, shows nothing of it; each once."""
        told, self._mute = self._mute, {}
        return list(told)

    async def run(self) -> None:
        """Prove for ever."""
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._prepare())
            for _ in range(_WORKERS):
                parts.create_task(self._work())

    async def _prepare(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S / max(1.0, self._clock.rate))
            if not self._clock.synchronised:
                continue
            while self._early:
                self.listening(self._early.pop())
            try:
                await self._load()
            except Unreachable:
                # The heartbeat names the trouble; here it is only waited out.
                await asyncio.sleep(_RETRY_S)
            self._close_idle()

    async def _load(self) -> None:
        """Learn how far the streams of series that are new, or out of step, have come."""
        await self._answers.load()
        unknown = [key for key, series in self._series.items() if not series.known]
        if not unknown:
            return
        tails = await self._tails.read(unknown)
        for key, tail in tails.items():
            series = self._series.get(key)
            if series is not None and not series.known:
                series.resume(tail)
                self._tell_gap(key, series)

    def _close_idle(self) -> None:
        """Close the candles of contracts that the exchange itself says did not trade, some contracts at a time."""
        self._idle_next = self._idle_next or [*self._series]
        looked_at, self._idle_next = self._idle_next[:_LOOKED_AT], self._idle_next[_LOOKED_AT:]
        for key in looked_at:
            if (series := self._series.get(key)) is None:
                continue
            contract = self._listing.contracts.get(key[0])
            series.end(contract.delisted_ms or None if contract and not contract.trading else None)
            if contract is not None and contract.idle and contract.trading and key not in self._busy:
                phase = 0 if series.timeframe not in (Timeframe.D1, Timeframe.W1) else self._answers.phases.get(key[1])
                for closed in series.idle(contract.last_price, self._listing.asked_ms, phase):
                    self._append(key, series, closed)

    async def _work(self) -> None:
        while True:
            async with self._looking:
                while (key := self._first_due()) is None:  # noqa: ASYNC110 - the clock is no part of the event loop
                    await asyncio.sleep(_LOOK_S / max(1.0, self._clock.rate))
                self._busy.add(key)
                self._refusals.asked(key[0], self._clock.now_ms())
            try:
                await self._ask(key, self._series[key])
            finally:
                self._busy.discard(key)

    def _first_due(self) -> tuple[str, str] | None:
        if not self._clock.synchronised:
            return None
        now, first, earliest = self._clock.now_ms(), None, 0
        for key, series in self._series.items():
            deadline = series.due(now)
            if deadline is None or key in self._busy:
                continue
            contract = self._listing.contracts.get(key[0])
            if contract is None:
                # What is listed is asked for as ever, though REST may refuse it for a while.
                deadline = self._refusals.deadline(key[0], deadline, now)
            elif contract.idle and not contract.trading:
                continue
            if deadline is not None and (first is None or deadline < earliest):
                first, earliest = key, deadline
        return first

    async def _ask(self, key: tuple[str, str], series: Series) -> None:
        await self._rest.turn(self._exchange.klines_call(series.symbol, series.timeframe, 0, 0))
        if not series.known:
            return
        sent_ms = self._clock.now_ms()
        window = series.window(sent_ms, self._exchange.most_klines)
        call = self._exchange.klines_call(series.symbol, window.timeframe, window.first, window.last)
        try:
            rows = await self._rest.send(call)
        except RestError as trouble:
            self._odd.warning("candles of %s %s cannot be fetched: %s", *key, trouble)
            if isinstance(trouble, UnknownSymbolError):
                self._refusals.refused(series.symbol, self._clock.now_ms())
            proven = series.failed(self._clock.now_ms(), await self._answers.silence_ms())
        else:
            self._refusals.forget(series.symbol)
            proven = series.prove(rows, window, sent_ms, self._clock.now_ms())
            if series.mute():
                self._mute[series.symbol] = None
            await self._answers.heard(rows)
            if odd := sum(row.source == Source.LOST for row in rows):
                self._odd.warning("%d candles of %s %s cannot be read", odd, *key)
        for closed in proven:
            self._append(key, series, closed)
        for text in series.contradictions:
            self._happened(EventName.CONTRADICTION, ":".join(key), text)
        series.contradictions.clear()

    def _append(self, key: tuple[str, str], series: Series, closed: Closed) -> None:
        kline = msgspec.structs.replace(closed.kline, received_at=host_ms())
        self.proven[kline.source] = self.proven.get(kline.source, 0) + 1

        def settled(reply: int) -> None:
            if reply < 0:
                # Others are missing before it: somebody else's stream, or a store that lost something. Look again.
                series.known = False
            elif reply:
                self._time(series, kline)

        self._write(self._appends.closed(kline, closed.how.value, series.timeframe.milliseconds, settled))
        if self._orphans.get(key) == kline.open_time:
            # The live stream was left without this period's last word.
            del self._orphans[key]
            self._write(self._appends.kline(kline))
        self._tell(key, series, closed)

    def _time(self, series: Series, kline: Kline) -> None:
        # What ended before anybody listened is history that is filled in: it says nothing of how fast candles close.
        if series.listening_since is not None and series.listening_since <= kline.close_time:
            self.closed_latency.observe((self._clock.now_ms() - kline.close_time - 1) / 1000)

    def _tell(self, key: tuple[str, str], series: Series, closed: Closed) -> None:
        name = ":".join(key)
        if closed.how is How.JUMP:
            self._happened(
                EventName.HISTORY_SKIPPED, name, f"continues at {closed.kline.open_time}: the hole was too large"
            )
        if closed.kline.source == Source.WS:
            self._happened(EventName.UNPROVEN, name, f"{closed.kline.open_time} is the socket's word: REST gave none")
        if key in self._gaps and series.lag_ms(self._clock.now_ms()) < series.timeframe.milliseconds:
            self._gaps.discard(key)
            self._happened(EventName.GAP_FILLED, name, f"complete up to {closed.kline.open_time}")

    def _tell_gap(self, key: tuple[str, str], series: Series) -> None:
        missing = series.lag_ms(self._clock.now_ms()) // series.timeframe.milliseconds
        if missing and series.tail and key not in self._gaps:
            self._gaps.add(key)
            self._happened(EventName.GAP_FOUND, ":".join(key), f"{missing} candles after {series.tail.open_time}")

    def _begin(self, symbol: str, timeframe: Timeframe) -> Series:
        return Series(
            symbol,
            timeframe,
            now_ms=self._clock.now_ms(),
            seed=self._settings.seed_candles,
            cap=self._appends.closed_cap(timeframe),
            timeout_ms=int(self._settings.proof_timeout_s * 1000),
        )
