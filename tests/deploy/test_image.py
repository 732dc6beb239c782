"""The image: its recipe linted, and its steps done by hand, since no engine that builds images runs in tests."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge import settings
from bridge.store.embedded.server import EmbeddedServer
from tests.children import Child, finished
from tests.deploy.tools import DEPLOY, ROOT, run, tool, understood
from tests.store.processes import own_port
from tests.support import wait_until

RECIPE = (DEPLOY / "image/Dockerfile").read_text(encoding="utf-8")
NOBODY = 10_001


def test_the_recipe_pleases_its_linter() -> None:
    run(Path(sysconfig.get_path("scripts")) / "hadolint", DEPLOY / "image/Dockerfile")


def test_what_is_installed_is_pinned_by_hash_and_from_nowhere_in_particular() -> None:
    installs = re.findall(r"pip install (.*?)(?: \\)?$", RECIPE, re.MULTILINE)
    assert len(installs) == 3
    assert all("--require-hashes" in words or "--no-index" in words for words in installs)
    assert not re.search(r"https?://|index-url", RECIPE)


def test_it_runs_as_nobody_and_asks_itself_how_it_is() -> None:
    last = RECIPE.rpartition("\nFROM ")[2]
    assert f"USER {NOBODY}:{NOBODY}" in last
    (health,) = re.findall(r'HEALTHCHECK .* CMD \["bitmart-bridge", "(\w+)"\]', last)
    understood([health])
    (command,) = re.findall(r'^CMD \["(\w+)"\]', last, re.MULTILINE)
    understood([command])
    assert "DATA_DIR" in settings.variables()


def test_nothing_is_sent_to_the_builder_that_it_does_not_copy() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {
        word.partition("/")[0]
        for words in re.findall(r"^COPY (?!--from)(.*) \S+$", RECIPE, re.MULTILINE)
        for word in words.split()
    }
    assert copied == allowed
    assert all((ROOT / name).exists() for name in allowed)


@pytest.fixture(scope="module")
def tree() -> Iterator[Path]:
    """The bridge as the image holds it: the wheel alone, unpacked where nobody may write and everybody may look."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, ROOT),
        )
        (wheel,) = folder.glob("*.whl")
        place = folder / "opt"
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(place)
        for path in [place, *place.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        folder.chmod(0o755)
        yield place
        for path in [place, *(path for path in place.rglob("*") if path.is_dir())]:
            path.chmod(0o755)


def test_the_wheel_holds_all_that_the_package_needs(tree: Path) -> None:
    package = ROOT / "bridge"
    kept = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert {str(path.relative_to(tree / "bridge")) for path in (tree / "bridge").rglob("*") if path.is_file()} == kept
    assert not [path for path in tree.rglob("*") if path.name.startswith(".env")]


def as_nobody() -> list[str]:
    """Return what starts a program as a user who owns nothing and may write nowhere.

    It may read everything: machines keep Python in root's own folder at times.
    """
    if os.geteuid():
        return []
    only_reading = "-all,+dac_read_search"
    return [
        *(tool("setpriv", "util-linux"), f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"),
        *(f"--{which}={only_reading}" for which in ("inh-caps", "ambient-caps", "bounding-set")),
    ]


async def test_a_user_without_rights_runs_it_from_a_tree_that_nobody_may_write(
    tree: Path, valkey: EmbeddedServer, tmp_path: Path
) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{tree}:{sysconfig.get_path('purelib')}:{sysconfig.get_path('platlib')}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "REDIS_URL": valkey.url,
        "CTRL_ADDR": f"127.0.0.1:{own_port()}",
    }
    program = [*as_nobody(), sys.executable, "-m", "bridge"]
    log = tmp_path / "said"

    def health() -> int:
        return finished([*program, "health"], cwd=tree, env=environment, timeout=30).returncode

    with log.open("wb") as said:
        control = Child[bytes]([*program, "control"], cwd=tree, env=environment, stderr=said)
        try:
            await wait_until(lambda: health() == 0, f"the API is well; see {log}", 40)
        finally:
            control.terminate()
            assert control.wait(20) == 0, log.read_text(encoding="utf-8")
    assert health() == 1
