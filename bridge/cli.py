"""The command line: one door for each way of running the bridge or looking at it.

Heavy parts are imported by the commands that need them, so that each starts fast.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge import __version__, settings
from bridge.errors import BridgeError, SettingsError

if TYPE_CHECKING:
    from bridge.settings import Settings

_redis_url = click.option(
    "--redis-url", metavar="URL", help="Which Redis; by default REDIS_URL, or the server of `up`."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="bitmart-bridge")
def cli() -> None:
    """BitMart futures klines, orders, fills and positions as Redis Streams.

    Settings come from the environment and from .env; `bitmart-bridge check` shows and tries them.
    """


@cli.command()
@click.option(
    "--demo", is_flag=True, help="Against a simulated exchange, with a store of its own, printing what comes."
)
@click.option("--ledger", type=click.Path(dir_okay=False, path_type=Path), help="With --demo: append the truth dealt.")
def up(*, demo: bool, ledger: Path | None) -> None:
    """Run everything in one process."""
    from bridge import app
    from bridge.printing import Printer

    if ledger and not ledger.absolute().parent.is_dir():
        raise click.UsageError(f"--ledger {ledger}: there is no such folder")
    if demo:
        shown = settings.load_for_demo()
        _serve(shown, lambda stop: app.demo(shown, stop, Printer(), ledger))
    elif ledger:
        raise click.UsageError("--ledger goes with --demo")
    else:
        chosen = settings.load()
        _serve(chosen, lambda stop: app.up(chosen, stop, Printer()))


@cli.command()
def ingest() -> None:
    """Run one ingester: sockets to the exchange, entries into Redis."""
    from bridge import app

    chosen = app.found(settings.load())
    _serve(chosen, lambda stop: app.ingest(chosen, stop))


@cli.command()
def control() -> None:
    """Run the HTTP control API."""
    from bridge import app

    chosen = app.found(settings.load())
    _serve(chosen, lambda stop: app.control(chosen, stop))


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
        _run(_stoppable(part))
    except (OSError, ValueError) as wrong:
        raise click.UsageError(str(wrong)) from None
    finally:
        end()


@cli.command()
@click.argument("topics", nargs=-1, metavar="[TOPIC]...")
@click.option(
    "--out",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default="frames",
    show_default=True,
    help="The folder for the files.",
)
@click.option("--rotate-mb", type=click.FloatRange(min=0.001), default=64.0, show_default=True, help="A file's size.")
@click.option(
    "--rotate-minutes", type=click.FloatRange(min=0.01), default=60.0, show_default=True, help="A file's age."
)
@_redis_url
def record(
    *, topics: tuple[str, ...], folder: Path, rotate_mb: float, rotate_minutes: float, redis_url: str | None
) -> None:
    """Keep the exchange's raw frames, with the times of their arrival, in files that `simulate --replay` plays.

    TOPIC is a topic of the exchange's own, such as futures/klineBin1m:BTCUSDT; none at all stands for the wishes in
    Redis, as they change.
    """
    from bridge import exchanges, log
    from bridge.frames import FrameFiles
    from bridge.recorder import Recorder

    chosen = settings.load(redis_url=redis_url) if topics else _where(redis_url)
    exchange = exchanges.chosen(chosen)
    origin = {"exchange": exchange.name, "environment": exchange.environment}
    recorder = Recorder(chosen, exchange, topics)
    end = log.configure(chosen.log_level, chosen.log_format)
    files = FrameFiles(folder, origin, largest_mb=rotate_mb, longest_s=rotate_minutes * 60)
    try:
        _run(_stoppable(lambda stop: recorder.run(stop, files, lambda text: click.echo(text, err=True))))
    finally:
        files.close()
        end()
    click.echo(files.summary())


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
@_redis_url
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
    from bridge.printing import Printer
    from bridge.tail import KINDS, Selection, Tail
    from bridge.timeframes import Timeframe

    chosen = _where(redis_url)
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

    _run(_stoppable(follow))
    # Standard output may belong to a reader that has gone: leave without the interpreter's last flush complaining.
    os._exit(0)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.option("--watch", "watched", is_flag=True, help="Keep showing it, until Ctrl-C.")
@click.option("--every", type=click.FloatRange(min=0.1), default=2.0, show_default=True, help="With --watch: seconds.")
@_redis_url
def status(*, as_json: bool, watched: bool, every: float, redis_url: str | None) -> None:
    """Show the ingesters, and how far each topic has come."""
    chosen = _where(redis_url)
    if watched and as_json:
        raise click.UsageError("--watch is for people and --json for programs; `tail --json` follows")
    if watched:
        from bridge.watching import watch

        _run(_stoppable(lambda stop: watch(chosen, stop, every)))
        return
    from bridge.report import report

    click.echo(asyncio.run(report(chosen, as_json=as_json)))


@cli.command()
@click.option("--offline", is_flag=True, help="Only validate and show the settings.")
def check(*, offline: bool) -> None:
    """Validate the settings, show them (secrets masked), and try Redis and BitMart."""
    from bridge.checks import checks

    chosen = settings.load()
    for name, value in settings.effective(chosen).items():
        click.echo(f"{name}={value}")
    if not offline and not asyncio.run(checks(chosen, click.echo)):
        sys.exit(1)


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


@cli.command()
@click.argument("symbol")
@click.argument("timeframe")
@click.option("--from", "start", metavar="TIME", required=True, help="First open: ISO 8601 (UTC), or milliseconds.")
@click.option("--to", "end", metavar="TIME", help="Opens before this; by default up to the last period that is over.")
@click.option("--out", metavar="FILE", help="FILE.csv, FILE.parquet, or - (CSV); by default the closed stream.")
@click.option("--json", "as_json", is_flag=True, help="Say what was done as one JSON object.")
@_redis_url
def backfill(
    *,
    symbol: str,
    timeframe: str,
    start: str,
    end: str | None,
    out: str | None,
    as_json: bool,
    redis_url: str | None,
) -> None:
    """Fetch past candles by REST, into a closed stream that is still empty or into a file."""
    from bridge.backfill import STDOUT, Backfill, StoppedError, Wanted, moment
    from bridge.timeframes import Timeframe

    until = moment(end) if end else None
    wanted = Wanted(symbol.upper(), Timeframe.parse(timeframe), moment(start), until, out)
    with _progress(f"{wanted.symbol} {wanted.timeframe}") as progress:
        job = Backfill(
            settings.load(redis_url=redis_url), wanted, say=lambda text: click.echo(text, err=True), progress=progress
        )
        try:
            _run(_stoppable(job.run))
        except StoppedError as stopped:
            click.echo(str(stopped), err=True)
            sys.exit(130)
    click.echo(job.summary.text(as_json=as_json), err=out == STDOUT)


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what completes this command's words in a shell.

    For bash, put `eval "$(bitmart-bridge completion bash)"` into ~/.bashrc; zsh and fish alike.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:  # pragma: no cover - click has all three
        raise click.UsageError(f"{shell} is not known")
    click.echo(kind(cli, {}, "bitmart-bridge", "_BITMART_BRIDGE_COMPLETE").source())


def main() -> None:
    """Run the command line; what can't be done is said in a line and exits with code 2."""
    try:
        cli(standalone_mode=False)
    except click.ClickException as wrong:
        wrong.show()
        sys.exit(wrong.exit_code)
    except click.Abort:
        sys.exit(130)
    except SettingsError as wrong:
        for problem in wrong.problems:
            click.echo(f"wrong setting: {problem}", err=True)
        click.echo("nothing was started; .env.example lists all settings", err=True)
        sys.exit(2)
    except BridgeError as wrong:
        click.echo(f"error: {wrong}", err=True)
        sys.exit(2)


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Yield what shows how much of how much is done: as a bar, if standard error is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _expected: None
        return
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def show(done: int, expected: int) -> None:
            bar.length = expected
            bar.update(done - bar.pos)

        yield show


