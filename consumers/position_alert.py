"""Tell when a position changes: `python consumers/position_alert.py`, or with a program to run, `--run notify-send`.

Where it has come to is kept in Redis: what changes while it is away is told when it is back.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from contextlib import suppress

from bridge.consumer import AsyncReader, HashPositions, Keys, Position, Resync

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6390/0")
KEYS = Keys(os.environ.get("BRIDGE_PREFIX", "bitmart"), os.environ.get("BITMART_ACCOUNT", "main"))


async def follow(program: str | None) -> None:
    """Tell of each change, for ever."""
    known: dict[tuple[str, str], str] = {}
    positions = HashPositions("position-alert", keys=KEYS)
    async with AsyncReader(URL, KEYS.positions, positions=positions) as reader:
        async for entry in reader:
            match entry.record:
                case Position() as position:
                    what = (position.symbol, position.side)
                    before = known.get(what)
                    known[what] = position.size
                    if before != position.size:
                        await tell(described(position, before), program)
                case Resync():
                    print("what was missed is made good: the positions told are complete", flush=True)


def described(position: Position, before: str | None) -> str:
    """Say in words what a position was and is."""
    now = "flat" if position.is_flat else f"{position.size} at {position.average_price}"
    was = "" if before is None else f", was {before}"
    return f"{position.symbol} {position.side}: {now}{was}"


async def tell(text: str, program: str | None) -> None:
    """Print it, and run the program with it."""
    print(text, flush=True)
    if program:
        process = await asyncio.create_subprocess_exec(program, text)
        await process.wait()


def main() -> None:
    """Tell until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Tell when a position changes.")
    parser.add_argument("--run", metavar="PROGRAM", help="run this with the text as its argument")
    with suppress(KeyboardInterrupt):
        asyncio.run(follow(parser.parse_args().run))


if __name__ == "__main__":
    main()
