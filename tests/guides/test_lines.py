"""The lines of the guides, typed as they stand there, against real programs."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.deploy.tools import run, tool
from tests.guides.blocks import LINES, Block, blocks, run_by
from tests.guides.stage import Stage, checkout, typed

SHELL: Final = [block for block in run_by(LINES) if block.language == "sh"]
PYTHON: Final = [block for block in run_by(LINES) if block.language == "python"]
# What goes on until Ctrl-C; all else has to end by itself, and well.
ENDLESS: Final = re.compile(r"\bbitmart-bridge (tail|ingest|control|simulate|record)\b|^make (demo|run)$")
# What can't be run here, why, and what looks at it instead.
ELSEWHERE: Final = {
    r"^sudo ": "changes the machine; the units are read by systemd in tests/deploy/test_systemd.py",
    r"^docker ": "needs Docker and the Internet; the files are read in tests/deploy/test_compose.py and test_image.py",
    r"^kubectl ": "needs a cluster; the manifests are built in tests/deploy/test_kubernetes.py",
    r"^make test$": "is what runs this",
}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("stage"))
    yield stage
    stage.close()


@pytest.fixture
async def stage(programs: Stage) -> Stage:
    await programs.ready()
    return programs


def here(block: Block) -> list[str]:
    """The lines of a block that can be run on any machine."""
    return [line for line in block.lines if not any(re.search(pattern, line) for pattern in ELSEWHERE)]


@pytest.mark.parametrize("document", sorted({block.document for block in SHELL}))
async def test_each_line_does_what_it_says(document: str, stage: Stage, tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    for line in [line for block in SHELL if block.document == document for line in here(block)]:
        await stage.ready()
        environment = stage.environment(folder)
        if line.startswith("curl") and shutil.which("curl") is None:
            pytest.skip("curl is missing: the lines that call the control API are left out")
        endless = ENDLESS.search(line) is not None
        told = await typed(stage.told(line), folder, environment, endless=endless)
        # Make itself dies by Ctrl-C, once the program it runs has ended.
        codes = (0, -signal.SIGINT) if line.startswith("make") else (0,)
        assert told.code in codes, f"{line}\n{told.text}"
        assert "Traceback" not in told.text
        if line.startswith("curl"):
            assert json.loads(told.text)["ok"] is True, f"{line}\n{told.text}"
        if line.endswith("/stop"):
            assert await stage.demo.ended() == 0


@pytest.mark.parametrize("block", PYTHON, ids=str)
async def test_a_piece_of_python_prints_candles(block: Block, stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "piece.py").write_text(stage.told(block.text), encoding="utf-8")
    line = f"{sys.executable} -u piece.py"
    told = await typed(line, tmp_path, stage.environment(tmp_path), endless=True)
    assert re.match(r"BTCUSDT 1m \d{13} [\d.]+ [01]\n", told.text), told.text


@pytest.mark.parametrize("block", SHELL, ids=str)
async def test_a_line_that_is_not_run_here_is_still_shell(block: Block, tmp_path: Path) -> None:
    (tmp_path / "block.sh").write_text(block.text, encoding="utf-8")
    assert (await typed("sh -n block.sh", tmp_path, {}, endless=False)).code == 0


@pytest.mark.parametrize("pattern", ELSEWHERE)
def test_what_is_named_as_not_run_is_there(pattern: str) -> None:
    assert [line for block in SHELL for line in block.lines if re.search(pattern, line)]


def test_prometheus_understands_the_scrape_of_the_guide(tmp_path: Path) -> None:
    (block,) = blocks("docs/watch.md")
    (tmp_path / "prometheus.yml").write_text(block.text, encoding="utf-8")
    run(tool("promtool", "prometheus"), "check", "config", "--syntax-only", tmp_path / "prometheus.yml")
