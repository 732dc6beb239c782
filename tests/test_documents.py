"""The documents name only what there is: files, targets, endpoints, variables, commands, tests."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click
import msgspec
import pytest

from bridge import __version__, settings
from bridge.cli import cli
from bridge.control.endpoints.table import ENDPOINTS
from bridge.store.keys import Keys

ROOT: Final = Path(__file__).parents[1]
NAMES: Final = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "BEHAVIOR.md", "ARCHITECTURE.md", "SECURITY.md")
TEXTS: Final = {name: (ROOT / name).read_text(encoding="utf-8") for name in NAMES}
README, BEHAVIOR = TEXTS["README.md"], TEXTS["BEHAVIOR.md"]

# Places of the machine that somebody wrote on, and notes to oneself. In pieces, so that this file may hold them.
FORBIDDEN: Final = ("/" + "work/", "/" + "tmp/", "/" + "root/", "/" + "home/", "TO" + "DO", "FIX" + "ME", "X" * 3)
# Variables that are not the bridge's: the shell's, make's, the desktop's, the service manager's.
FOREIGN: Final = {"NOTIFY_SOCKET", "PATH", "PYTHON", "XDG_DATA_HOME"}
WIDEST: Final = 110

VARIABLES: Final = set(settings.variables())
TABLE: Final = {(endpoint.method, endpoint.path): endpoint for endpoint in ENDPOINTS}
TARGETS: Final = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def prose(text: str) -> str:
    """Return a text without its blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def codes(text: str) -> list[str]:
    """Return what stands between backticks, one line or broken over two."""
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose(text))]


LINES: Final = [line for block in blocks(README, "sh") for line in block.splitlines()]


@pytest.mark.parametrize("name", NAMES)
def test_every_relative_link_leads_to_a_file(name: str) -> None:
    links = re.findall(r"\]\(([^)]+)\)", prose(TEXTS[name]))
    assert [link for link in links if not urlsplit(link).scheme and not (ROOT / link.partition("#")[0]).exists()] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_file_named_is_there(name: str) -> None:
    named = [
        code
        for code in codes(TEXTS[name])
        if re.fullmatch(r"\.?(bridge|consumers|tests|requirements|ci|env)[/.][A-Za-z0-9_./]*[a-z/]", code)
        and not code.startswith("tests.")
    ]
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_target_of_make_is_there(name: str) -> None:
    spoken = [words.split() for words in [*codes(TEXTS[name]), *LINES] if words.startswith("make ")]
    used = {word for words in spoken for word in words[1:] if "=" not in word}
    assert not used - TARGETS


@pytest.mark.parametrize("name", NAMES)
def test_every_endpoint_named_is_in_the_table(name: str) -> None:
    named = re.findall(r"\b(GET|POST|PUT|DELETE) (/[a-z/.]*)", "\n".join(codes(TEXTS[name])))
    assert [pair for pair in named if pair not in TABLE] == []


def test_the_readme_names_every_endpoint() -> None:
    assert not set(TABLE) - set(re.findall(r"\b(GET|POST|PUT) (/[a-z/.]*)", "\n".join(codes(README))))


@pytest.mark.parametrize("name", NAMES)
def test_every_variable_named_is_a_setting(name: str) -> None:
    text = "\n".join([*codes(TEXTS[name]), *blocks(TEXTS[name], "sh")])
    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z0-9]+)+\b", text))
    assert not named - VARIABLES - FOREIGN


