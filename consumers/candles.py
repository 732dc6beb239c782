"""Print a symbol's candles as they change: `python consumers/candles.py BTCUSDT 1m`."""

import os
import signal
import sys
import time
from typing import Any

import redis

symbol, timeframe = sys.argv[1:] if len(sys.argv) == 3 else sys.exit(__doc__)  # noqa: PLR2004 - this and two words
stream = f"{os.environ.get('BRIDGE_PREFIX', 'bitmart')}:klines:{{{symbol}}}:{timeframe}"
url = os.environ.get("REDIS_URL", "redis://127.0.0.1:6390/0")
# A read that waits for 5 s needs a socket that waits longer; protocol 2 answers alike in every redis-py.
client = redis.Redis.from_url(url, decode_responses=True, protocol=2, socket_timeout=10)
for ending in (signal.SIGINT, signal.SIGPIPE):  # Ctrl-C and `| head` end this without a traceback.
    signal.signal(ending, signal.SIG_DFL)
after = "0"  # What is still kept comes first; "$" would miss what is written between two reads.
while True:
    try:
        reply: Any = client.xread({stream: after}, block=5_000)
    except (redis.ConnectionError, redis.TimeoutError) as trouble:
        print(f"waiting: {trouble}", file=sys.stderr)
        time.sleep(1)
        continue
    for entry_id, candle in reply[0][1] if reply else ():
        start = time.strftime("%Y-%m-%d %H:%M", time.gmtime(int(candle["open_time"]) / 1000))
        print(start, "closed" if candle["closed"] == "1" else "live  ", candle["close"], candle["volume"], flush=True)
        after = entry_id
