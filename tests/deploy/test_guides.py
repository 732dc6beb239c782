"""The guides name only what there is."""

from __future__ import annotations

import re
import subprocess

import pytest

from bridge import settings
from bridge.cli import cli
from tests.deploy.tools import ROOT

GUIDES = ("deploy/README.md", "docs/secure.md")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", GUIDES)
def test_every_file_that_a_guide_names_is_there(name: str) -> None:
    files = set(re.findall(r"\b(?:deploy|requirements)/[\w./@-]*\w", text(name)))
    files = {file for file in files if not file.startswith("deploy/compose/secrets")}
    assert files
    assert [file for file in files if not (ROOT / file).exists()] == []
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text(name))]
    assert [link for link in links if link and not ((ROOT / name).parent / link).exists()] == []


@pytest.mark.parametrize("name", GUIDES)
def test_every_setting_and_command_that_a_guide_names_is_ours(name: str) -> None:
    named = set(re.findall(r"\b(?:BITMART|CTRL|REDIS|REST|BRIDGE|INGESTER)_[A-Z_]+\b", text(name)))
    assert not named - set(settings.variables())
    commands = set(re.findall(r"`?bitmart-bridge (check|control|ingest|status|tail|up|\w+) ?(?=[`-])", text(name)))
    assert commands <= set(cli.commands)


@pytest.mark.parametrize("name", GUIDES)
def test_a_guides_shell_lines_are_shell(name: str) -> None:
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```$", text(name), re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        checked = subprocess.run(["/bin/sh", "-n"], input=block, text=True, check=False, capture_output=True)
        assert checked.returncode == 0, checked.stderr


def test_the_guides_lines_fit_the_width() -> None:
    wide = [
        (name, line)
        for name in (*GUIDES, "SECURITY.md")
        for line in text(name).splitlines()
        if len(line) > 120 and not line.lstrip().startswith("|")
    ]
    assert wide == []