def _pair(condition: str) -> tuple[str, str]:
    name, equals, value = condition.partition("=")
    if not (name and equals):
        raise click.UsageError(f"--where {condition}: expected FIELD=VALUE, such as status=filled")
    return name, value


def _time(text: str | None) -> int | None:
    if text is None:
        return None
    from bridge.ingest.history import moment

    return moment(text)


def _where(redis_url: str | None) -> Settings:
    from bridge import app

    return app.found(settings.load(redis_url=redis_url))


def _serve(chosen: Settings, part: Callable[[asyncio.Event], Coroutine[None, None, None]]) -> None:
    from bridge import log, transport

    end = log.configure(chosen.log_level, chosen.log_format)
    for line in transport.unprotected(chosen):
        logging.getLogger(__name__).warning(line)
    try:
        _run(_stoppable(part))
    finally:
        end()


async def _stoppable(part: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    from bridge.signals import stopping

    with stopping() as stop:
        await part(stop)


def _run(whole: Coroutine[None, None, None]) -> None:
    """Run in an event loop; an error that ends one of the parts comes out as itself, not wrapped in groups."""
    from bridge import loop

    try:
        loop.run(whole)
    except BaseExceptionGroup as group:
        raise _innermost(group) from group


def _innermost(group: BaseExceptionGroup[BaseException]) -> BaseException:
    inner = group.exceptions[0]
    return _innermost(inner) if isinstance(inner, BaseExceptionGroup) else inner
