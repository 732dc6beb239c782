"""The commands that look: at entries, at the state, at the settings, at health."""

from __future__ import annotations

import asyncio
import os
import sys

import click

from bridge import settings
from bridge.cli.group import cli, found, redis_url_option, run, stoppable
from bridge.errors import StoreError


@cli.command()
@click.argument("kinds", nargs=-1, type=click.Choice(["klines", "orders", "fills", "positions", "events"]))
@click.option("--symbol", "symbols", multiple=True, help="Entries of this symbol only; may be repeated.")
@click.option("--timeframe", "timeframes", multiple=True, help="Candles of this timeframe only; may be repeated.")
@click.option("--closed", is_flag=True, help="Of the candles, only the streams of closed ones.")
@click.option("--where", multiple=True, metavar="FIELD=VALUE", help="Entries with this value only; may be repeated.")
@click.option("--from-start", is_flag=True, help="Begin with the oldest entry that is kept.")
@click.option("--since", metavar="TIME", help="Begin with entries of this time: ISO 8601 (UTC), or milliseconds.")
@click.option("-n", "--count", type=click.IntRange(min=1), help="End after so many entries.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@redis_url_option
def tail(
    *,
    kinds: tuple[str, ...],
    symbols: tuple[str, ...],
    timeframes: tuple[str, ...],
    closed: bool,
    where: tuple[str, ...],
    from_start: bool,
    since: str | None,
    count: int | None,
    as_json: bool,
    redis_url: str | None,
) -> None:
    """Print entries as they come: klines, orders, fills, positions, events, or all of them."""
    from bridge.terminal.printing import Printer
    from bridge.terminal.tail import KINDS, Selection, Tail
    from bridge.timeframes import Timeframe

    chosen = found(redis_url)
    selection = Selection(
        kinds=frozenset(kinds or (("klines",) if timeframes or closed else KINDS)),
        symbols=frozenset(symbol.upper() for symbol in symbols),
        timeframes=frozenset(Timeframe.parse(timeframe).value for timeframe in timeframes),
        closed=closed,
        fields=tuple(map(_pair, where)),
        from_start=from_start,
        since_ms=_time(since),
        most=count,
        json=as_json,
    )

    async def follow(stop: asyncio.Event) -> None:
        printer = Printer()
        following = asyncio.create_task(Tail(chosen, selection, printer).run())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([following, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not following.done():
            following.cancel()
            await asyncio.wait([following])
        await printer.finish(1.0)
        if not following.cancelled():
            following.result()

    run(stoppable(follow))
    # Standard output may belong to a reader that has gone: leave without the interpreter's last flush complaining.
    os._exit(0)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.option("--watch", "watched", is_flag=True, help="Keep showing it, until Ctrl-C.")
@click.option("--every", type=click.FloatRange(min=0.1), default=2.0, show_default=True, help="With --watch: seconds.")
@redis_url_option
def status(*, as_json: bool, watched: bool, every: float, redis_url: str | None) -> None:
    """Show the ingesters, and how far each topic has come."""
    chosen = found(redis_url)
    if watched and as_json:
        raise click.UsageError("--watch is for people and --json for programs; `tail --json` follows")
    if watched:
        from bridge.terminal.watching import watch

        run(stoppable(lambda stop: watch(chosen, stop, every)))
        return
    from bridge.terminal.report import report

    click.echo(asyncio.run(report(chosen, as_json=as_json)))


@cli.command()
@click.option("--offline", is_flag=True, help="Only validate and show the settings.")
@redis_url_option
def check(*, offline: bool, redis_url: str | None) -> None:
    """Validate the settings, show them (secrets masked), and try Redis and BitMart."""
    from bridge.checks import checks

    chosen = settings.load(redis_url=redis_url)
    for name, value in settings.effective(chosen).items():
        click.echo(f"{name}={value}")
    if not offline and not asyncio.run(checks(with_server_of_up(chosen), click.echo)):
        sys.exit(1)


def with_server_of_up(chosen: settings.Settings) -> settings.Settings:
    """Return the settings with the server that `up` has started, if one runs and no other is named."""
    from bridge import app

    try:
        return app.found(chosen)
    except StoreError:
        return chosen


@cli.command()
@click.option("--ready", is_flag=True, help="Whether it can do its work, not only whether it answers.")
@click.option("--ingester", is_flag=True, help="Ask the ingester at METRICS_ADDR instead.")
def health(*, ready: bool, ingester: bool) -> None:
    """Ask the control API on this machine, or an ingester, how it is; code 1 if not well."""
    from bridge import healthcheck

    chosen = settings.load()
    addr = chosen.metrics_addr if ingester else chosen.ctrl_addr
    if not addr:
        raise click.UsageError("an ingester is asked at METRICS_ADDR, which is not set")
    well, line = healthcheck.ask(addr, ready=ready)
    click.echo(line, err=not well)
    sys.exit(not well)


def _pair(condition: str) -> tuple[str, str]:
    name, equals, value = condition.partition("=")
    if not (name and equals):
        raise click.UsageError(f"--where {condition}: expected FIELD=VALUE, such as status=filled")
    return name, value


def _time(text: str | None) -> int | None:
    if text is None:
        return None
    from bridge.ingest.candles.history import moment

    return moment(text)
