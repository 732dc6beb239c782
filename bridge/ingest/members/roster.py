"""Who counts as alive, and who is able to serve. Pure: what a heartbeat brought goes in, with the time it came.

The store forgets a member that has been silent for a lifetime. But when it was us who couldn't be heard, because the
store or this process stood still, the others stood still for the store as well: they get a lifetime to be heard again
before their topics are anybody else's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.store.members import Card


class Roster:
    """The members as one ingester sees them.

    Attributes:
        cards: all that count as alive, and what they say of themselves.
        lost: how many vanished without having said that they leave.
    """

    def __init__(self, name: str, lifetime_s: float) -> None:
        """See as `name`; who is silent for `lifetime_s` is gone."""
        self._name = name
        self._lifetime_s = lifetime_s
        self._heard_at = -math.inf
        self._spared_until = -math.inf
        self.cards: dict[str, Card] = {}
        self.lost = 0

    def hear(self, cards: Mapping[str, Card], now: float, *, returned: bool = False) -> list[str]:
        """Take what a heartbeat brought at `now`, in monotonic seconds; return who is gone without a goodbye.

        `returned` says that we counted as gone ourselves.
        """
        if self.cards and (returned or now - self._heard_at > self._lifetime_s / 2):
            self._spared_until = now + self._lifetime_s
        self._heard_at = now
        missing = {name: card for name, card in self.cards.items() if name not in cards and name != self._name}
        spared = {name: card for name, card in missing.items() if now < self._spared_until and not card.leaving}
        gone = [name for name, card in missing.items() if name not in spared and not card.leaving]
        self.cards = {**spared, **cards}
        self.lost += len(gone)
        return gone

    def able(self, *, private: bool) -> frozenset[str]:
        """Return who can serve public topics, or private ones; if nobody reaches the exchange, all who might."""
        staying = {name: card for name, card in self.cards.items() if not card.leaving}
        if private:
            might = {name for name, card in staying.items() if card.credentials}
            can = {name for name in might if staying[name].private}
        else:
            might = set(staying)
            can = {name for name in might if staying[name].public}
        return frozenset(can or might)

    def first(self) -> bool:
        """Tell whether we are the one who speaks for all: every event about members needs one teller."""
        return min(self.cards, default=self._name) == self._name
