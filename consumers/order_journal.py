"""Keep every change of every order, and every execution, in SQLite: `python consumers/order_journal.py --db orders.db`.

Redis remembers for a consumer group which entries each consumer was given and has not acknowledged. An entry is
acknowledged only after its row is committed, so that being killed at any moment loses nothing; and a row's key is the
entry's ID, so that an entry given twice makes one row.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sqlite3
import sys
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6390/0")
PREFIX = os.environ.get("BRIDGE_PREFIX", "bitmart")
ACCOUNT = os.environ.get("BITMART_ACCOUNT", "main")
STREAMS = (f"{PREFIX}:orders:{{{ACCOUNT}}}", f"{PREFIX}:fills:{{{ACCOUNT}}}")
GROUP = "journal"
BATCH = 500
BLOCK_MS = 1_000
PAUSE_S = 0.5
# The entry as JSON has every field, those of later versions too; the columns beside it are for finding it.
TABLE = """
CREATE TABLE IF NOT EXISTS journal (
  stream TEXT, ms INTEGER, seq INTEGER, type TEXT, symbol TEXT, order_id TEXT, entry TEXT,
  PRIMARY KEY (stream, ms, seq)
)
"""


@dataclass
class Journal:
    """Moves entries from the streams into the table."""

    client: redis.Redis
    db: sqlite3.Connection
    consumer: str
    idle_ms: int

    def follow(self, *, once: bool) -> None:
        """Keep what was given to us before, what a dead consumer left, and what is new.

        Args:
            once: return as soon as there is nothing left, rather than wait for more.
        """
        self.db.execute(TABLE)
        self._create_groups()
        # "0" asks for what we were given and never acknowledged; as all of it is acknowledged, this comes to an end.
        while self._read("0"):
            pass
        while True:
            self._claim()
            if not self._read(">", None if once else BLOCK_MS) and once:
                return

    def _create_groups(self) -> None:
        for stream in STREAMS:
            try:
                # From the oldest entry that is kept, and before the bridge has written the first one.
                self.client.xgroup_create(stream, GROUP, id="0", mkstream=True)
            except redis.ResponseError as refusal:
                if not str(refusal).startswith("BUSYGROUP"):  # It exists already.
                    raise

    def _read(self, after: str, block_ms: int | None = None) -> int:
        reply: Any = self.client.xreadgroup(GROUP, self.consumer, dict.fromkeys(STREAMS, after), BATCH, block_ms)
        return sum(self._keep(stream, entries) for stream, entries in reply)

    def _claim(self) -> None:
        """Take over what another consumer has held for so long that it must be dead."""
        for stream in STREAMS:
            start = ""
            while start != "0-0":
                reply = self.client.xautoclaim(stream, GROUP, self.consumer, self.idle_ms, start or "0-0", BATCH)
                start, entries, trimmed = reply
                self._keep(stream, entries)
                _tell_trimmed(stream, len(trimmed))

    def _keep(self, stream: str, entries: list[tuple[str, dict[str, str]]]) -> int:
        """Commit the entries' rows, then acknowledge them; return how many entries there were."""
        if not entries:
            return 0
        rows = [
            (stream, *entry_id.split("-"), fields["type"], fields.get("symbol"), fields.get("order_id"), _json(fields))
            for entry_id, fields in entries
            if fields  # An entry that was trimmed after it was given to us comes back empty.
        ]
        with self.db:
            self.db.executemany("INSERT OR IGNORE INTO journal VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        self.client.xack(stream, GROUP, *[entry_id for entry_id, _ in entries])
        print(f"kept {len(rows)} of {stream}", flush=True)
        _tell_trimmed(stream, len(entries) - len(rows))
        return len(entries)


def _tell_trimmed(stream: str, count: int) -> None:
    if count:
        print(f"{count} of {stream} were trimmed before they could be kept", file=sys.stderr)


def _json(fields: dict[str, str]) -> str:
    return json.dumps(fields, separators=(",", ":"))


def main() -> None:
    """Keep a journal until Ctrl-C; while Redis or the database is out of reach, wait for it."""
    parser = argparse.ArgumentParser(description="Keep orders and fills in SQLite.")
    parser.add_argument("--db", required=True, metavar="FILE", help="the database, made when missing")
    parser.add_argument("--consumer", default=socket.gethostname(), metavar="NAME", help="by default the host's name")
    parser.add_argument(
        "--idle", default=60.0, type=float, metavar="SECONDS", help="take over what others held this long"
    )
    parser.add_argument("--once", action="store_true", help="read what is there, then end")
    chosen = parser.parse_args()
    # Supervisors end programs by SIGTERM: the same as Ctrl-C. Neither needs a good moment, see above.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if "+" in URL.partition(":")[0]:
        sys.exit("this sample speaks to one server: behind sentinels and in a cluster take one with the kit")
    # If redis-py repeated a read whose answer was lost, that answer's entries would stay with us unseen. Our own way of
    # trying again asks for them first.
    client = redis.Redis.from_url(
        URL, decode_responses=True, protocol=2, socket_timeout=10, retry=Retry(NoBackoff(), 0)
    )
    with closing(sqlite3.connect(chosen.db, timeout=30)) as db, client, suppress(KeyboardInterrupt):
        journal = Journal(client, db, chosen.consumer, int(chosen.idle * 1000))
        while True:
            try:
                return journal.follow(once=chosen.once)
            except (redis.RedisError, sqlite3.Error) as trouble:
                # Beginning anew asks for what was given to us, and makes a group again in a store that was emptied.
                if chosen.once:
                    sys.exit(f"error: {trouble}")
                print(f"waiting: {trouble}", file=sys.stderr)
                time.sleep(PAUSE_S)


if __name__ == "__main__":
    main()
