"""The frames that everybody is measured on: live candles of 500 topics, each frame a newer state of its candle.

A frame is shaped as on BitMart's wire. All periods stay open: closing a candle happens once a period and is not the hot
path. Topics take turns, so any 500 frames in a row are of 500 topics, and the last of them is of `LAST_TOPIC`.
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

_SYMBOLS: Final = [f"COIN{number:03}USDT" for number in range(125)]
_TIMEFRAMES: Final = (Timeframe.M1, Timeframe.M5, Timeframe.H1, Timeframe.H4)
SERIES: Final = [(symbol, timeframe) for timeframe in _TIMEFRAMES for symbol in _SYMBOLS]
TOPICS: Final = [f"{topics.KLINE_PREFIX}{topics.INTERVALS[timeframe]}:{symbol}" for symbol, timeframe in SERIES]
TURN: Final = len(TOPICS)
LAST_TOPIC: Final = TOPICS[-1]

_FIRST_VOLUME: Final = 140_203


def volume_of(frame: int) -> str:
    """Return the volume that a frame shows: it grows with each turn, as a live candle's does."""
    return str(_FIRST_VOLUME + frame // TURN)


@lru_cache(maxsize=4)
def payloads(count: int) -> list[bytes]:
    """Return the first `count` frames; made once, so leave the list as it is."""
    return [_kline(frame) for frame in range(count)]


def _kline(frame: int) -> bytes:
    topic = TOPICS[frame % TURN]
    return (
        f'{{"group":"{topic}","data":{{"symbol":"{topic.partition(":")[2]}","items":[{{"o":"63090.9","h":"63190.9",'
        f'"l":"63060.1","c":"63{frame % 90 + 70:03}.3","v":"{volume_of(frame)}","ts":{OPEN_MS // 1000}}}]}}}}'
    ).encode()
