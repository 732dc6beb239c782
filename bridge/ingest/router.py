"""Where everything goes that a connection brings: to the writer, candles by way of those who know which are over.

The crossroads of the hot path: no call here waits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

from bridge.clock import ExchangeClock, host_ms
from bridge.records import Event, EventName, Kline, Record, Source

if TYPE_CHECKING:
    from bridge.exchanges.base import Topic
    from bridge.ingest.candles import Candles, Series
    from bridge.ingest.prover import Prover
    from bridge.ingest.recovery import Recovery
    from bridge.store.appends import Append, Appends


class Router:
    """The sink of all connections."""

    def __init__(
        self,
        *,
        name: str,
        clock: ExchangeClock,
        candles: Candles,
        appends: Appends,
        write: Callable[[Append], None],
        stir: Callable[[], None],
    ) -> None:
        """Pass records on as ingester `name`; `write` takes appends, `stir` tells the others soon."""
        self._name = name
        self._clock = clock
        self._candles = candles
        self._appends = appends
        self._write = write
        self._stir = stir
        self._series: frozenset[Series] = frozenset()
        self._topics: dict[str, Series] = {}
        self.records = 0
        self.events: Counter[EventName] = Counter()

    def join(self, prover: Prover, recovery: Recovery) -> None:
        """Name those who listen; they in turn write by way of this router, so they come second."""
        self._prover = prover
        self._recovery = recovery

    def follow(self, topics: Iterable[Topic]) -> None:
        """Pass candles of exactly these topics on from now on."""
        self._topics = {topic.name: (topic.symbol, str(topic.timeframe)) for topic in topics}
        followed = frozenset(self._topics.values())
        for symbol, timeframe in self._series - followed:
            self._candles.forget(symbol, timeframe)
        self._series = followed

    def take(self, record: Record) -> None:
        """Pass a record on."""
        self.records += 1
        if isinstance(record, Kline):
            if (record.symbol, record.timeframe) not in self._series:
                # On its way when its topic was given up: nobody would follow it to its end.
                return
            early = self._candles.early
            for kline in self._candles.take(record, self._clock.now_ms() if self._clock.synchronised else None):
                self._write(self._appends.kline(kline))
            if self._candles.early == early:
                self._prover.show(record)
        else:
            self._recovery.heard(record)
            self._write(self._appends.of(record))

    def close_due(self) -> None:
        """Say the last word on candles whose time has passed; as long as the exchange's time is unknown, on none."""
        if self._clock.synchronised:
            for kline in self._candles.due(self._clock.now_ms()):
                self._write(self._appends.kline(kline))

    def lost(self, *, private: bool, topics: Collection[str]) -> None:
        """Take note that these topics are listened to no more, and that whatever comes of them may be missed."""
        self._clock.doubt()
        if private:
            self._recovery.lost()
        else:
            # The candles now open can't be called over any more by what was seen of them.
            series = [self._topics[topic] for topic in topics if topic in self._topics]
            self._prover.interrupted(topics, self._candles.interrupt(series))

    def happened(self, event: EventName, subject: str, text: str) -> None:
        """Write an event."""
        self.events[event] += 1
        self._write(self._appends.of(Event(event, subject, text, self._name, Source.BRIDGE.value, host_ms())))

    def activated(self, topic: str) -> None:
        """Tell those who rely on the socket that it carries a topic from now on."""
        self._prover.listening(topic)
        self._recovery.activated(topic)

    def stirred(self) -> None:
        """Tell the others soon."""
        self._stir()
