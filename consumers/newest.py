"""Show the newest candle of every symbol, then each change: `python consumers/newest.py 1m`.

One look at what there is, one read that waits for all of it. On a Redis Cluster the symbols are spread over the nodes
and no single read can wait for all of them: follow each symbol's stream by a connection of its own there.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

import redis

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6390/0")
PREFIX = os.environ.get("BRIDGE_PREFIX", "bitmart")
BLOCK_MS = 1_000
LOOK_S = 1.0
PAUSE_S = 0.5


def look(client: redis.Redis, timeframe: str, after: dict[str, str]) -> None:
    """Show the newest candle of each stream that isn't in `after` yet, and note there where to go on."""
    # The pattern ends with the timeframe, so that it leaves out the keys beside a stream, such as `...:1m:newest`.
    pattern = f"{PREFIX}:klines:{{*}}:{timeframe}"
    names = client.scan_iter(match=pattern, count=1_000, _type="stream")
    fresh = sorted({name for name in names if name not in after})
    with client.pipeline(transaction=False) as pipe:
        for name in fresh:
            pipe.xrevrange(name, count=1)
        for name, newest in zip(fresh, pipe.execute(), strict=True):
            after[name] = "0-0"
            show(name, newest, after)


def follow(client: redis.Redis, after: dict[str, str]) -> None:
    """Wait for changes and show the newest of each stream that has any."""
    reply: Any = client.xread(after, block=BLOCK_MS)  # type: ignore[arg-type]  # its stub is invariant
    for name, entries in reply:
        show(name, entries[-1:], after)


def show(name: str, newest: list[tuple[str, dict[str, str]]], after: dict[str, str]) -> None:
    """Print the one entry in `newest`, if there is one, and go on after it."""
    for entry_id, candle in newest:
        after[name] = entry_id
        start = time.strftime("%Y-%m-%d %H:%M", time.gmtime(int(candle["open_time"]) / 1000))
        state = "closed" if candle["closed"] == "1" else "live  "
        print(f"{candle['symbol']:<12} {start} {state} {candle['close']} {candle['volume']}", flush=True)


def main() -> None:
    """Look and follow until Ctrl-C; while Redis is away, wait for it."""
    timeframe = sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__)  # noqa: PLR2004 - the program and one word
    for ending in (signal.SIGINT, signal.SIGPIPE):  # Ctrl-C and `| head` end this without a traceback.
        signal.signal(ending, signal.SIG_DFL)
    if "+" in URL.partition(":")[0]:
        sys.exit("this sample speaks to one server: behind sentinels and in a cluster take one with the kit")
    # A read that waits needs a socket that waits longer; protocol 2 answers alike in every redis-py.
    client = redis.Redis.from_url(URL, decode_responses=True, protocol=2, socket_timeout=10)
    after: dict[str, str] = {}
    next_look = 0.0
    while True:
        try:
            if time.monotonic() >= next_look:
                # Symbols may be subscribed to later than this was started.
                look(client, timeframe, after)
                next_look = time.monotonic() + LOOK_S
            if after:
                follow(client, after)
            else:
                print(f"no candles of {timeframe} yet", file=sys.stderr)
                next_look = 0.0
                time.sleep(PAUSE_S)
        except (redis.ConnectionError, redis.TimeoutError) as trouble:
            print(f"waiting: {trouble}", file=sys.stderr)
            time.sleep(PAUSE_S)


if __name__ == "__main__":
    main()
