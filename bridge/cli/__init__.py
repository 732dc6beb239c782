"""The command line: one door for each way of running the bridge or looking at it.

The rule of this room: a command reads its words, imports what it needs and hands over. Heavy parts are imported inside
the commands that need them, so that each starts fast.
"""

from __future__ import annotations

import sys

import click

from bridge.cli import keeps, looks, parts
from bridge.cli.group import cli
from bridge.errors import BridgeError, SettingsError

__all__ = ["cli", "keeps", "looks", "main", "parts"]


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
