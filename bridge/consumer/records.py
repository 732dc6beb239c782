"""Records as a reader wants them: the bridge's own, with figures as `Decimal` and times as `datetime` on demand.

Attributes are what the entry says: prices and sizes the exchange's decimal strings, times UTC milliseconds, absent ones
`""` and `0`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from bridge import records
from bridge.consumer.errors import AbsentError


class _Figures:
    """Decimals on demand: most readers look at few of a record's figures."""

    __slots__ = ()

    def decimal(self, name: str) -> Decimal:
        """Return a figure, such as `price`, without any rounding.

        Raises:
            AbsentError: the exchange left it out, as REST does with the prices of a candle it lacks (`source=lost`).
        """
        text = getattr(self, name)
        if text == "":
            raise AbsentError(f"{type(self).__name__} has no {name}")
        return Decimal(text)


def at(time_ms: int) -> datetime | None:
    """Return a time as an aware `datetime` in UTC; `None` for 0, an absent one."""
    return datetime.fromtimestamp(time_ms / 1000, UTC) if time_ms else None


class Kline(records.Kline, _Figures, frozen=True, gc=False):
    """One state of one candle; `closed` is 1 once it is a period's last word."""

    @property
    def opened(self) -> datetime:
        """When the period began."""
        return datetime.fromtimestamp(self.open_time / 1000, UTC)

    @property
    def ends(self) -> datetime:
        """The first moment after the period."""
        return datetime.fromtimestamp((self.close_time + 1) / 1000, UTC)

    @property
    def ohlcv(self) -> tuple[Decimal, Decimal, Decimal, Decimal, Decimal]:
        """Open, high, low, close, volume. Raises `AbsentError` for a candle that is lost."""
        return (
            self.decimal("open"),
            self.decimal("high"),
            self.decimal("low"),
            self.decimal("close"),
            self.decimal("volume"),
        )


class Order(records.Order, _Figures, frozen=True, gc=False):
    """One state of one order. A word that this version doesn't know becomes `unknown`."""

    @property
    def created(self) -> datetime | None:
        """When it was made."""
        return at(self.created_at)

    @property
    def updated(self) -> datetime | None:
        """When it came to this state."""
        return at(self.updated_at)


class Fill(records.Fill, _Figures, frozen=True, gc=False):
    """One execution. A positive `fee` is a cost."""

    @property
    def traded(self) -> datetime | None:
        """When it was dealt."""
        return at(self.traded_at)


class Position(records.Position, _Figures, frozen=True, gc=False):
    """One state of one position."""

    @property
    def is_flat(self) -> bool:
        """Whether nothing is held."""
        return not self.decimal("size")

    @property
    def updated(self) -> datetime | None:
        """When it came to this state."""
        return at(self.updated_at)


class Resync(records.Resync, frozen=True, gc=False):
    """From here on the stream's state is complete again, whatever was missed."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """What happened to the bridge; `event` is a plain word, since later bridges know more of them."""

    event: str
    subject: str
    text: str
    ingester: str
    source: str
    received_at: int


class Unknown(msgspec.Struct, frozen=True, gc=False):
    """An entry that this kit can't read: of a type or version it doesn't know, or not what its type promises."""

    type: str
    version: str
    reason: str


Record = Kline | Order | Fill | Position | Resync | Event | Unknown


class Entry(msgspec.Struct, frozen=True):
    """What a reader is given.

    Attributes:
        stream: the stream it stands in.
        id: its id there.
        record: what it says.
        fields: the same as it was written, with fields that this version doesn't know.
        tries: how often it has been given to a group's consumers, this time included.
    """

    stream: str
    id: str
    record: Record
    fields: dict[str, str]
    tries: int = 1
