"""What the streams of live candles may say, whatever the truth is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.chaos.verdict import Verdict

Fields = Mapping[str, str]
Entry = tuple[str, Fields]

# What an entry says besides what is the case: two entries that differ in nothing else say it twice.
_FLEETING: Final = frozenset(
    {"source", "received_at", "event", "action", "updated_at", "created_at", "liquidation_price", "v"}
)


def said(fields: Fields) -> dict[str, str]:
    """What an entry says that makes it another than the one before."""
    return {name: value for name, value in fields.items() if name not in _FLEETING}


def judge_live(verdict: Verdict, name: str, entries: Sequence[Entry]) -> None:
    """No period returns, none shrinks, and nothing follows a period's last word."""
    for (_, earlier), (entry_id, later) in pairwise(entries):
        verdict.counts["live"] += 1
        ahead = int(later["open_time"]) - int(earlier["open_time"])
        if ahead < 0:
            verdict.fail("live backwards", f"{name} {entry_id}: {later['open_time']} after {earlier['open_time']}")
        elif ahead == 0 and earlier["closed"] == "1":
            verdict.fail("live after closed", f"{name} {entry_id}: {dict(later)}")
        elif ahead == 0 and _shrinks(earlier, later):
            verdict.fail("live backwards", f"{name} {entry_id}: {dict(later)} after {dict(earlier)}")
        elif ahead == 0 and said(earlier) == said(later):
            verdict.fail("live twice", f"{name} {entry_id}: {dict(later)}")


def judge_last_words(verdict: Verdict, name: str, live: Sequence[Entry], closed: Sequence[Entry]) -> None:
    """Every period that traded between the first and the last shown live was called closed there."""
    shown = [int(fields["open_time"]) for _, fields in live]
    ended = {int(fields["open_time"]) for _, fields in live if fields["closed"] == "1"}
    for _, fields in closed:
        opened = int(fields["open_time"])
        if shown and shown[0] < opened < shown[-1] and fields["source"] != "empty" and opened not in ended:
            verdict.fail("live without last word", f"{name} {opened}")


def _shrinks(earlier: Fields, later: Fields) -> bool:
    return (
        Decimal(later["volume"]) < Decimal(earlier["volume"])
        or Decimal(later["high"]) < Decimal(earlier["high"])
        or Decimal(later["low"]) > Decimal(earlier["low"])
    )