def test_defaults_are_those_of_the_settings() -> None:
    """Tables of the README: one variable in a row, and its default in the next column."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| `?([^|`]+?)`? \|", README, re.MULTILINE)
    known = settings.effective(settings.load({}, dotenv=None))
    told = {name: value for name, value in rows if value[0] not in "nt"}  # `none ...` and `the user's ...` are words
    assert told
    assert told == {name: re.sub(r"\.0$", "", known[name]) for name in told}


def named_tests() -> Iterator[tuple[str, str]]:
    """Yield each test that BEHAVIOR.md names, with the file it is said to be in."""
    file = ""
    for code in codes(BEHAVIOR):
        if code.startswith("tests/"):
            file = code
        elif code.startswith("test_"):
            yield file, code


@cache
def known_tests(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize(("file", "test"), list(named_tests()))
def test_every_test_that_shows_a_promise_is_there(file: str, test: str) -> None:
    assert test in known_tests(file)


PROMISES: Final = [part for part in BEHAVIOR.split("\n\n") if part.startswith("**")]


def sentence(promise: str) -> str:
    """Return a promise's bold words in one line, without a full stop."""
    bold, _, _ = promise.removeprefix("**").partition("**")
    return " ".join(bold.split()).removesuffix(".")


def scenes() -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the first sentence of each scenario's docstring, without its full stop, and which scenario that is."""
    for path in sorted((ROOT / "tests" / "scenarios").glob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                said = (ast.get_docstring(node) or "").partition("\n\n")[0]
                yield said.removesuffix("."), (path.relative_to(ROOT).as_posix(), node.name)


@pytest.mark.parametrize("promise", PROMISES, ids=sentence)
def test_every_promise_is_said_by_exactly_one_scenario_which_is_named_first(promise: str) -> None:
    (scene,) = [where for said, where in scenes() if said == sentence(promise)]
    named = re.search(r"\nShown by `(tests/\S+)`:\s`(\w+)`", promise)
    assert named
    assert named.groups() == scene


def test_no_scenario_promises_what_is_not_written_down() -> None:
    promised = {sentence(promise) for promise in PROMISES}
    assert promised
    assert [where for said, where in scenes() if said and said not in promised] == []


@pytest.mark.parametrize("line", LINES)
def test_a_shell_line_says_what_the_programs_understand(line: str) -> None:
    words = shlex.split(line)
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        assert words.pop(0).partition("=")[0] in VARIABLES
    check = {".venv/bin/bitmart-bridge": of_the_bridge, "curl": of_curl, "redis-cli": of_redis_cli}
    if words[0] in check:
        check[words[0]](words[1:])
    else:
        assert words[0] in ("make", "sudo")


def of_the_bridge(words: list[str]) -> None:
    """Let click read the words, and run nothing."""
    command = cli.commands[words[0]]
    command.make_context(words[0], words[1:], parent=click.Context(cli, **cli.context_settings))


def of_curl(words: list[str]) -> None:
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    (url,) = (word for word in words if word.startswith("http"))
    endpoint = TABLE[method, urlsplit(url).path]
    if "-d" in words:
        msgspec.json.decode(words[words.index("-d") + 1], type=endpoint.body)


def of_redis_cli(words: list[str]) -> None:
    keys = Keys()
    streams = {keys.klines("BTCUSDT", "1m"), keys.orders, keys.fills, keys.positions, keys.events}
    (stream,) = (word for word in words if word.startswith("bitmart:"))
    assert stream in streams


def test_the_python_in_the_readme_can_be_read_and_its_keys_are_ours() -> None:
    (block,) = blocks(README, "python")
    literals = [node.value for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Constant)]
    streams = {text for text in literals if isinstance(text, str) and text.startswith("bitmart:")}
    assert streams == {Keys().klines("BTCUSDT", frame) for frame in ("1m", "5m")}


@pytest.mark.parametrize("name", NAMES)
def test_no_document_speaks_of_the_desk_it_was_written_at(name: str) -> None:
    assert [word for word in FORBIDDEN if word in TEXTS[name]] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "BEHAVIOR.md"])
def test_prose_is_wrapped(name: str) -> None:
    wide = [line for line in prose(TEXTS[name]).splitlines() if len(line) > WIDEST and not line.startswith("|")]
    assert wide == []


def test_the_changelog_speaks_of_this_version() -> None:
    assert re.search(rf"^## {re.escape(__version__)} \(", TEXTS["CHANGELOG.md"], re.MULTILINE)
