"""The real tools that check the deployment's files, where a machine has them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click
import pytest
import yaml

from bridge.cli import cli
from tests.children import finished

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"


def tool(name: str, package: str) -> str:
    """Return where a program is; without it the test is left out, saying so in a line."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"not checked: there is no {name} on this machine (Debian: {package})")
    return path


def run(*command: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a tool that must be content, and return what it says."""
    done = finished(command, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def document(path: Path) -> Any:  # noqa: ANN401 - whatever YAML holds
    """Read a file of one YAML document."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def understood(words: list[str]) -> None:
    """Let click read a command line of ours, and run nothing."""
    command = cli.commands[words[0]]
    command.make_context(words[0], words[1:], parent=click.Context(cli, **cli.context_settings))
