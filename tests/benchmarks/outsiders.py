"""What others' libraries make of the same frames, from the socket to XADD; run in an environment of their own.

`outsiders.py <which> <socket> <port of Redis> <frames>`; the topics stand on standard input. It says `ready`, and at
the end how many CPU seconds and seconds it took. cryptofeed has no BitMart futures: its Redis backend is fed with
candles decoded by json. ccxt's handler is given the texts that its own client would give it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

_CAP = 200
_BATCH = 20
_LENGTHS = {"1m": 60, "5m": 300, "15m": 900, "30m": 1_800, "1h": 3_600, "2h": 7_200, "4h": 14_400, "1d": 86_400}
_PREFIX = "futures/klineBin"


def _candle(frame: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    interval, _, symbol = frame["group"].removeprefix(_PREFIX).partition(":")
    return symbol, interval.lower(), frame["data"]["items"][0]


def _said(began: tuple[float, float]) -> None:
    cpu, wall = time.process_time() - began[0], time.perf_counter() - began[1]
    print(json.dumps({"cpu_s": cpu, "wall_s": wall}), flush=True)


def _now() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


async def _following(
    uri: str, topics: list[str], frames: int, take: Callable[[str], Awaitable[None]], end: Callable[[], Awaitable[None]]
) -> None:
    from websockets.asyncio.client import connect

    async with connect(uri, compression=None) as socket:
        for first in range(0, len(topics), _BATCH):
            await socket.send(json.dumps({"action": "subscribe", "args": topics[first : first + _BATCH]}))
        for _ in topics:
            await socket.recv()
        print("ready", flush=True)
        began = None
        for _ in range(frames):
            text = await socket.recv()
            began = began or _now()
            await take(str(text))
        await end()
        _said(began or _now())


async def cryptofeed(uri: str, port: int, frames: int, topics: list[str]) -> None:
    """Cryptofeed's Redis stream backend, fed with its own candles."""
    from decimal import Decimal

    from cryptofeed.backends.redis import CandlesStream
    from cryptofeed.types import Candle

    backend = CandlesStream(port=port)
    backend.start(asyncio.get_running_loop())

    async def take(text: str) -> None:
        symbol, timeframe, said = _candle(json.loads(text))
        start = float(said["ts"])
        values = [Decimal(said[name]) for name in "ochlv"]
        stop = start + _LENGTHS.get(timeframe, 604_800)
        await backend(
            Candle("BITMART", symbol, start, stop, timeframe, None, *values, closed=False, timestamp=start), time.time()
        )

    await _following(uri, topics, frames, take, backend.queue.join)


async def ccxt(uri: str, port: int, frames: int, topics: list[str]) -> None:
    """ccxt.pro's BitMart handler, and an awaited XADD of what it makes of each frame."""
    import ccxt.pro
    from ccxt.async_support.base.ws.client import Client
    from redis.asyncio import Redis

    exchange = ccxt.pro.bitmart({"enableRateLimit": False})
    exchange.set_markets([_market(exchange, symbol) for symbol in {topic.partition(":")[2] for topic in topics}])
    client = Client(uri, exchange.handle_message, lambda *_: None, lambda *_: None, lambda *_: None, {})
    redis = Redis(port=port)

    async def take(text: str) -> None:
        client.handle_text_or_binary_message(text)
        symbol, timeframe, _ = _candle(json.loads(text))
        opened, *values = exchange.ohlcvs[f"{symbol[:-4]}/USDT:USDT"][timeframe][-1]
        fields: Any = {"symbol": symbol, "timeframe": timeframe, "open_time": opened}
        fields |= dict(zip(("open", "high", "low", "close", "volume"), values, strict=True))
        await redis.xadd(f"ccxt:{symbol}:{timeframe}", fields, maxlen=_CAP)

    await _following(uri, topics, frames, take, lambda: asyncio.sleep(0))
    await redis.aclose()
    await exchange.close()


def _market(exchange: Any, symbol: str) -> Any:  # noqa: ANN401 - ccxt's
    base = symbol[:-4]
    words = {"id": symbol, "symbol": f"{base}/USDT:USDT", "base": base, "quote": "USDT", "settle": "USDT"}
    ids = {"baseId": base, "quoteId": "USDT", "settleId": "USDT", "type": "swap", "contractSize": 0.001}
    kind = {"spot": False, "swap": True, "future": False, "option": False, "contract": True, "linear": True}
    rest = {"inverse": False, "active": True, "precision": {"amount": 1, "price": 0.1}, "limits": {}, "info": {}}
    return exchange.safe_market_structure(words | ids | kind | rest)


def sdk(uri: str, port: int, frames: int, topics: list[str]) -> None:
    """The exchange's own Python SDK, its thread and all, and an XADD for each message."""
    from bitmart.websocket.futures_socket_client import FuturesSocketClient
    from redis import Redis

    redis, done, subscribed = Redis(port=port), threading.Event(), threading.Event()
    count, began = 0, (0.0, 0.0)

    def take(message: dict[str, Any]) -> None:
        nonlocal count, began
        if message.get("data") == "pong":
            return
        count += "action" not in message or not subscribed.is_set()
        if not subscribed.is_set():
            if count == len(topics):
                count = 0
                subscribed.set()
            return
        began = began if count > 1 else _now()
        symbol, timeframe, said = _candle(message)
        fields: Any = {"symbol": symbol, "timeframe": timeframe, **said}
        redis.xadd(f"sdk:{symbol}:{timeframe}", fields, maxlen=_CAP)
        if count == frames:
            _said(began)
            done.set()

    client = FuturesSocketClient(stream_url=uri, on_message=take, ping_interval=600)
    for first in range(0, len(topics), _BATCH):
        client.subscribe(topics[first : first + _BATCH])
    subscribed.wait(20)
    print("ready", flush=True)
    done.wait(60)


def _main() -> None:
    which, uri, port, frames = sys.argv[1:]
    topics = json.loads(sys.stdin.readline())
    done = {"cryptofeed": cryptofeed, "ccxt": ccxt, "sdk": sdk}[which](uri, int(port), int(frames), topics)
    if done is not None:
        asyncio.run(done)
    sys.stdout.flush()
    # Threads and timers of theirs would go on for minutes.
    os._exit(0)


if __name__ == "__main__":
    _main()
