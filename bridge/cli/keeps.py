"""The commands that keep something: past candles, raw frames; and the shell's completion."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from bridge import settings
from bridge.cli.group import cli, found, redis_url_option, run, stoppable


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
@redis_url_option
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

    chosen = settings.load(redis_url=redis_url) if topics else found(redis_url)
    exchange = exchanges.chosen(chosen)
    origin = {"exchange": exchange.name, "environment": exchange.environment}
    recorder = Recorder(chosen, exchange, topics)
    end = log.configure(chosen.log_level, chosen.log_format)
    files = FrameFiles(folder, origin, largest_mb=rotate_mb, longest_s=rotate_minutes * 60)

    def say(text: str) -> None:
        click.echo(text, err=True)

    async def recording(stop: asyncio.Event) -> None:
        say(f"recording into {folder}; Ctrl-C ends it")
        await recorder.run(stop, files, say)

    try:
        run(stoppable(recording))
    finally:
        files.close()
        end()
    click.echo(files.summary())


@cli.command()
@click.argument("symbol")
@click.argument("timeframe")
@click.option("--from", "start", metavar="TIME", required=True, help="First open: ISO 8601 (UTC), or milliseconds.")
@click.option("--to", "end", metavar="TIME", help="Opens before this; by default up to the last period that is over.")
@click.option("--out", metavar="FILE", help="FILE.csv, FILE.parquet, or - (CSV); by default the closed stream.")
@click.option("--json", "as_json", is_flag=True, help="Say what was done as one JSON object.")
@redis_url_option
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
    with progress_of(f"{wanted.symbol} {wanted.timeframe}") as progress:
        job = Backfill(
            settings.load(redis_url=redis_url), wanted, say=lambda text: click.echo(text, err=True), progress=progress
        )
        try:
            run(stoppable(job.run))
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


@contextmanager
def progress_of(label: str) -> Iterator[Callable[[int, int], None]]:
    """Yield what shows how much of how much is done: as a bar, if standard error is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _expected: None
        return
    from bridge.signals import interruptible

    interruptible()  # a bar hides the cursor and has to give it back
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def show(done: int, expected: int) -> None:
            bar.length = expected
            bar.update(done - bar.pos)

        yield show
