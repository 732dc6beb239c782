"""The units: understood by systemd, shut in as far as it goes, and in agreement with the program."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from bridge import settings
from tests.deploy.tools import DEPLOY, run, tool, understood

FOLDER = DEPLOY / "systemd"
UNITS = ("bitmart-bridge-control.service", "bitmart-bridge-ingest@.service")
# systemd's own measure, in tenths: 0 is a service that can do nothing, and 20 still counts as safe.
MOST_EXPOSED = 15


def text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def values(name: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", text(name), re.MULTILINE)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as they are when the program they start is there, an account's drop-in beside them."""
    for name in UNITS:
        started = re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", text(name), flags=re.MULTILINE)
        (tmp_path / name).write_text(started, encoding="utf-8")
    drop_in = tmp_path / "bitmart-bridge-ingest@.service.d"
    drop_in.mkdir()
    (drop_in / "account.conf").write_text(text("account.conf"), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_a_unit(name: str, installed: Path) -> None:
    said = run(tool("systemd-analyze", "systemd"), "verify", "--man=no", installed / name)
    assert [line for line in said.splitlines() if "bitmart-bridge" in line] == []


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_hardly_exposed(name: str, installed: Path) -> None:
    analyze = tool("systemd-analyze", "systemd")
    said = run(analyze, "security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", installed / name)
    assert "Overall exposure level" in said


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_starts_what_there_is_and_watches_it(name: str) -> None:
    (line,) = values(name, "ExecStart")
    understood(line.split()[1:])
    assert values(name, "Type") == ["notify"]
    assert values(name, "Restart") == ["on-failure"]
    assert values(name, "RestartPreventExitStatus") == ["2"]
    assert values(name, "WatchdogSec")


@pytest.mark.parametrize("name", [*UNITS, "account.conf"])
def test_secrets_come_as_credentials_and_never_in_a_variable(name: str) -> None:
    loaded = {line.partition(":")[0] for line in values(name, "LoadCredential")}
    given = dict(word.split("=", 1) for line in values(name, "Environment") for word in line.split())
    assert set(given) <= set(settings.variables())
    files = {path.removeprefix("%d/") for variable, path in given.items() if variable.endswith("_FILE")}
    assert files == loaded
    assert {variable for variable in given if not variable.endswith("_FILE")} <= {"INGESTER_ID"}
