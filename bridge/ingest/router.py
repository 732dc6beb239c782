"""Where everything goes that a connection brings: to the writer, candles by way of those who know which are over.

The crossroads of the hot path: no call here waits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from bridge.clock import ExchangeClock, host_ms
from bridge.records import Event, EventName, Kline, Record, Source

if TYPE_CHECKING:
    from bridge.exchanges.base import Topic
    from bridge.ingest.account.recovery import Recovery
    from bridge.ingest.candles import series
    from bridge.ingest.candles.opened import Candles, Newest, Series
    from bridge.ingest.candles.prover import Prover
    from bridge.ingest.candles.shown import Shown
    from bridge.store.writing.appends import Append, Appends, KlineAppends

_NONE: Final[Mapping[str, Path]] = {}


class Path:
    """A series' way through: found once, because its candles come by it again and again.

    Attributes:
        newest: its newest candle.
        appends: what turns its candles into appends.
        proven: where its candles wait to be proven, if that is done here.
        shown: what that has been shown of them.
    """

    __slots__ = ("appends", "newest", "proven", "shown")

    def __init__(self, newest: Newest, appends: KlineAppends) -> None:
        """Join them."""
        self.newest = newest
        self.appends = appends
        self.prove(None)

    def prove(self, proven: series.Series | None) -> None:
        """Have its candles proven here, or not."""
        self.proven = proven
        self.shown: Shown | None = proven.shown if proven is not None else None


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
        # By timeframe and symbol: each knows its hash, a pair of them does not.
        self._paths: dict[str, dict[str, Path]] = {}
        self._topics: dict[str, Series] = {}
        self.records = 0
        self.events: Counter[EventName] = Counter()

    def join(self, prover: Prover, recovery: Recovery) -> None:
        """Name those who listen; they in turn write by way of this router, so they come second."""
        self._prover = prover
        self._recovery = recovery

    def follow(self, topics: Iterable[Topic]) -> None:
        """Pass candles of exactly these topics on from now on, to the prover those that it follows by then."""
        self._topics = {topic.name: (topic.symbol, str(topic.timeframe)) for topic in topics}
        before, self._paths = self._paths, {}
        for symbol, timeframe in self._topics.values():
            path = before.get(timeframe, {}).pop(symbol, None) or self._path(symbol, timeframe)
            path.prove(self._prover.series(symbol, timeframe))
            self._paths.setdefault(timeframe, {})[symbol] = path
        for timeframe, paths in before.items():
            for symbol in paths:
                self._candles.forget(symbol, timeframe)

    def take(self, record: Record) -> None:
        """Pass a record on."""
        self.records += 1
        if not isinstance(record, Kline):
            self._recovery.heard(record)
            self._write(self._appends.of(record))
            return
        path = self._paths.get(record.timeframe, _NONE).get(record.symbol)
        if path is None:
            # On its way when its topic was given up: nobody would follow it to its end.
            return
        before = path.newest.kline
        if path.newest.grown(record):
            self._write(path.appends.of(record))
            if path.shown is not None and not path.shown.grown(record, before):
                self._show(path, record)
        else:
            self._turn(path, record)

    def _turn(self, path: Path, record: Kline) -> None:
        """Pass on a candle that is no later state of the one before it."""
        early = self._candles.early
        for kline in self._candles.take(record, self._clock.now_ms() if self._clock.synchronised else None):
            self._write(path.appends.of(kline))
        if self._candles.early == early:
            self._show(path, record)

    @staticmethod
    def _show(path: Path, record: Kline) -> None:
        if path.proven is not None:
            path.proven.show(record)

    def _path(self, symbol: str, timeframe: str) -> Path:
        return Path(self._candles.newest(symbol, timeframe), self._appends.klines(symbol, timeframe))

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
