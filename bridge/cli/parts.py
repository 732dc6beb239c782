"""The commands that run the bridge, or a part of it, or a simulated exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click

from bridge import settings
from bridge.cli.group import cli, run, serve, stoppable


@cli.command()
@click.option(
    "--demo", is_flag=True, help="Against a simulated exchange, with a store of its own, printing what comes."
)
@click.option("--ledger", type=click.Path(dir_okay=False, path_type=Path), help="With --demo: append the truth dealt.")
def up(*, demo: bool, ledger: Path | None) -> None:
    """Run everything in one process."""
    from bridge import app
    from bridge.terminal.printing import Printer

    if ledger and not ledger.absolute().parent.is_dir():
        raise click.UsageError(f"--ledger {ledger}: there is no such folder")
    if demo:
        shown = settings.load_for_demo()
        serve(shown, lambda stop: app.demo(shown, stop, Printer(), ledger))
    elif ledger:
        raise click.UsageError("--ledger goes with --demo")
    else:
        chosen = settings.load()
        serve(chosen, lambda stop: app.up(chosen, stop, Printer()))


@cli.command()
def ingest() -> None:
    """Run one ingester: sockets to the exchange, entries into Redis."""
    from bridge import app

    chosen = app.found(settings.load())
    serve(chosen, lambda stop: app.ingest(chosen, stop))


@cli.command()
def control() -> None:
    """Run the HTTP control API."""
    from bridge import app

    chosen = app.found(settings.load())
    serve(chosen, lambda stop: app.control(chosen, stop))


@cli.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8190,
    show_default=True,
    help="Where to listen on 127.0.0.1; 0 takes a free port.",
)
@click.option("--rate", default=1.0, show_default=True, help="Market seconds per second.")
@click.option("--symbols", default=8, show_default=True, help="Contracts that trade.")
@click.option("--seed", default=1, show_default=True, help="Which story the market tells.")
@click.option("--position-mode", type=click.Choice(["hedge_mode", "one_way_mode"]), default="hedge_mode")
@click.option(
    "--ledger", type=click.Path(dir_okay=False, path_type=Path), help="Append the truth dealt, as JSON lines."
)
@click.option("--fault", "faults", multiple=True, metavar="NAME=VALUE", help="Switch a fault on; may be repeated.")
@click.option(
    "--replay",
    "recordings",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="Play what `record` has written, at --rate, instead of inventing a market; may be repeated.",
)
def simulate(*, recordings: tuple[Path, ...], port: int, rate: float, **options: Any) -> None:  # noqa: ANN401 - click types them above
    """Run a simulated BitMart to try things against, or play a recorded one."""
    from bridge import log
    from bridge.simulator.program import replayed, simulated

    def part(stop: asyncio.Event) -> Coroutine[None, None, None]:
        if recordings:
            return replayed(stop, click.echo, paths=recordings, port=port, speed=rate)
        return simulated(stop, click.echo, port=port, rate=rate, **options)

    end = log.configure("info", "text")
    try:
        run(stoppable(part))
    except (OSError, ValueError) as wrong:
        raise click.UsageError(str(wrong)) from None
    finally:
        end()
