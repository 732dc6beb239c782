"""Keep orders and fills in SQLite, by the kit: `python consumers/kit_journal.py --db kit.db`.

What `order_journal.py` does by hand is done by the kit here: own entries first, those of dead consumers, waiting for
Redis. Beyond it, a row that can't be kept is tried five times and then put aside, for somebody to look at.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
from contextlib import closing, suppress

from bridge.consumer import Entry, GroupReader, Keys

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6390/0")
KEYS = Keys(os.environ.get("BRIDGE_PREFIX", "bitmart"), os.environ.get("BITMART_ACCOUNT", "main"))
TABLE = "CREATE TABLE IF NOT EXISTS journal (stream TEXT, id TEXT, entry TEXT, PRIMARY KEY (stream, id))"


def main() -> None:
    """Keep a journal until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Keep orders and fills in SQLite.")
    parser.add_argument("--db", required=True, metavar="FILE", help="the database, made when missing")
    parser.add_argument("--consumer", default="", metavar="NAME", help="by default the host's name")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with closing(sqlite3.connect(chosen.db, timeout=30)) as db, suppress(KeyboardInterrupt):
        db.execute(TABLE)

        def keep(entry: Entry) -> None:
            # The key makes one row of an entry that is given twice.
            with db:
                row = (entry.stream, entry.id, json.dumps(entry.fields))
                db.execute("INSERT OR IGNORE INTO journal VALUES (?, ?, ?)", row)
            print(f"kept {entry.stream} {entry.id}", flush=True)

        with GroupReader(URL, [KEYS.orders, KEYS.fills], "kit-journal", consumer=chosen.consumer, keys=KEYS) as reader:
            reader.run(keep)


if __name__ == "__main__":
    main()
