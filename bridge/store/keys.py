"""Every key, spelled once.

`{}` is a Redis hash tag: all that concerns one symbol, one account or the wishes shares a slot of a cluster, so that
one script can change a stream and the state beside it, and a bot can read several timeframes of a symbol by one call.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """The names under one prefix, for one account."""

    prefix: str = "bitmart"
    account: str = "main"

    @property
    def meta(self) -> str:
        """Hash: which exchange, environment, account and schema this prefix belongs to."""
        return f"{self.prefix}:meta"

    @property
    def desired(self) -> str:
        """Set: the wanted topics, whoever wants them."""
        return f"{self.prefix}:desired"

    @property
    def revision(self) -> str:
        """Counter: one more with each change of the wishes."""
        return f"{{{self.prefix}:desired}}:rev"

    @property
    def owners(self) -> str:
        """Set: who has wishes."""
        return f"{{{self.prefix}:desired}}:owners"

    def wanted_by(self, owner: str) -> str:
        """Set: the topics that `owner` wants."""
        return f"{{{self.prefix}:desired}}:by:{owner}"

    @property
    def paused(self) -> str:
        """String: present while the ingesters are to serve nothing."""
        return f"{{{self.prefix}:desired}}:paused"

    @property
    def life(self) -> str:
        """String: a mark that a store loses along with the wishes, by which to see that it was emptied."""
        return f"{{{self.prefix}:desired}}:life"

    @property
    def wake(self) -> str:
        """Pub/sub channel: the wishes changed."""
        return f"{{{self.prefix}:desired}}:wake"

    @property
    def ingesters(self) -> str:
        """Sorted set: ingesters by their last heartbeat, in the server's milliseconds."""
        return f"{self.prefix}:ingesters"

    @property
    def cards(self) -> str:
        """Hash: what each live ingester needs to say so that the topics can be shared."""
        return f"{{{self.prefix}:ingesters}}:cards"

    def ingester(self, name: str) -> str:
        """Hash: one ingester's state, and a request to stop."""
        return f"{self.prefix}:ingester:{name}"

    def ingester_topics(self, name: str) -> str:
        """Hash: the state of each topic at one ingester."""
        return f"{self.prefix}:ingester:{name}:topics"

    @property
    def events(self) -> str:
        """Stream: what happened to the bridge."""
        return f"{self.prefix}:events"

    def klines(self, symbol: str, timeframe: str) -> str:
        """Stream: every change of a symbol's candle."""
        return f"{self.prefix}:klines:{{{symbol}}}:{timeframe}"

    def closed_klines(self, symbol: str, timeframe: str) -> str:
        """Stream: one entry for each closed candle, its id the candle's open."""
        return f"{self.klines(symbol, timeframe)}:closed"

    @property
    def proof(self) -> str:
        """Hash: when REST last answered anybody (`heard`, exchange ms), and where long periods begin (`phase:<tf>`)."""
        return f"{self.prefix}:proof"

    def ban(self, address: str) -> str:
        """String: present while nobody may call the exchange from an address."""
        return f"{self.prefix}:ban:{address}"

    def budget(self, address: str) -> str:
        """String: when the next REST call may leave from an address."""
        return f"{self.prefix}:budget:{address}"

    def newest_kline(self, symbol: str, timeframe: str) -> str:
        """String: what the newest entry of that stream says, for the comparison with the next."""
        return f"{self.klines(symbol, timeframe)}:newest"

    @property
    def orders(self) -> str:
        """Stream: every change of every order."""
        return f"{self.prefix}:orders:{{{self.account}}}"

    def order(self, order_id: str) -> str:
        """Hash: all that is known of one order."""
        return f"{self.orders}:{order_id}"

    @property
    def open_orders(self) -> str:
        """Set: ids of the orders that are not finished."""
        return f"{self.orders}:open"

    @property
    def finished_orders(self) -> str:
        """Sorted set: ids of the finished orders that are not forgotten yet, by their last change."""
        return f"{self.orders}:finished"

    @property
    def synced(self) -> str:
        """Hash: until `at` (exchange ms) the account was read completely; REST tells nothing older than `floor`.

        Until `swept` the orders of all symbols were read, those included of which nothing was known.
        What is older than `forgotten` may have been forgotten: nobody appends it any more.
        """
        return f"{self.orders}:synced"

    @property
    def fills(self) -> str:
        """Stream: every execution."""
        return f"{self.prefix}:fills:{{{self.account}}}"

    @property
    def seen_fills(self) -> str:
        """Sorted set: identities of the executions in that stream, by the time of trading."""
        return f"{self.fills}:seen"

    @property
    def fill_sizes(self) -> str:
        """Hash: `<order>:ws` and `<order>:rest`, how much of an order is in that stream from either source."""
        return f"{self.fills}:sizes"

    @property
    def positions(self) -> str:
        """Stream: every change of a position."""
        return f"{self.prefix}:positions:{{{self.account}}}"

    def position(self, symbol: str, slot: str) -> str:
        """Hash: all that is known of one position; `slot` is long, short or both."""
        return f"{self.positions}:{symbol}:{slot}"

    @property
    def open_positions(self) -> str:
        """Set: `<symbol>:<slot>` of the positions that are not flat."""
        return f"{self.positions}:open"

    def reader(self, name: str) -> str:
        """Hash: how far a plain reader of that name has come, by stream."""
        return f"{self.prefix}:reader:{name}"

    def dead_letters(self, stream: str, group: str) -> str:
        """Stream: entries of `stream` that a consumer group gave up; in the slot of `stream`."""
        return f"{self.prefix}:dead:{stream.removeprefix(f'{self.prefix}:')}:{group}"
