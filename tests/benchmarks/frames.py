"""The frames that everybody is measured on: live candles of so many topics, each frame a newer state of its candle.

A frame is shaped as on BitMart's wire. All periods stay open: closing a candle happens once a period and is not the hot
path. Topics take turns, so any `TURN` frames in a row are of so many topics.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from bridge.exchanges.bitmart import topics
from bridge.timeframes import Timeframe

# 2026-09-23 12:00:00 UTC: a period of each of the timeframes below opens here.
OPEN_MS: Final = 1_790_164_800_000
# The exchange's time while frames flow: no period ends soon.
EXCHANGE_MS: Final = OPEN_MS + 5_000

_SYMBOLS: Final = [f"COIN{number:03}USDT" for number in range(360)]
# The whole market: every contract and every timeframe. Most is measured on the first of them.
SERIES: Final = [(symbol, timeframe) for symbol in _SYMBOLS for timeframe in Timeframe]
TOPICS: Final = [f"{topics.KLINE_PREFIX}{topics.INTERVALS[timeframe]}:{symbol}" for symbol, timeframe in SERIES]
TURN: Final = 500
# As many as one socket carries, if settings allow it.
WIDE: Final = 1_000
MARKET: Final = len(TOPICS)

_FIRST_VOLUME: Final = 140_203


def volume_of(frame: int, turn: int = TURN) -> str:
    """Return the volume that a frame shows: it grows with each turn, as a live candle's does."""
    return str(_FIRST_VOLUME + frame // turn)


@lru_cache(maxsize=4)
def payloads(count: int, turn: int = TURN) -> list[bytes]:
    """Return the first `count` frames of the first `turn` topics; made once, so leave the list as it is."""
    return [payload(frame, turn) for frame in range(count)]


def frame_of(topic: int, volume: str, turn: int) -> int:
    """Return which frame shows that volume of that topic."""
    return (int(volume) - _FIRST_VOLUME) * turn + topic


def payload(frame: int, turn: int = TURN) -> bytes:
    """Return a frame of the first `turn` topics."""
    topic = TOPICS[frame % turn]
    return (
        f'{{"group":"{topic}","data":{{"symbol":"{topic.partition(":")[2]}","items":[{{"o":"63090.9","h":"63190.9",'
        f'"l":"63060.1","c":"63{frame % 90 + 70:03}.3","v":"{volume_of(frame, turn)}","ts":{OPEN_MS // 1000}}}]}}}}'
    ).encode()
